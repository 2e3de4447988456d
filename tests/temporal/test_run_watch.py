"""`assay run --watch`: a worker that is replaced when its files change, unless an open workflow would break."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from temporalio.client import Client

from command import wait_for
from output_lines import OutputLines
from prometheus import free_port
from status_page import get
from temporal_script import Script
from timeouts import TIMEOUT

WORKER = """
local value = require("value")
temporal.worker({
  task_queue = "QUEUE",
  graceful_shutdown_timeout = 60,
  activities = {
    first = function() return value end,
    second = function() return value end,
    wait = function()
      fs.write("began", "")
      while not fs.exists("end") do sleep(0.05) end
      print("ended")
      return value
    end,
  },
  workflows = {
    Short = function(ctx) return ctx:execute_activity("first") end,
    Slow = function(ctx) return ctx:execute_activity("wait", nil, { start_to_close_timeout = 100 }) end,
    Long = function(ctx)
      local result = ctx:execute_activity("first")
      ctx:wait_signal("go")
      return result
    end,
  },
})
print("polling " .. value)
"""
FIRST = 'local result = ctx:execute_activity("first")'


@contextmanager
def watched(lua: Script, name: str, *options: str) -> Iterator[OutputLines]:
    """A ready worker under `assay run --watch`; it must exit with 0."""
    lua.command.script("return 'one'", "value.lua")
    script = lua.command.script(WORKER.replace("QUEUE", name), "worker.lua")
    with lua.command.started("run", "--watch", *options, script) as process:
        running = OutputLines(process)
        running.read_until("polling one")
        yield running
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT) == 0


async def run(lua: Script, name: str, workflow_type: str) -> object:
    client = await Client.connect(lua.address)
    handle = await client.start_workflow(workflow_type, id=f"{name}-{time.monotonic()}", task_queue=name)
    return await handle.result()


async def test_new_code_takes_over(lua: Script, name: str) -> None:
    with watched(lua, name) as running:
        assert await run(lua, name, "Short") == "one"
        lua.command.script("return 'two'", "value.lua")
        running.read_until("polling two")
        assert await run(lua, name, "Short") == "two"


async def test_a_change_that_would_break_an_open_workflow_is_refused(lua: Script, name: str) -> None:
    client = await Client.connect(lua.address)
    with watched(lua, name) as running:
        handle = await client.start_workflow("Long", id=name, task_queue=name)
        while (await handle.describe()).history_length < 10:
            assert running.process.poll() is None
        while (await client.count_workflows(f"TaskQueue = '{name}' AND ExecutionStatus = 'Running'")).count == 0:
            assert running.process.poll() is None
        changed = WORKER.replace(FIRST, FIRST.replace("first", "second"))
        lua.command.script(changed.replace("QUEUE", name), "worker.lua")
        report = running.read_until("activity 'second'")
        assert "Not reloaded     worker.lua: still running the previous version" in report
        assert f"Long '{name}' is open and does not match the new code:" in report
        assert "polling" not in report
        await handle.signal("go")
        assert await handle.result() == "one"


async def test_the_old_worker_drains_before_the_new_one_starts(lua: Script, name: str) -> None:
    client = await Client.connect(lua.address)
    with watched(lua, name) as running:
        handle = await client.start_workflow("Slow", id=name, task_queue=name)
        wait_for((lua.folder / "began").exists)
        lua.command.script("return 'two'", "value.lua")
        await asyncio.sleep(3)  # `assay dev` would have started it in parallel
        (lua.folder / "end").touch()
        assert "ended" in running.read_until("polling two")
        assert await handle.result() == "one"


async def test_all_processes_are_replaced(lua: Script, name: str) -> None:
    address = f"127.0.0.1:{free_port()}"
    with watched(lua, name, "--processes", "2", "--health", address) as running:
        running.read_until("polling one")
        wait_for(lambda: get(address, "/readyz") == (200, "ok\n"))
        lua.command.script("return 'two'", "value.lua")
        running.read_until("polling two")
        running.read_until("polling two")
        wait_for(lambda: get(address, "/readyz") == (200, "ok\n"))
        assert {await run(lua, name, "Short") for _ in range(5)} == {"two"}


def test_reloads_are_events_in_json_lines(lua: Script, name: str) -> None:
    lua.command.environment["ASSAY_LOG"] = "json"
    with watched(lua, name) as running:
        lua.command.script("return 'two", "value.lua")
        refused = json.loads(running.read_until("script.not_reloaded").splitlines()[-1])
        assert (refused["code"], refused["level"]) == ("ASSAY1015", "error")
        assert "unfinished string" in refused["fields"]["report"]
        lua.command.script("return 'three'", "value.lua")
        reloaded = json.loads(running.read_until("script.reloaded").splitlines()[-1])
        assert (reloaded["code"], reloaded["message"]) == ("ASSAY1014", "reloaded: value.lua")
        running.read_until("polling three")


@pytest.mark.parametrize("options", [(), ("--processes", "2")])
def test_the_end_of_the_script_is_the_end(lua: Script, options: tuple[str, ...]) -> None:
    result = lua.command.run("run", "--watch", *options, lua.command.script("os.exit(3)"))
    assert result.returncode == 3
