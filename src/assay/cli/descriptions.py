"""What `assay workflow list` and `describe` print."""

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
"""What is shown of bytes, such as values that are still encrypted."""

_COLOURS = {"RUNNING": "cyan", "COMPLETED": "green", "CANCELED": "yellow", "CONTINUED_AS_NEW": None}
_BAD = "red"
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def rows(found: Sequence[Description]) -> Iterator[str]:
    """A line for each workflow."""
    if not found:
        yield "no workflows"
        return
    cells = [(_word(item), item.workflow_id, item.workflow_type, _when(item.start_time), _took(item)) for item in found]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for item, row in zip(found, cells, strict=True):
        first, *others = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        yield "  ".join((_coloured(item, first), *others)).rstrip()


def details(found: Description) -> Iterator[str]:
    """The lines that describe a workflow."""
    yield f"{found.workflow_type} {click.style(found.workflow_id, bold=True)}  {_coloured(found, _word(found))}"
    facts = {
        "run": found.run_id,
        "task queue": found.task_queue,
        "started": _when(found.start_time),
        "ended": _when(found.close_time),
        "took" if found.close_time else "running for": _took(found),
        "events": str(found.history_length),
        "parent": found.parent_id,
        "summary": _text(found.static_summary),
        "details": _text(found.static_details),
    }
    shown = {name: text for name, text in facts.items() if text}
    shown |= {f"memo {name}": _json(value) for name, value in found.memo.items()}
    shown |= {f"attribute {name}": _json(value) for name, value in found.search_attributes.items()}
    width = max(map(len, shown))
    for name, text in shown.items():
        yield f"  {name:<{width}}  {text}"
    for activity in found.pending_activities or []:
        yield from _activity(activity)


def _activity(found: PendingActivity) -> Iterator[str]:
    most = f" of {found.maximum_attempts}" if found.maximum_attempts else ""
    yield f"  activity {found.activity_type}: {found.state.lower().replace('_', ' ')}, attempt {found.attempt}{most}"
    if found.last_failure:
        yield click.style(f"    {found.last_failure}", fg=_BAD)


def _word(found: Description) -> str:
    return (found.status or "UNKNOWN").lower().replace("_", " ")


def _coloured(found: Description, text: str) -> str:
    return click.style(text, fg=_COLOURS.get(found.status or "", _BAD))


def _when(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _took(found: Description) -> str:
    """Return how long a workflow has been running, in its two largest units."""
    left = max(0, int((found.close_time or time.time()) - (found.start_time or 0)))
    parts: list[str] = []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"


def _text(value: Any) -> str | None:
    return UNREADABLE if isinstance(value, bytes) else value


def _json(value: Any) -> str:
    return UNREADABLE if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False, default=str)
