"""The run of many test files, each in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assay.errors import AssayError
from assay.testing.coverage import FileCoverage, from_json
from assay.testing.output import Output

PATTERN = "*_test.lua"
_MARGIN = 15.0  # seconds that a file has beyond the limit of a test, to report that it was reached
_PER_SCHEDULE = 1.0  # seconds that a schedule of an exploration may take, however many are asked for
_LINE = 64 << 20  # the longest line of a report


@dataclass
class TestResult:
    """How one test ended; `message` is empty when it passed. `name` is empty for what a file does outside of tests.

    Of an exploration there are `notes`, the `schedule` that fails, and the `timelines` of its runs, as fields of
    `assay.temporal.timeline.entries.Timeline`.
    """

    name: str
    message: str = ""
    traceback: str = ""
    output: str = ""
    seconds: float = 0
    notes: list[str] = field(default_factory=list)
    timelines: list[dict[str, Any]] = field(default_factory=list)
    schedule: dict[str, Any] = field(default_factory=dict)


@dataclass
class FileResult:
    """What the tests of a file gave."""

    path: str
    tests: list[TestResult] = field(default_factory=list)
    filtered: int = 0
    coverage: list[FileCoverage] = field(default_factory=list)


def find_files(paths: Iterable[str]) -> list[str]:
    """The test files in `paths`: a file as it is, of a folder all `*_test.lua`. Raises AssayError if there are none."""
    found = search_files(paths)
    if not found:
        raise AssayError(f"no test files: none is named {PATTERN}")
    return found


def search_files(paths: Iterable[str]) -> list[str]:
    """Return what `find_files` returns, or an empty list. Raises AssayError for a path that does not exist."""
    found: dict[str, None] = {}
    for name in paths:
        path = Path(name)
        if path.is_dir():
            inside = sorted(item for item in path.rglob(PATTERN) if not _is_hidden(item.relative_to(path)))
            found |= dict.fromkeys(map(str, inside))
        elif path.exists():
            found[name] = None
        else:
            raise AssayError(f"cannot read {name}: No such file or directory")
    return list(found)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "node_modules" for part in path.parts)


async def run_files(
    paths: list[str],
    *,
    jobs: int,
    limit: float,
    text: str = "",
    coverage: bool = False,
    options: Sequence[str] = (),
    explore: Mapping[str, Any] | None = None,
) -> AsyncIterator[FileResult]:
    """Run test files, `jobs` at once; gives each as it ends. Whatever still runs is killed when the caller leaves.

    `limit`: seconds for one test; `text`: what the names of the tests to run contain; `coverage`: look which lines run;
    `options`: those of the permissions of the files; `explore`: run only explorations, so (see `testing/file.py`).
    """
    turns = asyncio.Semaphore(jobs)

    async def run(path: str) -> FileResult:
        async with turns:
            return await _run_file(path, limit, text, coverage, options, explore)

    running = [asyncio.ensure_future(run(path)) for path in paths]
    try:
        for next_ended in asyncio.as_completed(running):
            yield await next_ended
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _run_file(
    path: str,
    limit: float,
    text: str,
    coverage: bool,
    options: Sequence[str],
    explore: Mapping[str, Any] | None,
) -> FileResult:
    settings = json.dumps(
        {
            "path": path,
            "timeout": limit,
            "filter": text,
            "coverage": coverage,
            "options": list(options),
            "explore": dict(explore or {}),
        }
    )
    if explore is not None:
        limit += explore.get("count", 0) * _PER_SCHEDULE
    output = Output()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "assay.testing.file", settings),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=output.fileno(),
        start_new_session=True,
        limit=_LINE,
    )
    assert process.stdout is not None
    result, running, ended = FileResult(path), "", False
    began = time.monotonic()
    try:
        while not ended:
            try:
                line = await asyncio.wait_for(process.stdout.readline(), limit + _MARGIN)
            except TimeoutError:
                text = "killed: the test exceeded its timeout without yielding"
                result.tests.append(TestResult(running, text, output=output.take(), seconds=time.monotonic() - began))
                break
            except ValueError:
                result.tests.append(TestResult(running, f"test report exceeds {_LINE >> 20} MiB"))
                break
            if not line:
                text = "the process of the file ended unexpectedly"
                result.tests.append(TestResult(running, text, output=output.take()))
                break
            fields = json.loads(line)
            event, written = fields.pop("event"), fields.pop("written")
            if event == "test":
                running, began = fields["name"], time.monotonic()
            elif event == "found":
                result.filtered = fields["filtered"]
                output.take(written)  # the output of a file without errors is not shown
            elif event == "coverage":
                result.coverage = from_json(fields["files"])
            elif event in ("result", "broken"):
                running = ""
                result.tests.append(TestResult(fields.pop("name", ""), output=output.take(written), **fields))
            else:
                ended = True
        return result
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        output.close()
