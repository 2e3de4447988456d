"""Idle runs: cached runs that wait, whose Lua states are shrunk."""

from __future__ import annotations

import asyncio
from itertools import islice

from assay.temporal.workflow.runs import Runs

IDLE_TIME = 1.0
"""Seconds without an activation after which a run is shrunk. Shrinking takes about as long as a short activation."""

BATCH = 20
"""Maximum number of runs that are shrunk at a time, so that activations do not have to wait."""

_PAUSE = 0.01
"""Seconds between two batches."""


class IdleRuns:
    """Shrinks the runs of a worker that have been idle for `IDLE_TIME`, on the worker's thread."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._loop = asyncio.get_running_loop()
        self._since: dict[str, float] = {}
        """Time of the end of the last activation of each run, by run id; the earliest is first."""
        self._timer: asyncio.TimerHandle | None = None

    def remove(self, run_id: str) -> None:
        """Note that an activation of a run begins."""
        self._since.pop(run_id, None)

    def add(self, run_id: str) -> None:
        """Note that an activation of a run has ended."""
        if self._runs.find(run_id) is not None:
            self._since[run_id] = self._loop.time()
            self._timer = self._timer or self._loop.call_later(IDLE_TIME, self._shrink)

    def close(self) -> None:
        """Shrink no more runs."""
        if self._timer is not None:
            self._timer.cancel()

    def _shrink(self) -> None:
        due = self._loop.time() - IDLE_TIME
        for run_id in [run_id for run_id, since in islice(self._since.items(), BATCH) if since <= due]:
            del self._since[run_id]
            run = self._runs.find(run_id)
            if run is not None:
                run.shrink()
        earliest = next(iter(self._since.values()), None)
        self._timer = None if earliest is None else self._loop.call_later(max(earliest - due, _PAUSE), self._shrink)
