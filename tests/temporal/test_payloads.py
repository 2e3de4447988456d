"""Payloads of any encoding, between Lua and the Python SDK on a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload, WorkflowType
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RawValue
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from command import read_until
from temporal_script import Script
from timeouts import TIMEOUT

LUA = """
local queue = arg[1]
local client = temporal.connect()

local function shape(value)
  return { type(value), math.type(value) or json.null, type(value) == "string" and crypto.hash(value) or value }
end

temporal.worker({
  task_queue = queue,
  activities = {
    shape = function(...) return { select("#", ...), shape((...)) } end,
    echo = function(...) return ... end,
    bytes = function(hex) return (hex:gsub("..", function(digits) return string.char(tonumber(digits, 16)) end)) end,
    -- As a client in Lua: through a workflow in Lua and an activity of the Python SDK, value by value.
    round = function(values)
      local runs, results = {}, {}
      for i, value in ipairs(values) do
        runs[i] = client:start_workflow({ task_queue = queue, workflow_type = "Echo", input = value })
      end
      for i, run in ipairs(runs) do
        results[i] = client:get_result({ workflow_id = run.workflow_id })
        if results[i] == nil then results[i] = json.null end
      end
      return results
    end,
    result = function(id)
      local ok, value = pcall(client.get_result, client, { workflow_id = id })
      return { ok, ok and shape(value) or tostring(value) }
    end,
  },
  workflows = {
    Echo = function(ctx, input)
      return ctx:execute_activity("python_echo", input, { task_queue = queue .. "-python" })
    end,
    EchoOnly = function(ctx, input) return input end,
    Shape = function(ctx, ...) return { select("#", ...), shape((...)) } end,
    Signals = function(ctx)
      local first = ctx:wait_signal("bytes")
      while true do
        local found, second = ctx:poll_signal("bytes")
        if found then return { shape(first), shape(second) } end
        ctx:sleep(0.01)
      end
    end,
    Bytes = function(ctx, hex)
      local bytes = ctx:execute_activity("bytes", hex)
      local again = ctx:execute_activity("python_echo", bytes, { task_queue = queue .. "-python" })
      local third = ctx:side_effect(function() return again end)
      return third
    end,
  },
})
print("polling")
"""


@activity.defn
async def python_echo(value: Any = None) -> Any:
    return value


@workflow.defn(sandboxed=False)
class Raw:
    """Returns a payload of any encoding."""

    @workflow.run
    async def run(self, encoding: str, data: str) -> RawValue:
        """Make a payload."""
        return RawValue(Payload(metadata={"encoding": encoding.encode()}, data=bytes.fromhex(data)))


class Sides:
    """A worker in Lua, a worker of the Python SDK, and a client of the Python SDK on the loop of `runner`."""

    def __init__(self, runner: asyncio.Runner, client: Client, name: str) -> None:
        self.runner = runner
        self.client = client
        self.name = name
        self._count = 0

    def call(self, type: str, *arguments: Any, queue: str = "", result_type: type | None = None) -> Any:
        """Run a workflow to its end."""
        self._count += 1
        self.last_id = f"{self.name}-{self._count}"
        return self.runner.run(
            self.client.execute_workflow(
                type, args=arguments, id=self.last_id, task_queue=self.name + queue, result_type=result_type
            )
        )

    def activity(self, name: str, *arguments: Any) -> Any:
        """Run an activity of the Lua side, alone."""
        return self.call("CallLua", name, list(arguments), queue="-python")


@workflow.defn(sandboxed=False)
class CallLua:
    """Calls an activity of the Lua worker."""

    @workflow.run
    async def run(self, name: str, arguments: list[Any]) -> Any:
        """Call it."""
        from datetime import timedelta

        return await workflow.execute_activity(
            name,
            args=arguments,
            task_queue=workflow.info().task_queue.removesuffix("-python"),
            start_to_close_timeout=timedelta(seconds=100),
        )


@contextmanager
def both(lua: Script, name: str) -> Iterator[Sides]:
    with (
        lua.command.started(lua.command.script(LUA, "worker.lua"), name) as process,
        asyncio.Runner() as runner,
    ):
        read_until(process, "polling")
        client = runner.run(Client.connect(lua.address))
        worker = Worker(
            client,
            task_queue=f"{name}-python",
            activities=[python_echo],
            workflows=[Raw, CallLua],
            workflow_runner=UnsandboxedWorkflowRunner(),
        )

        async def start() -> asyncio.Task[None]:
            return asyncio.create_task(worker.run())

        polling = runner.run(start())
        yield Sides(runner, client, name)
        runner.run(worker.shutdown())
        runner.run(asyncio.wait_for(polling, TIMEOUT))
        process.terminate()
        process.wait(TIMEOUT)


def raw(encoding: str, data: bytes) -> RawValue:
    return RawValue(Payload(metadata={"encoding": encoding.encode()}, data=data))


def sha256(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


NO_TEXT = b"\xff\x00\xfe=\x01"


def test_every_encoding_is_read(lua: Script, name: str) -> None:
    with both(lua, name) as sides:
        for value, wanted in (
            (raw("binary/null", b""), ["nil", None]),
            (raw("json/plain", b'{"a": [1, 2.0, null]}'), ["table", None, {"a": [1, 2.0, None]}]),
            (raw("json/protobuf", b'{"name": "Temporal"}'), ["table", None, {"name": "Temporal"}]),
            (WorkflowType(name="a message"), ["table", None, {"name": "a message"}]),
            (raw("binary/plain", b"text"), ["string", None, sha256(b"text")]),
            (raw("binary/plain", b""), ["string", None, sha256(b"")]),
            (NO_TEXT, ["string", None, sha256(NO_TEXT)]),
            ("=not bytes", ["string", None, sha256(b"=not bytes")]),
        ):
            assert sides.call("Shape", value) == [1, wanted]
        # As the result of another SDK's workflow.
        for encoding, data, wanted in (
            ("binary/null", b"", ["nil", None]),
            ("json/protobuf", b'{"name": "x"}', ["table", None, {"name": "x"}]),
            ("binary/plain", NO_TEXT, ["string", None, sha256(NO_TEXT)]),
        ):
            sides.call("Raw", encoding, data.hex(), queue="-python", result_type=RawValue)
            assert sides.activity("result", sides.last_id) == [True, wanted]
        sides.call("Raw", "binary/zip", "00", queue="-python", result_type=RawValue)
        assert sides.activity("result", sides.last_id) == [
            False,
            "client:get_result: a payload with the encoding 'binary/zip' cannot be read",
        ]
        with pytest.raises(WorkflowFailureError) as raised:
            sides.call("Shape", raw("binary/zip", b""))
        assert "a payload with the encoding 'binary/zip' cannot be read" in str(raised.value.__cause__)
        with pytest.raises(WorkflowFailureError) as raised:
            sides.call("Shape", RawValue(Payload(data=b"1")))
        assert "a payload without an encoding cannot be read" in str(raised.value.__cause__)


def test_bytes_go_out_as_bytes(lua: Script, name: str) -> None:
    with both(lua, name) as sides:
        assert sides.call("EchoOnly", NO_TEXT, result_type=bytes) == NO_TEXT
        assert sides.call("Bytes", NO_TEXT.hex(), result_type=bytes) == NO_TEXT

        async def signals() -> Any:
            handle = await sides.client.start_workflow("Signals", id=f"{name}-signals", task_queue=name)
            await handle.signal("bytes", NO_TEXT)
            await handle.signal("bytes", b"text")
            return await handle.result()

        assert sides.runner.run(signals()) == [["string", None, sha256(NO_TEXT)], ["string", None, sha256(b"text")]]


# In Lua an object's null is an absent key, and a float has 64 bits.
SCALARS = (
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner | st.none(), max_size=5) | st.dictionaries(st.text(), inner, max_size=5)
)


def test_any_json_value_comes_back_unchanged(lua: Script, name: str) -> None:
    with both(lua, name) as sides:

        @settings(max_examples=12, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
        @given(st.lists(VALUES | st.none(), min_size=1, max_size=20))
        def there_and_back(values: list[Any]) -> None:
            result = sides.activity("round", values)
            assert json.dumps(result, sort_keys=True) == json.dumps(values, sort_keys=True)

        there_and_back()
