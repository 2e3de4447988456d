"""What `assay replay` prints: the first history that does not match in full, then a line for each of the next ones."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from assay.temporal.replay.engine import Divergence, Outcome
    from assay.temporal.replay.steps import Step

_COLOURS = {"---": "red", "+++": "green", "-  ": "red", "+  ": "green"}
_NAMED = 20  # histories that do not match beside the first, and those with warnings
_WARNINGS = 5  # of one history


class Results:
    """The outcomes of many replays, of which little is kept: there may be thousands."""

    def __init__(self, *, keep_all: bool) -> None:
        """`keep_all`: keep every outcome in full, for `as_json`."""
        self.replayed = 0
        self.bad = 0
        """Histories that do not match, or whose run cannot continue."""
        self.warnings = 0
        self._stuck = 0
        self._all: list[dict[str, Any]] | None = [] if keep_all else None
        self._lines: list[str] = []
        self._warned: list[str] = []
        self._histories_warned = 0

    def add(self, outcome: Outcome) -> None:
        """Take the next outcome."""
        self.replayed += 1
        if self._all is not None:
            self._all.append(_plain(outcome))
        if outcome.divergence is not None:
            self.bad += 1
            self._stuck += outcome.divergence.cannot_go_on
            if self.bad == 1:
                self._lines.append(f"{_name(outcome)}\n{_show(outcome.divergence)}")
            elif self.bad <= 1 + _NAMED:
                self._lines.append(f"{_name(outcome)}: {outcome.divergence.message}")
        if outcome.differences:
            self._warn(outcome)

    def _warn(self, outcome: Outcome) -> None:
        self.warnings += len(outcome.differences)
        self._histories_warned += 1
        if self._histories_warned > _NAMED:
            return
        self._warned.append(_name(outcome))
        word = click.style("warning", fg="yellow")
        self._warned += [f"  {word}: {difference}" for difference in outcome.differences[:_WARNINGS]]
        if len(outcome.differences) > _WARNINGS:
            self._warned.append(f"  … and {len(outcome.differences) - _WARNINGS} more")

    def as_text(self) -> str:
        """The outcomes for people."""
        lines = [*self._lines]
        if self.bad > 1 + _NAMED:
            lines.append(f"… and {self.bad - 1 - _NAMED} more")
        lines += self._warned
        if self._histories_warned > _NAMED:
            lines.append(f"… and {self._histories_warned - _NAMED} histories with warnings more")
        histories = "1 history" if self.replayed == 1 else f"{self.replayed} histories"
        warnings = f", {self.warnings} warning{'s' if self.warnings > 1 else ''}" if self.warnings else ""
        return "\n".join([*lines, f"{histories} replayed: {self._verdict()}{warnings}"])

    def as_json(self) -> str:
        """The outcomes for programs, as a JSON text."""
        return json.dumps(self.as_plain(), indent=2, ensure_ascii=False)

    def as_plain(self) -> dict[str, Any]:
        """Return what becomes JSON."""
        return {
            "replayed": self.replayed,
            "failed": self.bad,
            "warnings": self.warnings,
            "histories": self._all,
        }

    def _verdict(self) -> str:
        differ = self.bad - self._stuck
        if self.replayed == 1:
            return "it cannot continue" if self._stuck else "it does not match" if differ else "it matches"
        parts = [f"{differ} {'does' if differ == 1 else 'do'} not match"] if differ else []
        if self._stuck:
            parts.append(f"{self._stuck} cannot continue")
        return ", ".join(parts) or ("all match" if self.replayed else "nothing to compare")


def _name(outcome: Outcome) -> str:
    return f"{outcome.workflow_type} {click.style(outcome.workflow_id, bold=True)}"


def _show(divergence: Divergence) -> str:
    from assay.temporal.replay.show import show

    lines = [click.style(line, fg=_COLOURS.get(line[:3])) for line in show(divergence).splitlines()]
    return "\n".join(f"  {line}".rstrip() for line in lines) + "\n"


def _plain(outcome: Outcome) -> dict[str, Any]:
    divergence = outcome.divergence
    result = "matches" if divergence is None else "cannot continue" if divergence.cannot_go_on else "does not match"
    return {
        "workflow_id": outcome.workflow_id,
        "run_id": outcome.run_id,
        "workflow_type": outcome.workflow_type,
        "events": outcome.events,
        "result": result,
        "divergence": None
        if divergence is None
        else {
            "message": divergence.message,
            "history": None if divergence.expected is None else _step(divergence.expected),
            "script": None if divergence.actual is None else _step(divergence.actual),
            "traceback": divergence.where,
        },
        "warnings": [dataclasses.asdict(difference) for difference in outcome.differences],
    }


def _step(step: Step) -> dict[str, str]:
    return {"where": step.where, "step": str(step)}
