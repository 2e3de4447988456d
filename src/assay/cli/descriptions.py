"""Output of `assay workflow list` and `assay workflow describe`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from assay.temporal.client.visibility import Description, PendingActivity

UNREADABLE = "(not readable)"
"""Placeholder for bytes, such as values that are still encrypted."""

_COLORS = {"RUNNING": "cyan", "COMPLETED": "green", "CANCELED": "yellow", "CONTINUED_AS_NEW": None}
_BAD = "red"
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def rows(workflows: Sequence[Description]) -> Iterator[str]:
    """Yield a line for each workflow."""
    if not workflows:
        yield "no workflows"
        return
    cells = [
        (_status(item), item.workflow_id, item.workflow_type, _time(item.start_time), _duration(item))
        for item in workflows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for item, row in zip(workflows, cells, strict=True):
        first, *others = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        yield "  ".join((_colored(item, first), *others)).rstrip()


def details(workflow: Description) -> Iterator[str]:
    """Yield the lines that describe a workflow."""
    status = _colored(workflow, _status(workflow))
    yield f"{workflow.workflow_type} {click.style(workflow.workflow_id, bold=True)}  {status}"
    fields = {
        "run": workflow.run_id,
        "task queue": workflow.task_queue,
        "started": _time(workflow.start_time),
        "ended": _time(workflow.close_time),
        "took" if workflow.close_time else "running for": _duration(workflow),
        "events": str(workflow.history_length),
        "parent": workflow.parent_id,
        "summary": _text(workflow.static_summary),
        "details": _text(workflow.static_details),
    }
    shown = {name: text for name, text in fields.items() if text}
    shown |= {f"memo {name}": _json(value) for name, value in workflow.memo.items()}
    shown |= {f"attribute {name}": _json(value) for name, value in workflow.search_attributes.items()}
    width = max(map(len, shown))
    for name, text in shown.items():
        yield f"  {name:<{width}}  {text}"
    for activity in workflow.pending_activities or []:
        yield from _activity(activity)


def _activity(activity: PendingActivity) -> Iterator[str]:
    state = activity.state.lower().replace("_", " ")
    maximum = f" of {activity.maximum_attempts}" if activity.maximum_attempts else ""
    yield f"  activity {activity.activity_type}: {state}, attempt {activity.attempt}{maximum}"
    if activity.last_failure:
        yield click.style(f"    {activity.last_failure}", fg=_BAD)


def _status(workflow: Description) -> str:
    return (workflow.status or "UNKNOWN").lower().replace("_", " ")


def _colored(workflow: Description, text: str) -> str:
    return click.style(text, fg=_COLORS.get(workflow.status or "", _BAD))


def _time(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _duration(workflow: Description) -> str:
    """Return the duration of a workflow so far, in its two largest units."""
    remaining = max(0, int((workflow.close_time or time.time()) - (workflow.start_time or 0)))
    parts: list[str] = []
    for size, unit in _UNITS:
        count, remaining = divmod(remaining, size)
        if count or parts:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"


def _text(value: Any) -> str | None:
    return UNREADABLE if isinstance(value, bytes) else value


def _json(value: Any) -> str:
    return UNREADABLE if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False, default=str)
