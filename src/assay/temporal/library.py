"""The global `temporal`."""

from __future__ import annotations

import asyncio
import os.path
from dataclasses import dataclass

from assay.lua.declare import Library
from assay.lua.host import Host
from assay.permissions.needs import TEMPORAL
from assay.temporal import meter
from assay.temporal.client import Client, Schedules, Started, StartOptions, WorkflowPages, start_workflow
from assay.temporal.connection import ConnectionOptions
from assay.temporal.worker.nexus import NexusRequest
from assay.temporal.worker.options import WorkerOptions
from assay.temporal.worker.worker import Worker

_WORKFLOW = "fun(ctx: Context, input: any, ...: any): any"
_ACTIVITY = "fun(input: any, ...: any): any"

library = Library(
    "temporal",
    """Temporal: a client for workflows, and a worker that runs Lua functions as workflows and activities.

    After a `temporal.connect`, every method of the client is also a function of this module and acts on that last
    connection.
    """,
    lua=os.path.join(os.path.dirname(__file__), "temporal.lua"),
    constants={"schedules": "The schedules of the last connection, with the methods of `client.schedules`."},
    callbacks={
        "temporal.WorkerOptions.workflows": _WORKFLOW,
        "temporal.WorkerOptions.dynamic_workflow": _WORKFLOW,
        "temporal.WorkflowEntry.run": _WORKFLOW,
        "temporal.WorkerOptions.activities": _ACTIVITY,
        "temporal.WorkerOptions.dynamic_activity": _ACTIVITY,
        "temporal.LimitedActivity.run": _ACTIVITY,
        "temporal.WorkerOptions.nexus_services": "fun(input: any, request: temporal.NexusRequest): any",
        "temporal.WorkflowOperation.workflow_id": "fun(input: any): string",
    },
    callback_tables=[NexusRequest],
    needs=TEMPORAL,
)
library.handle(Client)
library.handle(Schedules)
library.handle(WorkflowPages)
library.handle(Worker)
meter.add_handles(library)


@dataclass(kw_only=True)
class StartConnectionOptions(ConnectionOptions, StartOptions):
    """Where the server is and what to start."""


@library.function(native=True)
async def connect(host: Host, options: ConnectionOptions | None = None) -> Client:
    """Connect to a Temporal server.

    Args:
        options: Where the server is.
    """
    from assay.temporal.client.connect import connect_client  # a worker does without the SDK's client

    given = options or ConnectionOptions()
    return Client(await connect_client("temporal.connect", given, permissions=host.permissions))


@library.function()
async def _connect(host: Host, options: ConnectionOptions | None = None) -> Client:
    return await connect(host, options)


@library.function(pure=True)
def _client_methods() -> list[str]:
    return [method.name for method in library.handles[0].methods]


@library.function(pure=True)
def _schedule_methods() -> list[str]:
    return [method.name for method in library.handles[1].methods]


@library.function()
def _schedules(client: Client) -> Schedules:
    return Schedules(client)


@library.function()
async def start(host: Host, options: StartConnectionOptions) -> Started:
    """Start a workflow without a client: connect as `temporal.connect` does, and start.

    Args:
        options: Where the server is and what to start.
    """
    from assay.temporal.client.connect import connect_client

    client = Client(await connect_client("temporal.start", options, permissions=host.permissions))
    started = await start_workflow("temporal.start", client, options)
    client.close()
    return started


@library.function()
async def worker(host: Host, options: WorkerOptions) -> Worker:
    """Start a worker. The script keeps running until it is shut down.

    Args:
        options: Where the server is, the task queue, and what the worker runs.
    """
    running = Worker(host, options)
    starting = asyncio.ensure_future(running.start())
    await asyncio.sleep(0)  # from now on it connects, on a thread of its own
    if host.before_service is not None:
        host.before_service(running)
    await starting
    return running


for _method in library.handles[0].methods:
    library.function(native=True, name=_method.name)(_method.python)
