"""Values that are too large for the server fail immediately with a clear error."""

from __future__ import annotations

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from temporal_runs import run_until, until_history_has
from temporal_script import Script

MAX_BYTES = 2 * 1024 * 1024 - 1024

SIZES = """
worker = temporal.worker({ task_queue = arg[1] or "replay", on_workflow_error = arg[2],
  activities = {
    make = function(size) return ("x"):rep(size) end,
    measure = function(text) return #text end,
  },
  workflows = {
    Steps = function(ctx, size)
      local function failure(method, ...)
        local ok, err = pcall(ctx[method], ctx, ...)
        return ok and "no error" or { message = tostring(err), type = err.type, non_retryable = err.non_retryable }
      end
      return {
        made = failure("execute_activity", "make", size),
        measured = failure("execute_activity", "measure", ("x"):rep(size)),
        effect = failure("side_effect", function() return ("x"):rep(size) end),
        child = failure("execute_child_workflow", "Steps", ("x"):rep(size)),
        signal = failure("signal_workflow", { workflow_id = "x", signal_name = "y", input = ("x"):rep(size) }),
        memo = failure("upsert_memo", { big = ("x"):rep(size) }),
        most = ctx:execute_activity("measure", ("x"):rep(2096128 - 64)),
      }
    end,
    Fan = function(ctx, size)
      local counts, futures, ok, err = {}, {}, true, nil
      for _ = 1, 3 do
        repeat
          ok, err = pcall(ctx.start_activity, ctx, "measure", ("x"):rep(size))
          futures[#futures + 1] = ok and err or nil
        until not ok or #futures == 9
        counts[#counts + 1] = #futures
        ctx:await_all(futures)
        futures = {}
      end
      return { counts, tostring(err) }
    end,
    Failure = function(_, what)
      local large = ("x"):rep(3e6)
      error(what == "text" and large or { type = "LARGE", message = "m", details = { large } })
    end,
    Result = function(ctx, size)
      ctx:register_query("big", function() return ("x"):rep(size) end)
      ctx:wait_signal("go")
      return ("x"):rep(size)
    end,
  },
})
print("polling")
"""


def too_large(what: str, size: int) -> str:
    """The error for a payload of `size` bytes."""
    return (
        f"{what} has {size} bytes, the Temporal server accepts at most {MAX_BYTES}: "
        "store it elsewhere and pass a reference"
    )


async def test_payloads_that_are_too_large_for_the_server(lua: Script, name: str) -> None:
    client = await Client.connect(lua.address)
    steps = await client.start_workflow("Steps", MAX_BYTES, id=name, task_queue=name)
    stderr = await run_until(lua, SIZES, name, "fail", steps.result())
    value = await steps.result()
    assert value["made"] == {
        "message": "activity 'make' failed: " + too_large("the result of activity 'make'", MAX_BYTES + 2),
        "type": "PayloadTooLarge",
        "non_retryable": True,
    }
    assert value["measured"]["message"].startswith("ctx:execute_activity: the input has ")
    assert value["effect"]["message"] == too_large("the result of a side effect", MAX_BYTES + 2)
    assert value["child"]["message"].startswith("ctx:execute_child_workflow: the input has ")
    assert value["signal"]["message"].startswith("ctx:signal_workflow: the input has ")
    assert value["memo"]["message"].startswith("ctx:upsert_memo: the memo has ")
    assert value["most"] == MAX_BYTES - 64
    assert "TMPRL1103" not in stderr
    events = lua.events(name)
    assert "WORKFLOW_TASK_FAILED" not in events
    assert events.count("ACTIVITY_TASK_SCHEDULED") == 2
    lua.replay(name, script="worker.lua")


async def test_inputs_that_are_too_much_at_once(lua: Script, name: str) -> None:
    client = await Client.connect(lua.address)
    fan = await client.start_workflow("Fan", 600_000, id=name, task_queue=name)
    await run_until(lua, SIZES, name, "fail", fan.result())
    counts, error = await fan.result()
    assert counts == [6, 6, 6]
    assert error.startswith("ctx:start_activity: this workflow task would send 42")
    assert "bytes, the Temporal server accepts at most 4063232: wait for some steps before" in error
    assert "WORKFLOW_TASK_FAILED" not in lua.events(name)
    lua.replay(name, script="worker.lua")


@pytest.mark.parametrize("size", [3_000_000, 5_000_000])
def test_payloads_of_a_client_that_are_too_large(lua: Script, name: str, size: int) -> None:
    message = lua.value(
        f"""
        local options = {{ task_queue = arg[1], workflow_type = "Nobody", input = ("x"):rep({size}) }}
        local ok, err = pcall(temporal.connect().start_workflow, temporal.connect(), options)
        print(json.encode({{ err.kind, tostring(err) }}))
        """,
        name,
    )
    assert message[0] == "rpc"
    assert message[1].startswith("client:start_workflow: a payload exceeds the Temporal server's size limit: store it ")


async def test_a_workflows_result_that_is_too_large(lua: Script, name: str) -> None:
    client = await Client.connect(lua.address)
    failed = await client.start_workflow("Result", MAX_BYTES, id=name, task_queue=name)
    await failed.signal("go")
    await run_until(lua, SIZES, name, "fail", until_history_has(failed, "WORKFLOW_EXECUTION_FAILED"))
    with pytest.raises(WorkflowFailureError) as caught:
        await failed.result()
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.message == too_large("the workflow's result", MAX_BYTES + 2)
    assert caught.value.cause.type == "PayloadTooLarge"
    lua.replay(name, script="worker.lua")


async def test_it_keeps_a_run_open_that_suspends(lua: Script, name: str) -> None:
    client = await Client.connect(lua.address)
    kept = await client.start_workflow("Result", MAX_BYTES, id=name, task_queue=name)
    await kept.signal("go")
    stderr = await run_until(lua, SIZES, name, "suspend", until_history_has(kept, "WORKFLOW_TASK_FAILED"))
    assert too_large("the workflow's result", MAX_BYTES + 2) in stderr
    fixed = SIZES.replace('return ("x"):rep(size)\n    end', "return size\n    end")
    await run_until(lua, fixed, name, "suspend", kept.result())
    assert await kept.result() == MAX_BYTES


@pytest.mark.parametrize("what", ["text", "details"])
async def test_an_error_that_is_too_large(lua: Script, name: str, what: str) -> None:
    client = await Client.connect(lua.address)
    handle = await client.start_workflow("Failure", what, id=name, task_queue=name)
    stderr = await run_until(lua, SIZES, name, "fail", until_history_has(handle, "WORKFLOW_EXECUTION_FAILED"))
    assert max(map(len, stderr.splitlines())) < 2100
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    if what == "text":
        assert cause.message.endswith("x… (of 3000015 characters)")
        assert len(cause.message) < 70_000
    else:
        left_out = "details omitted: 3000004 bytes, the Temporal server accepts at most 1572864"
        assert cause.message == f"m ({left_out})"
        assert (cause.type, cause.details) == ("LARGE", ())
