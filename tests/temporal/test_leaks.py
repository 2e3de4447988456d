"""A run leaves nothing in the process after its eviction from the cache."""

from __future__ import annotations

import asyncio
import gc
import time
from pathlib import Path

import pytest

from assay.libraries import LIBRARIES
from assay.temporal.replay import sources
from assay.temporal.replay.engine import Replay
from assay.temporal.worker.registration import read_script
from assay.temporal.workflow.sandbox.host import WorkflowHost
from timeouts import TIMEOUT

HISTORIES = Path(__file__).parent.parent / "histories"


def hosts() -> set[int]:
    """The existing hosts of runs."""
    gc.collect()
    return {id(item) for item in gc.get_objects() if type(item) is WorkflowHost}


@pytest.mark.parametrize("topic", sorted(path.name for path in HISTORIES.iterdir()))
def test_replayed_runs_are_gone(topic: str) -> None:
    async def replay() -> int:
        script = await read_script(str(HISTORIES / topic / "worker.lua"), LIBRARIES)
        files = sources.history_files([str(HISTORIES / topic)])
        outcomes = [outcome async for outcome in Replay(script.workers).run(sources.from_files(files))]
        await script.close()
        assert [outcome.divergence for outcome in outcomes] == [None] * len(files)
        return len(files)

    before = hosts()
    assert asyncio.run(replay()) > 1
    deadline = time.monotonic() + TIMEOUT
    while not (left := hosts()) <= before and time.monotonic() < deadline:
        time.sleep(0.05)  # a thread of the SDK may still hold the last run
    assert left <= before
