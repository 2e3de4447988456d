"""Lua and the official Python SDK on one server, each calling the other."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError, WorkflowQueryFailedError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError, FailureError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from command import read_until
from temporal_runs import until_history_has
from temporal_script import Script
from timeouts import TIMEOUT

ONCE = RetryPolicy(maximum_attempts=1)

LUA = """
local queue = arg[1]
local tries = {}

local function refuse(input) error(input) end

temporal.worker({
  task_queue = queue,
  activities = {
    echo = function(input) return input end,
    count = function(...) return select("#", ...) end,
    nothing = function() end,
    refuse = refuse,
    crash = function() local none = nil; return none.field end,
    later = function(input)
      tries[input] = (tries[input] or 0) + 1
      if tries[input] == 1 then error({ message = "not now", next_retry_delay = 0.05 }) end
      return tries[input]
    end,
  },
  workflows = {
    Echo = function(ctx, input) return ctx:execute_activity("echo", input) end,
    Refuse = function(ctx, input) refuse(input) end,
    RefuseInActivity = function(ctx, input)
      ctx:execute_activity("refuse", input, { retry_policy = { maximum_attempts = 1 } })
    end,
    Wait = function(ctx, input)
      local seen = { input }
      ctx:register_query("seen", function(from) return { table.unpack(seen, from or 1) } end)
      while #seen < 4 do seen[#seen + 1] = ctx:wait_signal("more") end
      return seen
    end,
    Call = function(ctx, input)
      local options = input.options
      options.task_queue = options.task_queue or queue .. "-python"
      local method = input.child and ctx.execute_child_workflow or ctx.execute_activity
      local ok, result = pcall(method, ctx, input.name, input.input, options)
      if ok then return { result = result } end
      local levels, level = {}, result
      while level do
        levels[#levels + 1] = { kind = level.kind, type = level.type, message = level.message,
          details = level.details, non_retryable = level.non_retryable, retry_state = level.retry_state,
          activity_type = level.activity_type, workflow_type = level.workflow_type }
        level = level.cause
      end
      return { text = tostring(result), levels = levels }
    end,
  },
})
print("polling")
"""


def describe(error: BaseException | None) -> list[dict[str, Any]]:
    """The levels of a failure as the Python SDK shows them, outermost first."""
    levels: list[dict[str, Any]] = []
    while isinstance(error, FailureError):
        level: dict[str, Any] = {"class": type(error).__name__, "message": error.message}
        if isinstance(error, ApplicationError):
            delay = error.next_retry_delay
            level |= {
                "type": error.type,
                "details": list(error.details),
                "non_retryable": error.non_retryable,
                "next_retry_delay": delay.total_seconds() if delay is not None else None,
            }
        elif isinstance(error, ActivityError):
            level["called"] = error.activity_type
        elif isinstance(error, ChildWorkflowError):
            level["called"] = error.workflow_type
        levels.append(level)
        error = error.cause
    return levels


@workflow.defn(sandboxed=False)
class Caller:
    """Calls Lua activities and workflows."""

    @workflow.run
    async def run(self, queue: str, kind: str, name: str, arguments: list[Any], retry_delay: float | None) -> Any:
        """Call once, or with retries that are `retry_delay` seconds apart."""
        retry = ONCE if retry_delay is None else RetryPolicy(initial_interval=timedelta(seconds=retry_delay))
        try:
            if kind == "child":
                return {"result": await workflow.execute_child_workflow(name, args=arguments, task_queue=queue)}
            return {
                "result": await workflow.execute_activity(
                    name,
                    args=arguments,
                    task_queue=queue,
                    start_to_close_timeout=timedelta(seconds=60),
                    retry_policy=retry,
                )
            }
        except FailureError as error:
            return {"levels": describe(error)}


@workflow.defn(sandboxed=False)
class Halve:
    """A child for Lua workflows."""

    @workflow.run
    async def run(self, number: int) -> float:
        """Halve an even number, reject an odd one."""
        if number % 2:
            raise ApplicationError("odd", {"number": number}, type="Odd", non_retryable=True)
        return number / 2


@activity.defn
async def add(numbers: dict[str, int]) -> dict[str, int]:
    return {"sum": sum(numbers.values())}


@activity.defn
async def fail(spec: dict[str, Any]) -> None:
    try:
        try:
            raise KeyError("root")
        except KeyError as error:
            raise ValueError("middle") from error
    except ValueError as error:
        raise ApplicationError(
            "outer", *spec["details"], type=spec["type"], non_retryable=spec["non_retryable"]
        ) from error


@activity.defn
async def stall(details: Any = None) -> None:
    if details is not None:
        activity.heartbeat(details)
    await asyncio.sleep(600)


class Sides:
    """A Lua worker, a Python worker, and a client of the Python SDK."""

    def __init__(self, client: Client, name: str) -> None:
        self.client = client
        self.lua_queue = name
        self.python_queue = f"{name}-python"
        self._last = 0

    def _id(self) -> str:
        self._last += 1
        return f"{self.lua_queue}-{self._last}"

    async def from_python(self, kind: str, name: str, *arguments: Any, retry_delay: float | None = None) -> Any:
        """The result of a Lua activity or child workflow in a Python workflow."""
        return await self.client.execute_workflow(
            "Caller",
            args=[self.lua_queue, kind, name, list(arguments), retry_delay],
            id=self._id(),
            task_queue=self.python_queue,
        )

    async def from_lua(self, name: str, value: Any, **options: Any) -> Any:
        """The result of a Python activity in a Lua workflow."""
        return await self.client.execute_workflow(
            "Call",
            {"name": name, "input": value, "options": options},
            id=self._id(),
            task_queue=self.lua_queue,
        )

    async def child_from_lua(self, name: str, value: Any, **options: Any) -> Any:
        """The result of a Python child workflow in a Lua workflow."""
        return await self.client.execute_workflow(
            "Call",
            {"child": True, "name": name, "input": value, "options": options},
            id=self._id(),
            task_queue=self.lua_queue,
        )


@asynccontextmanager
async def both(lua: Script, name: str) -> AsyncIterator[Sides]:
    client = await Client.connect(lua.address)
    sides = Sides(client, name)
    script = lua.command.script(LUA, "worker.lua")
    worker = Worker(
        client,
        task_queue=sides.python_queue,
        workflows=[Caller, Halve],
        activities=[add, fail, stall],
        workflow_runner=UnsandboxedWorkflowRunner(),
        graceful_shutdown_timeout=timedelta(0),
    )
    with lua.command.started(script, name) as process:
        await asyncio.to_thread(read_until, process, "polling")
        async with worker:
            yield sides
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, TIMEOUT) == 0


async def test_python_calls_lua(lua: Script, name: str) -> None:
    value: dict[str, Any] = {"text": "é", "list": [1, 2.0, None, []], "empty": {}}
    async with both(lua, name) as sides:
        results = [
            await sides.from_python("activity", "echo", value),
            await sides.from_python("activity", "count", 1, None, 3),
            await sides.from_python("activity", "nothing"),
            await sides.from_python("activity", "later", "a", retry_delay=3600),
            await sides.from_python("child", "Echo", value),
        ]
    assert results == [{"result": value}, {"result": 3}, {"result": None}, {"result": 2}, {"result": value}]


REFUSAL = {
    "type": "NO_GOOD",
    "message": "no good",
    "details": {"code": 7, "list": [1, []]},
    "non_retryable": True,
    "next_retry_delay": 2.5,
}
REFUSED = {
    "class": "ApplicationError",
    "message": "no good",
    "type": "NO_GOOD",
    "details": [{"code": 7, "list": [1, []]}],
    "non_retryable": True,
    "next_retry_delay": 2.5,
}


async def test_python_sees_the_failures_of_lua(lua: Script, name: str) -> None:
    async with both(lua, name) as sides:
        structured = (await sides.from_python("activity", "refuse", REFUSAL))["levels"]
        text = (await sides.from_python("activity", "refuse", "QUOTA: used up"))["levels"]
        crash = (await sides.from_python("activity", "crash"))["levels"]
        child = (await sides.from_python("child", "Refuse", REFUSAL))["levels"]
        deep = (await sides.from_python("child", "RefuseInActivity", REFUSAL))["levels"]
        with pytest.raises(WorkflowFailureError) as raised:
            await sides.client.execute_workflow("RefuseInActivity", REFUSAL, id=name, task_queue=name)
    assert structured == [{"class": "ActivityError", "message": "Activity task failed", "called": "refuse"}, REFUSED]
    plain = {"class": "ApplicationError", "details": [], "non_retryable": False, "next_retry_delay": None}
    assert text[1] == plain | {"type": "QUOTA", "message": "worker.lua:5: QUOTA: used up"}
    assert crash[1]["type"] == "LuaError"
    assert "worker.lua:14: attempt to index a nil value (local 'none')" in crash[1]["message"]
    assert [level["class"] for level in child] == ["ChildWorkflowError", "ApplicationError"]
    assert child[0]["called"] == "Refuse"
    assert child[1] == REFUSED
    assert [level["class"] for level in deep] == ["ChildWorkflowError", "ActivityError", "ApplicationError"]
    assert deep[1]["called"] == "refuse"
    assert deep[2] == REFUSED
    assert describe(raised.value.cause)[1] == REFUSED


async def test_lua_calls_python(lua: Script, name: str) -> None:
    async with both(lua, name) as sides:
        added = await sides.from_lua("add", {"a": 1, "b": 41})
        failed = await sides.from_lua("fail", {"type": "Conflict", "details": [{"id": 9}], "non_retryable": True})
        several = await sides.from_lua(
            "fail",
            {"type": "Conflict", "details": [1, "two"], "non_retryable": False},
            retry_policy={"non_retryable_errors": ["Conflict"]},
        )
    assert added == {"result": {"sum": 42}}
    assert failed["text"] == "activity 'fail' failed: outer"
    outer, application, middle, root = failed["levels"]
    assert outer == {
        "kind": "activity",
        "activity_type": "fail",
        "message": "activity 'fail' failed: outer",
        "retry_state": "non_retryable_failure",
        "type": "Conflict",
        "details": {"id": 9},
        "non_retryable": True,
    }
    assert application == {
        "kind": "application",
        "type": "Conflict",
        "message": "outer",
        "details": {"id": 9},
        "non_retryable": True,
    }
    assert (middle["type"], middle["message"]) == ("ValueError", "middle")
    assert (root["type"], root["message"]) == ("KeyError", "'root'")
    assert several["levels"][0]["retry_state"] == "non_retryable_failure"
    assert several["levels"][1]["details"] == [1, "two"]
    assert several["levels"][1]["non_retryable"] is False


async def test_lua_calls_a_python_child(lua: Script, name: str) -> None:
    async with both(lua, name) as sides:
        halved = await sides.child_from_lua("Halve", 42, workflow_id=f"{name}-child", parent_close_policy="abandon")
        refused = await sides.child_from_lua("Halve", 7)
        bad = await sides.child_from_lua("Halve", 8, parent_close_policy="never")
    assert repr(halved) == "{'result': 21.0}"
    assert refused["text"] == "child workflow 'Halve' failed: odd"
    outer, application = refused["levels"]
    assert (outer["kind"], outer["workflow_type"], outer["type"]) == ("child_workflow", "Halve", "Odd")
    assert (application["kind"], application["details"]) == ("application", {"number": 7})
    assert "bad option 'parent_close_policy'" in bad["text"]
    events = lua.events(f"{name}-child")
    assert events[-1] == "WORKFLOW_EXECUTION_COMPLETED"


async def test_lua_sees_which_time_limit_was_reached(lua: Script, name: str) -> None:
    once = {"maximum_attempts": 1}
    async with both(lua, name) as sides:
        outcomes = await asyncio.gather(
            sides.from_lua("stall", None, start_to_close_timeout=0.2, retry_policy=once),
            # An activity that has not begun by then has another type of timeout.
            sides.from_lua("stall", None, schedule_to_close_timeout=5),
            sides.from_lua("stall", None, task_queue=f"{name}-nobody", schedule_to_start_timeout=0.2),
            # Its details have to arrive in that time.
            sides.from_lua("stall", {"at": 3}, heartbeat_timeout=5, retry_policy=once),
        )
    seen = [
        [(level["kind"], level.get("type"), level.get("details")) for level in outcome["levels"]]
        for outcome in outcomes
    ]
    types = ("start_to_close", "schedule_to_close", "schedule_to_start", "heartbeat")
    details = (None, None, None, {"at": 3})
    for levels, kind, detail in zip(seen, types, details, strict=True):
        assert levels[0] == ("activity", kind, detail)
        assert levels[1] == ("timeout", kind, detail)


async def test_a_python_client_of_a_lua_workflow(lua: Script, name: str) -> None:
    async with both(lua, name) as sides:
        handle = await sides.client.start_workflow("Wait", {"n": 1}, id=name, task_queue=name)
        await until_history_has(handle, "WORKFLOW_TASK_COMPLETED")  # before that the server takes no query for long
        assert await handle.query("seen") == [{"n": 1}]
        await handle.signal("more", [2.5, None])
        await handle.signal("more")
        assert await handle.query("seen", 2) == [[2.5, None], True]
        with pytest.raises(WorkflowQueryFailedError, match=r"query 'other' is not registered \(registered: seen\)"):
            await handle.query("other")
        await handle.signal("more", "last")
        assert await handle.result() == [{"n": 1}, [2.5, None], True, "last"]
        assert await handle.query("seen", 4) == ["last"]


# In Lua an object's null is an absent key, and a float has 64 bits.
SCALARS = (
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner | st.none(), max_size=5) | st.dictionaries(st.text(), inner, max_size=5)
)


def test_any_json_value_comes_back_unchanged(lua: Script, name: str) -> None:
    script = lua.command.script(LUA, "worker.lua")
    with lua.command.started(script, name) as process, asyncio.Runner() as runner:
        read_until(process, "polling")
        client = runner.run(Client.connect(lua.address))
        count = 0

        @settings(max_examples=25, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
        @given(st.lists(VALUES | st.none(), min_size=1, max_size=20))
        def there_and_back(values: list[Any]) -> None:
            nonlocal count
            count += 1
            workflow_id = f"{name}-{count}"
            result = runner.run(client.execute_workflow("Echo", values, id=workflow_id, task_queue=name))
            assert json.dumps(result, sort_keys=True) == json.dumps(values, sort_keys=True)

        there_and_back()
