"""The module `require("assay.temporal")`."""

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
    """A client of Temporal's HTTP API, for dashboards and operations, loaded by `require("assay.temporal")`.

        local c = require("assay.temporal").client("http://localhost:7243", { namespace = "orders" })
        for _, execution in ipairs(c.workflows:list({ query = "ExecutionStatus = 'Running'" }).executions) do
          print(execution.execution.workflowId, execution.type.name)
        end

    The HTTP API has a separate port. To start and run workflows, use the global `temporal`, which speaks gRPC.

    A call that fails raises an error object, which prints as its `message`. If the server responded, `status` is the
    HTTP status and `code` the gRPC code. `kind` is "not_found", "timeout", "connect", "dns", "protocol", "tls",
    "redirect", "answer" (a malformed response) or "rpc" (any other error of the server). The module is not available
    in workflow code: use it in an activity.
    """,
    lua=os.path.join(os.path.dirname(__file__), "rest.lua"),
    needs=NOTHING,
)
for _class in (ScriptClient, Namespaces, Workflows, TaskQueues, Schedules):
    library.handle(_class)


@library.function(name="client", native=True, needs=TEMPORAL_URL)
def make_client(url: str, options: ClientOptions | None = None) -> Client:
    """Create a client without connecting.

    Args:
        url: URL of the HTTP API, such as `http://localhost:7243`.
        options: Namespace, credentials and timeout.
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
