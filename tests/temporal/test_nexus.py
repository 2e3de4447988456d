"""Operations of a Nexus service in a worker of another SDK."""

from __future__ import annotations

from typing import Any

from nexusrpc import HandlerError, HandlerErrorType
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from temporalio.api.nexus.v1 import EndpointSpec, EndpointTarget
from temporalio.api.operatorservice.v1 import CreateNexusEndpointRequest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from temporal_runs import run_until
from temporal_script import Script


@service_handler(name="orders")
class Orders:
    """The service."""

    @sync_operation(name="echo")
    async def echo(self, context: StartOperationContext, value: Any) -> Any:
        """Return the input with a header."""
        return [value, context.headers.get("who")]

    @sync_operation(name="refuse")
    async def refuse(self, _context: StartOperationContext, value: Any) -> Any:
        """Fail without retries, as the service or as the operation."""
        if value == "operation":
            raise ApplicationError("sold out", {"left": 0}, type="SOLD_OUT", non_retryable=True)
        raise HandlerError("no such order", type=HandlerErrorType.NOT_FOUND)


CALLS = """
local queue = arg[1] or "replay"
temporal.worker({ task_queue = queue, workflows = {
  Calls = function(ctx, endpoint)
    local function call(operation, input, headers)
      return ctx:execute_nexus_operation({ endpoint = endpoint, service = "orders", operation = operation,
        input = input, headers = headers, schedule_to_close_timeout = 60, summary = "a call" })
    end
    local function failure(...)
      local ok, err = pcall(...)
      return { kind = err.kind, message = tostring(err), operation = err.operation, endpoint = err.endpoint,
        type = err.type, details = err.details }
    end
    return {
      echoed = call("echo", { 9007199254740993, 1.0, json.empty_array }, { who = "me" }),
      nothing = call("echo"),
      sold_out = failure(call, "refuse", "operation"),
      not_found = failure(call, "refuse", "service"),
      unknown = failure(call, "unknown"),
      awaited = ctx:start_nexus_operation({ endpoint = endpoint, service = "orders", operation = "echo", input = 1 })
        :get(),
      missing = failure(ctx.execute_nexus_operation, ctx, { service = "orders", operation = "echo" }),
    }
  end,
} })
print("polling")
"""


async def test_operations_of_a_nexus_service(lua: Script, name: str) -> None:
    client = await Client.connect(lua.address)
    endpoint = name.replace("_", "-")
    target = EndpointTarget(worker=EndpointTarget.Worker(namespace="default", task_queue=f"{name}-service"))
    spec = EndpointSpec(name=endpoint, target=target)
    await client.operator_service.create_nexus_endpoint(CreateNexusEndpointRequest(spec=spec))
    handle = await client.start_workflow("Calls", endpoint, id=name, task_queue=name)
    async with Worker(client, task_queue=f"{name}-service", nexus_service_handlers=[Orders()]):
        await run_until(lua, CALLS, name, "", handle.result())
    result = await handle.result()
    assert repr(result["echoed"]) == repr([[9007199254740993, 1.0, []], "me"])
    assert result["nothing"][0] is None
    assert result["awaited"][0] == 1
    sold_out, not_found, unknown = (result[case] for case in ("sold_out", "not_found", "unknown"))
    assert sold_out["kind"] == not_found["kind"] == unknown["kind"] == "nexus"
    assert sold_out["message"].startswith("operation 'refuse' of Nexus service 'orders' failed: ")
    assert (sold_out["operation"], sold_out["endpoint"]) == ("refuse", endpoint)
    assert sold_out["message"].endswith(": sold out")
    assert (sold_out["type"], sold_out["details"]) == ("SOLD_OUT", {"left": 0})
    assert not_found["type"] == unknown["type"] == "NOT_FOUND"
    assert "no such order" in not_found["message"]
    assert result["missing"]["message"] == "ctx:execute_nexus_operation: missing option 'endpoint'"
    lua.replay(name, script="worker.lua")
