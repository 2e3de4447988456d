"""A worker shrinks the Lua states of runs that have been idle for a while."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from assay.temporal.worker import idle
from assay.temporal.worker.idle import BATCH, IdleRuns
from assay.temporal.workflow.run.run import Run
from inline_lua import InlineLua
from timeouts import TIMEOUT

APPROVAL = """
local path = ...
local worker = temporal.worker({
  task_queue = name,
  workflows = {
    Approval = function(ctx, order)
      order.approval = ctx:wait_signal("approve")
      return order
    end,
  },
})
local id = start("Approval", { id = "o-1" })
wait_for(function() return fs.exists(path) end)
client:signal_workflow({ workflow_id = id, signal_name = "approve", input = "yes" })
return json.encode(result(id))
"""


async def test_a_waiting_run_is_shrunk_and_continues(
    inline_lua: InlineLua, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink, path = Run.shrink, tmp_path / "shrunk"

    def shrink_and_tell(self: Run) -> None:
        shrink(self)
        path.touch()

    monkeypatch.setattr(Run, "shrink", shrink_and_tell)
    assert await inline_lua(APPROVAL, str(path)) == '{"approval":"yes","id":"o-1"}'


class StubRuns:
    """Cached runs that note when they are shrunk."""

    def __init__(self, number: int) -> None:
        self.missing = set(map(str, range(number)))
        self.all_shrunk = asyncio.Event()

    def find(self, run_id: str) -> Any:
        return StubRun(self, run_id)


class StubRun:
    """A run of `StubRuns`."""

    def __init__(self, runs: StubRuns, run_id: str) -> None:
        self._runs = runs
        self._run_id = run_id

    def shrink(self) -> None:
        self._runs.missing.remove(self._run_id)
        if not self._runs.missing:
            self._runs.all_shrunk.set()


def make(number: int, monkeypatch: pytest.MonkeyPatch) -> tuple[IdleRuns, StubRuns]:
    monkeypatch.setattr(idle, "IDLE_TIME", 0.01)
    runs: Any = StubRuns(number)
    return IdleRuns(runs), runs


async def test_each_of_many_idle_runs_is_shrunk_once(monkeypatch: pytest.MonkeyPatch) -> None:
    idle_runs, runs = make(3 * BATCH, monkeypatch)
    for run_id in tuple(runs.missing):
        idle_runs.add(run_id)
    await asyncio.wait_for(runs.all_shrunk.wait(), TIMEOUT)


async def test_an_active_run_is_not_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    idle_runs, runs = make(1, monkeypatch)
    idle_runs.add("active")  # the stub would fail: it knows only "0"
    idle_runs.add("0")
    idle_runs.remove("active")
    await asyncio.wait_for(runs.all_shrunk.wait(), TIMEOUT)


async def test_a_run_is_shrunk_again_after_it_was_active(monkeypatch: pytest.MonkeyPatch) -> None:
    idle_runs, runs = make(1, monkeypatch)
    for _ in range(2):
        runs.missing, runs.all_shrunk = {"0"}, asyncio.Event()
        idle_runs.remove("0")
        idle_runs.add("0")
        await asyncio.wait_for(runs.all_shrunk.wait(), TIMEOUT)
