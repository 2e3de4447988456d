"""`require("assay.temporal")`."""

from __future__ import annotations

import os.path

from assay.lua.declare import Library
from assay.lua.host import Host
from assay.permissions.needs import NOTHING, TEMPORAL_URL
from assay.temporal.rest.client import Client, ClientOptions
from assay.temporal.rest.namespaces import Namespaces
from assay.temporal.rest.schedules import Schedules
from assay.temporal.rest.scripts import ScriptClient
from assay.temporal.rest.task_queues import TaskQueues
from assay.temporal.rest.workflows import Workflows

library = Library(
    "assay.temporal",
    """A client for Temporal's HTTP API: dashboards, status checks, small interventions. By `require("assay.temporal")`.

        local c = require("assay.temporal").client("http://localhost:7243", { namespace = "orders" })
        for _, execution in ipairs(c.workflows:list({ query = "ExecutionStatus = 'Running'" }).executions) do
          print(execution.execution.workflowId, execution.type.name)
        end

    The HTTP API has a port of its own; the global `temporal` speaks gRPC, and is what starts workflows and runs them.

    A call that fails raises an error object: `status` is the HTTP status and `code` the server's gRPC code, where it
    answered; `kind` is "not_found", "timeout", "connect", "dns", "protocol", "tls", "redirect",
    "answer" (one that makes no sense) or "rpc" (any other refusal). It prints as its `message`. In workflow code the
    module is not there: use it in an activity.
    """,
    lua=os.path.join(os.path.dirname(__file__), "rest.lua"),
    needs=NOTHING,
)
for _class in (ScriptClient, Namespaces, Workflows, TaskQueues, Schedules):
    library.handle(_class)


@library.function(name="client", native=True, needs=TEMPORAL_URL)
def make_client(url: str, options: ClientOptions | None = None) -> Client:
    """Make a client. Nothing is sent yet.

    Args:
        url: The address of the HTTP API: `http://localhost:7243`.
        options: How to ask.
    """
    raise NotImplementedError


@library.function(needs=TEMPORAL_URL)
def _client(host: Host, url: str, options: ClientOptions | None = None) -> ScriptClient:
    from assay.builtins.http import client

    return ScriptClient(url, options, lambda: client.session(host, "temporal"))


@library.function()
def _fields() -> list[str]:
    return list(Client.lua_fields)


@library.function()
def _field(client: ScriptClient, name: str) -> object:
    return getattr(client, name)
