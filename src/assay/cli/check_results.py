"""Results of `assay check`, as text and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from assay.checking.check import Report

_COLORS = {"error": "red", "warning": "yellow"}


def as_text(reports: Mapping[str, Report]) -> str:
    """Return the reports, by script, as text."""
    return "\n".join(_show(script, report) for script, report in reports.items())


def as_plain(reports: Mapping[str, Report]) -> list[dict[str, Any]]:
    """Return the reports, by script, as plain values for JSON."""
    return [
        {
            "script": script,
            "workers": [dataclasses.asdict(worker) for worker in report.workers],
            "findings": [dataclasses.asdict(finding) for finding in report.findings],
        }
        for script, report in reports.items()
    ]


def _show(script: str, report: Report) -> str:
    lines = []
    for finding in report.findings:
        where = f"{finding.file}:{finding.line}" if finding.line else finding.file
        level = click.style(finding.level, fg=_COLORS[finding.level])
        lines.append(f"{where}: {level}: {finding.message}")
    for worker in report.workers:
        parts = [
            f"{kind} {', '.join(names)}"
            for kind, names in (
                ("workflows", worker.workflows),
                ("activities", worker.activities),
                ("nexus services", worker.nexus_services),
            )
            if names
        ]
        lines.append(f"{script}: task queue '{worker.task_queue}': {'; '.join(parts)}")
    if not lines:
        lines.append(f"{script}: {'tests' if report.is_test else 'no worker'}")
    return "\n".join(lines)
