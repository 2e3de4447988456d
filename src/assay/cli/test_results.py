"""How tests ended, for people and for programs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from assay.testing.runner import FileResult, TestResult


def summary(results: Iterable[FileResult]) -> str:
    """Return how many passed and how many failed."""
    tests = [test for result in results for test in result.tests]
    failed = sum(bool(test.message) for test in tests)
    return f"{len(tests) - failed} passed, {failed} failed"


def as_plain(result: FileResult) -> dict[str, Any]:
    """Return what becomes JSON."""
    tests = [{"passed": not test.message, **dataclasses.asdict(test)} for test in result.tests]
    return {"file": result.path, "tests": tests}


def as_text(result: FileResult) -> str:
    """Return lines for people."""
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
