"""Output of `assay replay`: the first mismatch in full, then one line for each of the others."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from assay.temporal.replay.engine import Divergence, ReplayResult
    from assay.temporal.replay.steps import Step

_COLORS = {"---": "red", "+++": "green", "-  ": "red", "+  ": "green"}
_MAX_LISTED = 20  # further histories that do not match, and histories with warnings
_MAX_WARNINGS = 5  # per history


class Results:
    """Results of replays. Keeps only what is printed, because there may be thousands."""

    def __init__(self, *, keep_all: bool) -> None:
        """Create an empty collection.

        Args:
            keep_all: Keep every result in full, for `as_json`.
        """
        self.replayed = 0
        self.failed = 0
        """Number of histories that do not match or whose run cannot continue."""
        self.warnings = 0
        self._stuck = 0
        self._all: list[dict[str, Any]] | None = [] if keep_all else None
        self._lines: list[str] = []
        self._warning_lines: list[str] = []
        self._histories_warned = 0

    def add(self, result: ReplayResult) -> None:
        """Add the next result."""
        self.replayed += 1
        if self._all is not None:
            self._all.append(_plain(result))
        if result.divergence is not None:
            self.failed += 1
            self._stuck += result.divergence.is_task_failure
            if self.failed == 1:
                self._lines.append(f"{_name(result)}\n{_show(result.divergence)}")
            elif self.failed <= 1 + _MAX_LISTED:
                self._lines.append(f"{_name(result)}: {result.divergence.message}")
        if result.differences:
            self._warn(result)

    def _warn(self, result: ReplayResult) -> None:
        self.warnings += len(result.differences)
        self._histories_warned += 1
        if self._histories_warned > _MAX_LISTED:
            return
        self._warning_lines.append(_name(result))
        word = click.style("warning", fg="yellow")
        self._warning_lines += [f"  {word}: {difference}" for difference in result.differences[:_MAX_WARNINGS]]
        if len(result.differences) > _MAX_WARNINGS:
            self._warning_lines.append(f"  … and {len(result.differences) - _MAX_WARNINGS} more")

    def as_text(self) -> str:
        """Return the results as text."""
        lines = [*self._lines]
        if self.failed > 1 + _MAX_LISTED:
            lines.append(f"… and {self.failed - 1 - _MAX_LISTED} more")
        lines += self._warning_lines
        if self._histories_warned > _MAX_LISTED:
            lines.append(f"… and {self._histories_warned - _MAX_LISTED} more histories with warnings")
        histories = "1 history" if self.replayed == 1 else f"{self.replayed} histories"
        warnings = f", {self.warnings} warning{'s' if self.warnings > 1 else ''}" if self.warnings else ""
        return "\n".join([*lines, f"{histories} replayed: {self._verdict()}{warnings}"])

    def as_json(self) -> str:
        """Return the results as JSON."""
        return json.dumps(self.as_plain(), indent=2, ensure_ascii=False)

    def as_plain(self) -> dict[str, Any]:
        """Return the results as plain values for JSON."""
        return {
            "replayed": self.replayed,
            "failed": self.failed,
            "warnings": self.warnings,
            "histories": self._all,
        }

    def _verdict(self) -> str:
        diverged = self.failed - self._stuck
        if self.replayed == 1:
            return "it cannot continue" if self._stuck else "it does not match" if diverged else "it matches"
        parts = [f"{diverged} {'does' if diverged == 1 else 'do'} not match"] if diverged else []
        if self._stuck:
            parts.append(f"{self._stuck} cannot continue")
        return ", ".join(parts) or ("all match" if self.replayed else "nothing to compare")


def _name(result: ReplayResult) -> str:
    return f"{result.workflow_type} {click.style(result.workflow_id, bold=True)}"


def _show(divergence: Divergence) -> str:
    from assay.temporal.replay.show import show

    lines = [click.style(line, fg=_COLORS.get(line[:3])) for line in show(divergence).splitlines()]
    return "\n".join(f"  {line}".rstrip() for line in lines) + "\n"


def _plain(result: ReplayResult) -> dict[str, Any]:
    divergence = result.divergence
    verdict = "matches" if divergence is None else "cannot continue" if divergence.is_task_failure else "does not match"
    return {
        "workflow_id": result.workflow_id,
        "run_id": result.run_id,
        "workflow_type": result.workflow_type,
        "events": result.events,
        "result": verdict,
        "divergence": None
        if divergence is None
        else {
            "message": divergence.message,
            "history": None if divergence.expected is None else _step(divergence.expected),
            "script": None if divergence.actual is None else _step(divergence.actual),
            "traceback": divergence.where,
        },
        "warnings": [dataclasses.asdict(difference) for difference in result.differences],
    }


def _step(step: Step) -> dict[str, str]:
    return {"where": step.where, "step": str(step)}
