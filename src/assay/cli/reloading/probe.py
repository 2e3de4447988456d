"""Whether changed code can take over: `python -m assay.cli.reloading.probe STRICT [OPTIONS] SCRIPT ARGS…`.

STRICT is "--strict", or empty: whether all open workflows are replayed, or as many as can be in a few seconds. Says on
stdout what is wrong: the script's error, or the open workflows that the new code does not match; stderr is the
script's own. Ends with 0 or with a code of `reload.py`.
"""

from __future__ import annotations

import asyncio
import os
import sys

from assay.cli.failure import describe
from assay.cli.reloading.reload import BROKEN, DIVERGED, NO_WORKER, UNPROVEN
from assay.cli.reloading.sources import noting
from assay.errors import AssayError
from assay.libraries import LIBRARIES
from assay.permissions.settings import SandboxOptions, permissions
from assay.temporal.replay.open_runs import replay_open_runs
from assay.temporal.replay.show import show
from assay.temporal.telemetry import logs
from assay.temporal.worker.registration import Script

_AT_MOST = 100  # open workflows of a task queue
_SECONDS = 10.0  # for all of them
_STRICT_SECONDS = 300.0
_WARNED = 3  # open workflows of which is said what differs although they match


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


async def probe(path: str, arguments: list[str], sandbox: SandboxOptions, *, strict: bool = False) -> int:
    """Read a script and replay its open workflows; returns the exit code."""
    try:
        script = Script(path, LIBRARIES, permissions=permissions(sandbox, os.path.dirname(path) or "."))
        script.callbacks.finder = noting(script.callbacks.finder)
        await script.read(arguments)
    except AssayError as error:
        _say(describe(error))
        return BROKEN
    if not script.workers:
        return NO_WORKER
    seconds, at_most = (_STRICT_SECONDS, None) if strict else (_SECONDS, _AT_MOST)
    try:
        return 0 if await asyncio.wait_for(_all_match(script, at_most), seconds) else DIVERGED
    except TimeoutError:
        _say(f"open workflows: not all of them could be replayed within {seconds:g} s")
    except AssayError as error:
        _say(f"open workflows: {error}")
    return UNPROVEN


async def _all_match(script: Script, at_most: int | None) -> bool:
    all_match, warned = True, 0
    for worker in script.workers:
        async for outcome in replay_open_runs("assay dev", worker, at_most=at_most):
            if outcome.divergence is not None:
                all_match = False
                verb = "cannot continue with" if outcome.divergence.is_task_failure else "does not match"
                _say(f"{outcome.workflow_type} '{outcome.workflow_id}' is open and {verb} the new code:")
                _say("\n".join(f"  {line}".rstrip() for line in show(outcome.divergence).splitlines()))
            elif outcome.differences and warned < _WARNED:
                warned += 1
                _say(f"{outcome.workflow_type} '{outcome.workflow_id}' is open: {outcome.differences[0]}")
    return all_match


if __name__ == "__main__":
    logs.silence(verbose=False)
    strict, *rest = sys.argv[1:]
    sandbox, (path, *arguments) = SandboxOptions.from_options(rest)
    code = asyncio.run(probe(path, arguments, sandbox, strict=bool(strict)))
    sys.stdout.flush()
    os._exit(code)  # without the interpreter's teardown, in which the SDK can crash
