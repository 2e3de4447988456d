"""Findings of the checks, as text and as JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Status = Literal["ok", "warning", "error", "skipped"]

_SIGNS: dict[Status, str] = {"ok": "✓", "warning": "!", "error": "✗", "skipped": "–"}
_COLUMN = 17
_WIDTH = 118


@dataclass(frozen=True)
class Finding:
    """Result of a check.

    Attributes:
        check: Name of the check: "address", "namespace", ….
        status: Status. Only "error" makes the command fail.
        message: Result as text.
        remedy: Suggested action, or empty.
        details: Result as plain values for JSON.
    """

    check: str
    status: Status
    message: str
    remedy: str = ""
    details: dict[str, Any] = field(default_factory=dict)


def is_healthy(findings: Sequence[Finding]) -> bool:
    """Return true if there are no errors."""
    return all(finding.status != "error" for finding in findings)


def as_json(findings: Sequence[Finding]) -> str:
    """Return the findings as JSON."""
    document = {"healthy": is_healthy(findings), "checks": [asdict(finding) for finding in findings]}
    return json.dumps(document, indent=2, ensure_ascii=False)


def as_text(findings: Sequence[Finding]) -> str:
    """Return the findings as text, each followed by its remedy, and a summary."""
    lines: list[str] = []
    for finding in findings:
        first = f"{_SIGNS[finding.status]} {finding.check:{_COLUMN - 2}}"
        lines += _wrap(finding.message, first, " " * _COLUMN)
        if finding.remedy:
            lines += _wrap(finding.remedy, f"{' ' * _COLUMN}→ ", " " * (_COLUMN + 2))
    return "\n".join([*lines, "", _summary(findings)])


def _wrap(text: str, first: str, others: str) -> list[str]:
    wrapped: list[str] = []
    for number, line in enumerate(text.splitlines() or [""]):
        before = first if number == 0 else others
        wrapped += textwrap.wrap(
            line,
            _WIDTH,
            initial_indent=before,
            subsequent_indent=others,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [before.rstrip()]
    return wrapped


def _summary(findings: Sequence[Finding]) -> str:
    errors, warnings = (sum(finding.status == status for finding in findings) for status in ("error", "warning"))
    if not errors and not warnings:
        return "all checks passed"
    counts = [(errors, "error"), (warnings, "warning")]
    return ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts if count)
