"""Replay histories from their first event against a script's workflows: `python replay.py SCRIPT HISTORY.json…`.

Prints a line for each history that does not match and exits with 1 if there is one. The environment variable
CODEC contains the `codec` option of the worker, as JSON.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

from temporalio.client import WorkflowHistory

from assay.libraries import LIBRARIES
from assay.lua.host import Host
from assay.lua.loader import Finder
from assay.lua.loop import new_event_loop
from assay.temporal.data.codec import CodecOptions
from assay.temporal.replay.feed import Feed
from assay.temporal.worker.worker import Worker
from assay.temporal.workflow.runs import Runs
from assay.temporal.workflow.settings import Definition, Settings


class _Captured(BaseException):
    """Stops a script where its worker would start."""


def definitions(script: Path) -> tuple[list[Definition], Settings]:
    """Run a script up to its first `temporal.worker`; returns its workflows and the settings of their runs."""
    host = Host(LIBRARIES, Finder(os.fspath(script.parent)), lambda text: None)
    host.set_arguments(os.fsencode(script))
    captured: list[Worker] = []

    async def capture(worker: Worker) -> None:
        captured.append(worker)
        raise _Captured

    with patch.object(Worker, "start", capture), suppress(_Captured):
        host.run_sync(host.load(script.read_bytes(), script.name), ())
    worker = captured[0]
    return worker.definitions(), worker.settings


@functools.cache  # the benchmark replays one history many times
def read(path: Path) -> WorkflowHistory:
    """Read a history."""
    return WorkflowHistory.from_json(path.stem, path.read_text(encoding="utf-8"))


async def replay(
    workflows: list[Definition], settings: Settings, histories: list[Path], codec: CodecOptions | None = None
) -> list[str]:
    """Replay each history from its first event; returns the mismatches."""
    problems = []
    async with Feed(Runs(workflows, settings), codec) as feed:
        for path in histories:
            problem = await feed.replay(read(path))
            if problem is not None:
                problems.append(f"{path.name}: {problem}")
    return problems


def main(script: str, *histories: str) -> int:
    """Replay and report; returns the exit code."""
    keys = os.environ.get("CODEC")
    codec = CodecOptions(**json.loads(keys)) if keys else None
    replaying = replay(*definitions(Path(script)), [Path(history) for history in histories], codec)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:  # as `assay replay` does
        problems = runner.run(replaying)
    for problem in problems:
        sys.stderr.write(problem + "\n")
    sys.stderr.flush()
    return 1 if problems else 0


if __name__ == "__main__":
    os._exit(main(*sys.argv[1:]))  # without the interpreter's teardown, in which the SDK can crash
