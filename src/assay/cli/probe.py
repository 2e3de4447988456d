"""Whether changed code can take over: `python -m assay.cli.probe SCRIPT ARGS…`, of `assay dev`.

Says on stderr what is wrong: the script's errors, what `assay check` finds, and open workflows that the new code does
not match. Ends with 0, with `BROKEN` or with `NO_WORKER`.
"""

from __future__ import annotations

import asyncio
import os
import sys

from assay.checking.check import check_script
from assay.cli.reload import BROKEN, NO_WORKER
from assay.errors import AssayError
from assay.temporal import logs
from assay.temporal.connection import connect
from assay.temporal.registration import read_script
from assay.temporal.replay import sources
from assay.temporal.replay.engine import Replay
from assay.temporal.replay.show import show

_AT_MOST = 100  # open workflows of a task queue
_SECONDS = 10.0  # for all of them


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


async def probe(path: str, arguments: list[str]) -> int:
    """Check a script and replay its open workflows; returns the exit code."""
    report = await check_script(path, arguments)
    broken = [finding for finding in report.findings if finding.rule == "script"]
    for finding in broken:  # the script itself tells of the others when it starts
        _say(f"{finding.file}:{finding.line}: {finding.message}")
    if broken:
        return BROKEN
    if not report.workers:
        return NO_WORKER
    if any(worker.workflows for worker in report.workers):
        try:
            await asyncio.wait_for(_replay(path, arguments), _SECONDS)
        except TimeoutError:
            _say(f"open workflows: not all of them could be replayed within {_SECONDS:g} s")
        except AssayError as error:
            _say(f"open workflows: {error}")
    return 0


async def _replay(path: str, arguments: list[str]) -> None:
    script = await read_script(path, arguments)
    for worker in script.workers:
        options = worker.options
        if not options.workflows:
            continue
        client = await connect("assay dev", options)
        query = f"TaskQueue = '{options.task_queue}' AND ExecutionStatus = 'Running'"
        async for outcome in Replay([worker]).run(sources.from_server(client, query, _AT_MOST)):
            if outcome.divergence is not None:
                _say(f"{outcome.workflow_type} '{outcome.workflow_id}' is open and does not match the new code:")
                _say("\n".join(f"  {line}".rstrip() for line in show(outcome.divergence).splitlines()))
    await script.close()


if __name__ == "__main__":
    logs.silence(verbose=False)
    try:
        code = asyncio.run(probe(sys.argv[1], sys.argv[2:]))
    except AssayError as error:
        _say(str(error))
        code = BROKEN
    sys.stderr.flush()
    os._exit(code)  # without the interpreter's teardown, in which the SDK can crash
