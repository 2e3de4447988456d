"""`assay dev` and files that change: a worker that is replaced on a real server."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from temporalio.client import Client

from assay.cli.reloading.display import Lines
from assay.cli.reloading.reload import Reloading
from command import Command
from output_lines import OutputLines
from temporal_script import Script
from timeouts import TIMEOUT

WORKER = """
local value = require("value")
temporal.worker({
  task_queue = "QUEUE",
  activities = { first = function() return value end, second = function() return value end },
  workflows = {
    Short = function(ctx) return ctx:execute_activity("first") end,
    Long = function(ctx)
      ctx:execute_activity("first")
      ctx:wait_signal("go")
      return "done"
    end,
  },
})
print("polling " .. value)
"""


FIRST = 'Long = function(ctx)\n      ctx:execute_activity("first")'


@contextmanager
def dev(lua: Script, name: str, text: str) -> Iterator[OutputLines]:
    lua.command.script("return 'one'", "value.lua")
    script = lua.command.script(text.replace("QUEUE", name), "worker.lua")
    with lua.command.started("dev", script) as process:
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
    with dev(lua, name, WORKER) as running:
        assert await run(lua, name, "Short") == "one"
        lua.command.script("return 'two'", "value.lua")
        running.read_until("polling two")
        assert await run(lua, name, "Short") == "two"


async def test_new_code_takes_over_while_an_activity_of_the_old_code_runs(lua: Script, name: str) -> None:
    activity = 'first = function() print("busy") while not fs.exists("stop") do sleep(0.05) end return value end'
    worker = WORKER.replace("first = function() return value end", activity)
    with dev(lua, name, worker.replace('"QUEUE",', '"QUEUE", graceful_shutdown_timeout = 600,')) as running:
        client = await Client.connect(lua.address)
        handle = await client.start_workflow("Short", id=name, task_queue=name)
        running.read_until("busy")
        lua.command.script("return 'two'", "value.lua")
        running.read_until("polling two")
        (lua.folder / "stop").touch()
        assert await handle.result() == "one"


async def test_only_what_the_script_requires_is_its_code(lua: Script, name: str) -> None:
    lua.command.script("return 'late'", "late.lua")
    late = WORKER.replace("first = function() return value end", 'first = function() return require("late") end')
    with dev(lua, name, late) as running:
        assert await run(lua, name, "Short") == "late"
        lua.command.script("error('not of this script')", "other.lua")
        lua.command.script("return 'later'", "late.lua")
        output = running.read_until("polling one")
        assert re.findall(r"Reloaded +(.*)", output) == ["late.lua"]
        assert await run(lua, name, "Short") == "later"


async def test_a_module_that_was_missing_is_waited_for(lua: Script, name: str) -> None:
    with dev(lua, name, WORKER) as running:
        lua.command.script('require("new") ' + WORKER.replace("QUEUE", name), "worker.lua")
        running.read_until("module 'new' not found")
        lua.command.script("return 'new'", "new.lua")
        running.read_until("polling one")


async def test_code_that_does_not_run_leaves_the_old_worker_alone(lua: Script, name: str) -> None:
    with dev(lua, name, WORKER) as running:
        lua.command.script("return 'two", "value.lua")
        output = running.read_until("unfinished string")
        assert "Not reloaded     value.lua" in output
        assert "value.lua:1: " in output
        assert "Traceback" not in output
        assert await run(lua, name, "Short") == "one"
        lua.command.script("return 'three'", "value.lua")
        running.read_until("polling three")
        assert await run(lua, name, "Short") == "three"


def test_broken_code_does_not_restart_a_script_that_has_ended(lua: Script, name: str) -> None:
    with dev(lua, name, WORKER) as running:
        lua.command.script((WORKER + "os.exit(1)").replace("QUEUE", name), "worker.lua")
        running.read_until("the script exited with 1")
        lua.command.script("return 'two", "value.lua")
        running.read_until("Not reloaded     value.lua: the script has ended")
        # The last change makes it whole: a worker in between would end by itself once more.
        lua.command.script(WORKER.replace("QUEUE", name), "worker.lua")
        lua.command.script("return 'one'", "value.lua")
        running.read_until("polling one")


async def test_an_open_workflow_that_does_not_match_is_reported(lua: Script, name: str) -> None:
    client = await Client.connect(lua.address)
    with dev(lua, name, WORKER) as running:
        handle = await client.start_workflow("Long", id=name, task_queue=name)
        while (await handle.describe()).history_length < 10:
            assert running.process.poll() is None
        while (await client.count_workflows(f"TaskQueue = '{name}' AND ExecutionStatus = 'Running'")).count == 0:
            assert running.process.poll() is None
        changed = WORKER.replace(FIRST, FIRST.replace("first", "second"))
        lua.command.script(changed.replace("QUEUE", name), "worker.lua")
        output = running.read_until("+  worker.lua:9")
        assert f"Long '{name}' is open and does not match the new code:" in output
        assert "-  event 5       activity 'first'" in output
        assert "activity 'second'" in output
        running.read_until("polling one")
        lua.command.script(WORKER.replace("QUEUE", name), "worker.lua")
        running.read_until("polling one")
        await handle.signal("go")
        assert await handle.result() == "done"


async def test_a_changed_timer_of_an_open_workflow_is_reported(lua: Script, name: str) -> None:
    client = await Client.connect(lua.address)
    timed = WORKER.replace('ctx:wait_signal("go")', 'ctx:wait_signal("go", { timeout = 86400 })')
    with dev(lua, name, timed) as running:
        await client.start_workflow("Long", id=name, task_queue=name)
        while "TIMER_STARTED" not in lua.events(name):
            assert running.process.poll() is None
        while (await client.count_workflows(f"TaskQueue = '{name}' AND ExecutionStatus = 'Running'")).count == 0:
            assert running.process.poll() is None
        lua.command.script(timed.replace("86400", "60").replace("QUEUE", name), "worker.lua")
        output = running.read_until("an open run waits 86400 s")
        assert f"Long '{name}' is open: event 11: the timer is 86400 s in the history and 60 s in the script" in output
        running.read_until("polling one")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_the_replaced_worker_too(lua: Script, name: str, number: signal.Signals) -> None:
    with dev(lua, name, WORKER) as running:
        lua.command.script("return 'two'", "value.lua")
        running.read_until("polling two")
        running.process.send_signal(number)
        assert running.process.wait(TIMEOUT) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_that_comes_while_the_script_is_started_ends_it(assay: Command, number: signal.Signals) -> None:
    output = asyncio.Event()

    class Interrupted(Lines):
        async def start(self, arguments: Sequence[str], *, verbose: bool) -> asyncio.subprocess.Process:
            child = await super().start(arguments, verbose=verbose)
            os.kill(os.getpid(), number)
            await output.wait()
            return child

        def stopping(self) -> None:
            output.set()

    script = str(assay.folder / assay.script("sleep(600)"))
    running = Reloading(script, [], Interrupted(), verbose=False).run()
    assert await asyncio.wait_for(running, TIMEOUT) == 128 + number
