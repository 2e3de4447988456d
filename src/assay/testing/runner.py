"""Runs test files, each in a separate process."""

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
_GRACE = 15.0  # seconds after the timeout of a test in which its process can report the timeout
_SECONDS_PER_SCHEDULE = 1.0  # additional timeout for each schedule of an exploration
_MAX_LINE = 64 << 20  # maximum length of a line of a report, in bytes


@dataclass
class TestResult:
    """The result of one test.

    Attributes:
        name: Name of the test; empty for an error outside of tests.
        message: Error message; empty if the test passed.
        traceback: Lua traceback of the error.
        output: Output of the test.
        seconds: Duration in seconds.
        notes: Lines about the schedules of an exploration.
        timelines: The runs of a failing schedule, as fields of `assay.temporal.timeline.entries.Timeline`.
        schedule: The events of a failing schedule.
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
    """The results of the tests of a file."""

    path: str
    tests: list[TestResult] = field(default_factory=list)
    filtered: int = 0
    coverage: list[FileCoverage] = field(default_factory=list)


def find_files(paths: Iterable[str]) -> list[str]:
    """Return the given files, and all `*_test.lua` files in the given folders. Raise AssayError if there are none."""
    files = search_files(paths)
    if not files:
        raise AssayError(f"no test files ({PATTERN}) found")
    return files


def search_files(paths: Iterable[str]) -> list[str]:
    """Return the files of `find_files`, or an empty list. Raise AssayError if a path does not exist."""
    files: dict[str, None] = {}
    for name in paths:
        path = Path(name)
        if path.is_dir():
            inside = sorted(item for item in path.rglob(PATTERN) if not _is_hidden(item.relative_to(path)))
            files |= dict.fromkeys(map(str, inside))
        elif path.exists():
            files[name] = None
        else:
            raise AssayError(f"cannot read {name}: No such file or directory")
    return list(files)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "node_modules" for part in path.parts)


async def run_files(
    paths: list[str],
    *,
    jobs: int,
    test_timeout: float,
    name_filter: str = "",
    coverage: bool = False,
    options: Sequence[str] = (),
    explore: Mapping[str, Any] | None = None,
) -> AsyncIterator[FileResult]:
    """Run test files, and yield their results as they end. Kill running files if the caller stops the iteration.

    Args:
        paths: The files.
        jobs: Number of files to run in parallel.
        test_timeout: Timeout of one test, in seconds.
        name_filter: Run only the tests whose name contains this text.
        coverage: Record which lines run.
        options: Options of the command line for the permissions of the files.
        explore: Run only explorations, with these options (see `testing/file.py`).
    """
    semaphore = asyncio.Semaphore(jobs)

    async def run(path: str) -> FileResult:
        async with semaphore:
            return await _run_file(path, test_timeout, name_filter, coverage, options, explore)

    running = [asyncio.ensure_future(run(path)) for path in paths]
    try:
        for next_result in asyncio.as_completed(running):
            yield await next_result
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


class _Reports:
    """The reports of a test process: JSON lines, collected in the result of its file."""

    def __init__(self, result: FileResult, output: Output) -> None:
        self.result = result
        self.has_ended = False
        self._output = output
        self._running = ""
        """Name of the running test."""
        self._began = time.monotonic()

    def read(self, line: bytes) -> None:
        """Process a line; an empty one if the process has ended without a report of its end."""
        if not line:
            self.fail("the test process ended unexpectedly")
            return
        fields = json.loads(line)
        event, written = fields.pop("event"), fields.pop("written")
        if event == "test":
            self._running, self._began = fields["name"], time.monotonic()
        elif event == "found":
            self.result.filtered = fields["filtered"]
            self._output.take(written)  # the output of a file without errors is not shown
        elif event == "coverage":
            self.result.coverage = from_json(fields["files"])
        elif event in ("result", "broken"):
            self._running = ""
            output = self._output.take(written)
            self.result.tests.append(TestResult(fields.pop("name", ""), output=output, **fields))
        else:
            self.has_ended = True

    def fail(self, message: str, *, is_timeout: bool = False) -> None:
        """Fail the running test, and end the reports."""
        failed = TestResult(self._running, message, output=self._output.take())
        if is_timeout:
            failed.seconds = time.monotonic() - self._began
        self.result.tests.append(failed)
        self.has_ended = True


async def _run_file(
    path: str,
    test_timeout: float,
    name_filter: str,
    coverage: bool,
    options: Sequence[str],
    explore: Mapping[str, Any] | None,
) -> FileResult:
    settings = json.dumps(
        {
            "path": path,
            "timeout": test_timeout,
            "filter": name_filter,
            "coverage": coverage,
            "options": list(options),
            "explore": dict(explore or {}),
        }
    )
    if explore is not None:
        test_timeout += explore.get("count", 0) * _SECONDS_PER_SCHEDULE
    output = Output()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "assay.testing.file", settings),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=output.fileno(),
        start_new_session=True,
        limit=_MAX_LINE,
    )
    assert process.stdout is not None
    reports = _Reports(FileResult(path), output)
    try:
        while not reports.has_ended:
            try:
                line = await asyncio.wait_for(process.stdout.readline(), test_timeout + _GRACE)
            except TimeoutError:
                reports.fail("killed: the test exceeded its timeout without yielding", is_timeout=True)
            except ValueError:
                reports.fail(f"test report exceeds {_MAX_LINE >> 20} MiB")
            else:
                reports.read(line)
        return reports.result
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        output.close()
