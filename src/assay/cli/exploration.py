"""Report of a failed schedule: its events and a timeline of each run."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import click

from assay.cli import timeline
from assay.temporal.timeline.entries import Entry, Timeline

if TYPE_CHECKING:
    from assay.testing.runner import TestResult

_INDENT = 8
_MAX_RUNS = 5


def show(test: TestResult) -> str:
    """Return the schedule and the timelines of its runs as text."""
    width = max(shutil.get_terminal_size((120, 24)).columns - _INDENT, 60)
    events = test.schedule or {"nothing unusual": ""}
    lines = ["", "the schedule:"]
    lines += [f"  {name}" + (f": {value}" if value != "" else "") for name, value in events.items()]
    for fields in test.timelines[:_MAX_RUNS]:
        entries = [Entry(**entry) for entry in fields["entries"]]
        lines += ["", timeline.show(Timeline(**{**fields, "entries": entries}), width)]
    if len(test.timelines) > _MAX_RUNS:
        lines += ["", click.style(f"{len(test.timelines) - _MAX_RUNS} more runs", dim=True)]
    return "\n".join([*lines, ""])
