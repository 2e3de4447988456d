"""The global `temporal`."""

from __future__ import annotations

import os.path
from typing import TYPE_CHECKING

from assay.lua.declare import Library
from assay.lua.host import Host
from assay.permissions.needs import TEMPORAL

if TYPE_CHECKING:
    from assay.temporal.client import Client, ConnectionOptions, Schedules, StartConnectionOptions, Started
    from assay.temporal.worker.options import WorkerOptions
    from assay.temporal.worker.worker import Worker

# Client and worker are independent; each is imported by the first call of a function that has it in its signature.
# The methods of the client are listed here because each is also a function of this module.
CLIENT_METHODS = (
    *("start_workflow", "execute_workflow", "update_with_start"),
    *("signal_workflow", "query_workflow", "update_workflow"),
    *("get_result", "cancel_workflow", "terminate_workflow", "reset_workflow", "fetch_history"),
    *("describe_workflow", "list_workflows", "each_workflow", "count_workflows"),
    *("start_activity", "execute_activity", "get_activity_result", "describe_activity", "cancel_activity"),
    *("terminate_activity", "list_activities"),
    *("complete_activity", "fail_activity", "heartbeat_activity", "report_activity_cancelled"),
    "close",
)
SCHEDULE_METHODS = ("create", "get", "list", "update", "pause", "unpause", "trigger", "backfill", "delete")

_WORKFLOW = "fun(ctx: Context, input: any, ...: any): any"
_ACTIVITY = "fun(input: any, ...: any): any"

library = Library(
    "temporal",
    """A client for Temporal workflows, and a worker that runs Lua functions as workflows and activities.

    Every method of the client is also a function of this module, which acts on the connection of the last
    `temporal.connect`.
    """,
    lua=os.path.join(os.path.dirname(__file__), "temporal.lua"),
    constants={"schedules": "The schedules of the last connection, with the methods of `client.schedules`."},
    callbacks={
        "temporal.WorkerOptions.workflows": _WORKFLOW,
        "temporal.WorkerOptions.dynamic_workflow": _WORKFLOW,
        "temporal.WorkflowEntry.run": _WORKFLOW,
        "temporal.WorkerOptions.activities": _ACTIVITY,
        "temporal.WorkerOptions.dynamic_activity": _ACTIVITY,
        "temporal.ActivityEntry.run": _ACTIVITY,
        "temporal.WorkerOptions.nexus_services": "fun(input: any, request: temporal.NexusRequest): any",
        "temporal.WorkflowOperation.workflow_id": "fun(input: any): string",
        **{f"{owner}update_with_start.return": "any, temporal.Started" for owner in ("client:", "temporal.")},
        **{f"{owner}count_workflows.return": "integer, table[]?" for owner in ("client:", "temporal.")},
        **{f"{owner}fetch_history.return": "table<string, any>" for owner in ("client:", "temporal.")},
    },
    callback_tables=["assay.temporal.worker.nexus:NexusRequest"],
    needs=TEMPORAL,
)
_client = library.lazy_handle("temporal.Client", "assay.temporal.client")
library.lazy_handle("temporal.Schedules", "assay.temporal.client")
library.lazy_handle("temporal.WorkflowPages", "assay.temporal.client")
library.lazy_handle("temporal.Worker", "assay.temporal.worker.worker")
for _metric in ("MetricMeter", "MetricCounter", "MetricHistogram", "MetricGauge"):
    library.lazy_handle(f"temporal.{_metric}", "assay.temporal.telemetry.meter")


@library.function(native=True, types="assay.temporal.client")
async def connect(host: Host, options: ConnectionOptions | None = None) -> Client:
    """Connect to a Temporal server.

    Args:
        options: Options of the connection.
    """
    from assay.temporal.client import Client, ConnectionOptions
    from assay.temporal.client.connect import connect_client

    given = options or ConnectionOptions()
    return Client(await connect_client("temporal.connect", given, permissions=host.permissions))


@library.function(types="assay.temporal.client")
async def _connect(host: Host, options: ConnectionOptions | None = None) -> Client:
    return await connect(host, options)


@library.function(pure=True)
def _client_methods() -> list[str]:
    return list(CLIENT_METHODS)


@library.function(pure=True)
def _schedule_methods() -> list[str]:
    return list(SCHEDULE_METHODS)


@library.function(types="assay.temporal.client")
def _schedules(client: Client) -> Schedules:
    from assay.temporal.client import Schedules

    return Schedules(client)


@library.function(types="assay.temporal.client")
async def start(host: Host, options: StartConnectionOptions) -> Started:
    """Connect as `temporal.connect` does, start a workflow and close the connection.

    Args:
        options: Options of the connection and of the workflow.
    """
    from assay.temporal.client import Client, start_workflow
    from assay.temporal.client.connect import connect_client

    client = Client(await connect_client("temporal.start", options, permissions=host.permissions))
    started = await start_workflow("temporal.start", client, options)
    client.close()
    return started


@library.function(types="assay.temporal.worker.worker")
async def worker(host: Host, options: WorkerOptions) -> Worker:
    """Start a worker. The script keeps running until the worker is shut down.

    Args:
        options: Options of the connection, the task queue, and the workflows and activities to register.
    """
    import asyncio

    from assay.temporal.worker.worker import Worker

    running = Worker(host, options)
    starting = asyncio.ensure_future(running.start())
    await asyncio.sleep(0)  # let it begin to connect, on a separate thread
    if host.services.before_start is not None:
        host.services.before_start(running)
    await starting
    return running


library.methods_of(_client, CLIENT_METHODS)
