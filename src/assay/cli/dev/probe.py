"""Whether changed code can take over: `python -m assay.cli.dev.probe [OPTIONS] SCRIPT ARGS…`.

Says on stdout what is wrong: the script's error, or the open workflows that the new code does not match; stderr is the
script's own. Ends with 0 or with a code of `reload.py`.
"""

from __future__ import annotations

import asyncio
import os
import sys

from assay.cli.dev.reload import BROKEN, DIVERGED, NO_WORKER
from assay.cli.failure import describe
from assay.errors import AssayError
from assay.permissions.settings import Asked, permissions
from assay.temporal.client.connect import connect_client
from assay.temporal.replay import sources
from assay.temporal.replay.engine import Replay
from assay.temporal.replay.show import show
from assay.temporal.telemetry import logs
from assay.temporal.worker.registration import Script

_AT_MOST = 100  # open workflows of a task queue
_SECONDS = 10.0  # for all of them


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


async def probe(path: str, arguments: list[str], asked: Asked) -> int:
    """Read a script and replay its open workflows; returns the exit code."""
    try:
        script = Script(path, permissions=permissions(asked, os.path.dirname(path) or "."))
        await script.read(arguments)
    except AssayError as error:
        _say(describe(error))
        return BROKEN
    if not script.workers:
        return NO_WORKER
    try:
        return 0 if await asyncio.wait_for(_all_match(script), _SECONDS) else DIVERGED
    except TimeoutError:
        _say(f"open workflows: not all of them could be replayed within {_SECONDS:g} s")
    except AssayError as error:
        _say(f"open workflows: {error}")
    return 0


async def _all_match(script: Script) -> bool:
    all_match = True
    for worker in script.workers:
        options = worker.options
        if not options.all_workflows():
            continue
        client = await connect_client("assay dev", options, permissions=worker.permissions)
        query = f"TaskQueue = '{options.task_queue}' AND ExecutionStatus = 'Running'"
        async for outcome in Replay([worker]).run(sources.from_server(client, query, _AT_MOST)):
            if outcome.divergence is not None:
                all_match = False
                verb = "cannot go on with" if outcome.divergence.cannot_go_on else "does not match"
                _say(f"{outcome.workflow_type} '{outcome.workflow_id}' is open and {verb} the new code:")
                _say("\n".join(f"  {line}".rstrip() for line in show(outcome.divergence).splitlines()))
    return all_match


if __name__ == "__main__":
    logs.silence(verbose=False)
    asked, (path, *arguments) = Asked.from_options(sys.argv[1:])
    code = asyncio.run(probe(path, arguments, asked))
    sys.stdout.flush()
    os._exit(code)  # without the interpreter's teardown, in which the SDK can crash
