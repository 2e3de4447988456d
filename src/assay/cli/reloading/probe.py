"""Tests whether changed code can be loaded: `python -m assay.cli.reloading.probe STRICT [OPTIONS] SCRIPT ARGS…`.

STRICT is "--strict" to replay all open workflows, or empty to replay as many as possible in a few seconds. Writes
problems to stdout: an error of the script, or open workflows that do not match the new code. stderr belongs to the
script. Exits with 0 or with a code of `reload.py`.
"""

from __future__ import annotations

import asyncio
import os
import sys

from assay.cli.failure import describe
from assay.cli.reloading.reload import BROKEN, DIVERGED, NO_WORKER, UNPROVEN
from assay.cli.reloading.sources import recording
from assay.errors import AssayError
from assay.libraries import LIBRARIES
from assay.permissions.settings import SandboxOptions, permissions
from assay.temporal.replay.open_runs import replay_open_runs
from assay.temporal.replay.show import show
from assay.temporal.telemetry import logs
from assay.temporal.worker.registration import Script

_MAX_WORKFLOWS = 100  # open workflows per task queue
_TIMEOUT = 10.0  # seconds for all of them
_STRICT_TIMEOUT = 300.0
_MAX_WARNINGS = 3  # open workflows that match but whose differences are reported


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")


async def probe(path: str, arguments: list[str], sandbox: SandboxOptions, *, strict: bool = False) -> int:
    """Read a script, replay its open workflows and return the exit code."""
    try:
        script = Script(path, LIBRARIES, permissions=permissions(sandbox, os.path.dirname(path) or "."))
        script.callbacks.finder = recording(script.callbacks.finder)
        await script.read(arguments)
    except AssayError as error:
        _write(describe(error))
        return BROKEN
    if not script.workers:
        return NO_WORKER
    timeout, at_most = (_STRICT_TIMEOUT, None) if strict else (_TIMEOUT, _MAX_WORKFLOWS)
    try:
        return 0 if await asyncio.wait_for(_all_match(script, at_most), timeout) else DIVERGED
    except TimeoutError:
        _write(f"open workflows: not all of them could be replayed within {timeout:g} s")
    except AssayError as error:
        _write(f"open workflows: {error}")
    return UNPROVEN


async def _all_match(script: Script, at_most: int | None) -> bool:
    all_match, warnings = True, 0
    for worker in script.workers:
        async for result in replay_open_runs("assay dev", worker, at_most=at_most):
            if result.divergence is not None:
                all_match = False
                verb = "cannot continue with" if result.divergence.is_task_failure else "does not match"
                _write(f"{result.workflow_type} '{result.workflow_id}' is open and {verb} the new code:")
                _write("\n".join(f"  {line}".rstrip() for line in show(result.divergence).splitlines()))
            elif result.differences and warnings < _MAX_WARNINGS:
                warnings += 1
                _write(f"{result.workflow_type} '{result.workflow_id}' is open: {result.differences[0]}")
    return all_match


if __name__ == "__main__":
    logs.silence(verbose=False)
    strict, *rest = sys.argv[1:]
    sandbox, (path, *arguments) = SandboxOptions.from_options(rest)
    code = asyncio.run(probe(path, arguments, sandbox, strict=bool(strict)))
    sys.stdout.flush()
    os._exit(code)  # skips the interpreter teardown, in which the SDK can crash
