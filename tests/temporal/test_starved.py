"""Limits count CPU time, not real time: a worker that gets almost no CPU, or is stopped, fails no workflow task."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest
from temporalio.client import WorkflowExecutionStatus

from command import read_until
from temporal_script import Script
from workflow_session import count_types, worker

TASK_TIMEOUT = timedelta(minutes=5)
"""A workflow task timeout that does not expire during these tests."""

PINNED = """
import os, sys
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
"""
"""Restricts a process to one core, if the system supports it."""

LOWEST = f"{PINNED}\nos.nice(19); os.execv(sys.argv[1], sys.argv[1:])"
"""Runs a command on that core with the lowest priority."""

LOOP = f"{PINNED}\nwhile True: pass"

COMPUTES = """
local function compute(count)
  local sum = 0
  for i = 1, count do
    sum = sum + i % 2
  end
  return sum
end
temporal.worker({
  task_queue = arg[1] or "replay",
  workflow_limits = { cpu_seconds = tonumber(arg[2]) },
  workflows = {
    Twice = function(ctx, count)
      local first = compute(count)
      ctx:sleep(0.01)
      return first + compute(count)
    end,
    Long = function(_, count)
      print("computing")
      return compute(count)
    end,
  },
})
print("polling")
"""


@contextlib.contextmanager
def endless_loops(count: int) -> Iterator[None]:
    """Run processes that compute all the time."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            loop = stack.enter_context(subprocess.Popen([sys.executable, "-c", LOOP]))
            stack.callback(loop.kill)
        yield


@pytest.mark.timeout(400)
async def test_a_worker_behind_endless_loops(lua: Script, name: str) -> None:
    """The worker has the lowest priority on the core that it shares with the loops."""
    count = 500_000
    async with worker(lua, name, COMPUTES, "0.3", program=("-c", LOWEST, lua.command.path)) as session:
        with endless_loops(4):
            handle = await session.start("Twice", count, task_timeout=TASK_TIMEOUT)
            assert await asyncio.wait_for(handle.result(), 300) == count
        assert count_types(await handle.fetch_history())["WORKFLOW_TASK_FAILED"] == 0


async def test_a_worker_that_stands_still_while_it_computes(lua: Script, name: str) -> None:
    """The worker is stopped for longer than the limit, in the middle of a workflow task."""
    count, limit = 30_000_000, 4.5
    async with worker(lua, name, COMPUTES, str(limit)) as session:
        handle = await session.start("Long", count, task_timeout=TASK_TIMEOUT)
        await asyncio.to_thread(read_until, session.process, "computing")
        session.process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(5)
            assert count_types(await handle.fetch_history())["WORKFLOW_TASK_COMPLETED"] == 0
        finally:
            session.process.send_signal(signal.SIGCONT)
        assert await session.end(handle) == count // 2
        assert count_types(await handle.fetch_history())["WORKFLOW_TASK_FAILED"] == 0


LOOPS = """
temporal.worker({
  task_queue = arg[1] or "replay",
  workflow_limits = { cpu_seconds = 0.3 },
  activities = {
    add = function(x)
      return x + 1
    end,
  },
  workflows = {
    Endless = function()
      while true do
      end
    end,
    Good = function(ctx)
      local sum = 0
      for _ = 1, 3 do
        sum = ctx:execute_activity("add", sum)
        ctx:sleep(0.01)
      end
      return sum
    end,
  },
})
print("polling")
"""


@pytest.mark.timeout(200)
async def test_a_good_workflow_beside_twenty_endless_loops(lua: Script, name: str) -> None:
    async with worker(lua, name, LOOPS) as session:
        endless = [
            await session.client.start_workflow("Endless", id=f"{name}-loop-{number}", task_queue=name)
            for number in range(20)
        ]
        assert await session.run("Good") == 3
        for handle in endless:
            assert (await handle.describe()).status == WorkflowExecutionStatus.RUNNING
            assert count_types(await handle.fetch_history())["WORKFLOW_TASK_SCHEDULED"] > 0
            await handle.terminate()
