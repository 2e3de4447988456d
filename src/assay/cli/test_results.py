"""Results of tests, as text and as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from assay.testing.runner import FileResult, TestResult


def summary(results: Iterable[FileResult]) -> str:
    """Return the numbers of passed and failed tests."""
    tests = [test for result in results for test in result.tests]
    failed = sum(bool(test.message) for test in tests)
    return f"{len(tests) - failed} passed, {failed} failed"


def as_plain(result: FileResult) -> dict[str, Any]:
    """Return the results of a file as plain values for JSON."""
    tests = [{"passed": not test.message, **dataclasses.asdict(test)} for test in result.tests]
    return {"file": result.path, "tests": tests}


def as_json(results: Sequence[FileResult], seconds: float, *, with_coverage: bool) -> str:
    """Return all results as JSON."""
    tests = [test for result in results for test in result.tests]
    failed = sum(bool(test.message) for test in tests)
    document: dict[str, Any] = {
        "passed": len(tests) - failed,
        "failed": failed,
        "seconds": round(seconds, 3),
        "files": list(map(as_plain, results)),
    }
    if with_coverage:
        from assay.testing.coverage import merge, percent

        files = merge(file for result in results for file in result.coverage)
        document["coverage"] = {
            "percent": round(percent(files), 1),
            "files": [
                {"file": file.path, "lines": len(file.lines), "missing": sorted(file.lines - file.hit)}
                for file in files
            ],
        }
    return json.dumps(document, indent=2, ensure_ascii=False)


def as_text(result: FileResult) -> str:
    """Return the results of a file as text."""
    return "\n".join([click.style(result.path, bold=True), *map(_show_test, result.tests), ""])


def _show_test(test: TestResult) -> str:
    name = test.name or "(the file)"
    if not test.message:
        passed = f"  {click.style('ok', fg='green')}    {name} ({test.seconds:.2f} s)"
        return "\n".join([passed, *(line for note in test.notes for line in _indented(note))])
    lines = [f"  {click.style('FAIL', fg='red', bold=True)}  {name} ({test.seconds:.2f} s)"]
    lines += _indented(test.message)
    lines += _indented(test.traceback.expandtabs(4))
    if test.timelines:
        from assay.cli import exploration

        lines += _indented(exploration.show(test))
    lines += [line for note in test.notes for line in _indented(note)]
    if test.output:
        lines += ["        output:", *_indented(test.output)]
    return "\n".join(lines)


def _indented(text: str) -> list[str]:
    return [f"        {line}".rstrip() for line in text.splitlines()]
