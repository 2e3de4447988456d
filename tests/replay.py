"""Replay histories cold against a script's workflows: `python replay.py SCRIPT HISTORY.json…`.

Prints a line for each history that does not match and ends with 1 when there is one. The environment variable
CODEC has the `codec` option of the worker, as JSON.
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
from temporalio.worker import Replayer

from assay.builtins import LIBRARIES
from assay.lua.host import Host
from assay.lua.loader import Finder
from assay.lua.loop import new_event_loop
from assay.temporal.codec import CodecOptions
from assay.temporal.connection import data_converter
from assay.temporal.worker import Worker
from assay.temporal.workflow.instance import Settings, workflow_class
from assay.temporal.workflow.runner import LuaWorkflowRunner


class _Captured(BaseException):
    """Ends a script where its worker would start."""


def workflow_classes(script: Path) -> tuple[list[type], Settings]:
    """Run a script up to its first `temporal.worker`; returns what the SDK would run for its workflows, and how."""
    host = Host(LIBRARIES, Finder(os.fspath(script.parent)), lambda text: None)
    host.set_arguments(os.fsencode(script))
    captured: list[Worker] = []

    async def capture(worker: Worker) -> None:
        captured.append(worker)
        raise _Captured

    with patch.object(Worker, "start", capture), suppress(_Captured):
        host.run_sync(host.load(script.read_bytes(), script.name), ())
    worker = captured[0]
    classes = [workflow_class(snapshot, worker.settings) for snapshot in worker.snapshots()]
    return classes, worker.settings


@functools.cache  # the benchmark replays one history many times
def read(path: Path) -> WorkflowHistory:
    """Read a history."""
    return WorkflowHistory.from_json(path.stem, path.read_text(encoding="utf-8"))


async def replay(
    classes: list[type], settings: Settings, histories: list[Path], codec: CodecOptions | None = None
) -> list[str]:
    """Replay each history from its first event; returns what does not match."""
    replayer = Replayer(
        workflows=classes,
        unsandboxed_workflow_runner=LuaWorkflowRunner(settings),
        data_converter=data_converter(codec),
    )
    problems = []
    for path in histories:
        result = await replayer.replay_workflow(read(path), raise_on_replay_failure=False)
        if result.replay_failure is not None:
            problems.append(f"{path.name}: {result.replay_failure}")
    return problems


def main(script: str, *histories: str) -> int:
    """Replay and report; returns the exit code."""
    keys = os.environ.get("CODEC")
    codec = CodecOptions(**json.loads(keys)) if keys else None
    replaying = replay(*workflow_classes(Path(script)), [Path(history) for history in histories], codec)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:  # as `assay replay` does
        problems = runner.run(replaying)
    for problem in problems:
        sys.stderr.write(problem + "\n")
    sys.stderr.flush()
    return 1 if problems else 0


if __name__ == "__main__":
    os._exit(main(*sys.argv[1:]))  # without the interpreter's teardown, in which the SDK can crash
