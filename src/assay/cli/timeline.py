"""Output of `assay workflow show`: a timeline as text."""

from __future__ import annotations

import functools
import json
import re
import textwrap
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from assay.temporal.timeline.entries import OPEN, Entry, Timeline, show_seconds

if TYPE_CHECKING:
    from assay.lua.values import Value

_MARKS = {"completed": ("✓", "green"), "fired": ("✓", "green"), "cancelled": ("–", "yellow"), "": ("·", None)}
_OPEN = ("…", "cyan")
_BAD = ("✗", "red")
_INDENT = 23
_MIN_WIDTH = 20  # columns to the right of the times
_MAX_LENGTH = 20_000  # characters of a value
_TRACEBACK = "stack traceback:"  # first line of a Lua traceback
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def show(timeline: Timeline, width: int | None) -> str:
    """Return the timeline as text, with lines cut to `width` columns."""
    lines = [*_heading(timeline), ""]
    for entry in sorted(timeline.entries, key=lambda entry: entry.at):
        lines += _entry(entry, width)
    if timeline.standstill:
        lines += ["", click.style(_clean(timeline.standstill), fg="yellow")]
    if timeline.waits:
        waits = [line for line in timeline.waits.expandtabs(4).splitlines() if line and line != _TRACEBACK]
        title = "waiting for, after its last completed workflow task:" if timeline.standstill else "waiting for:"
        lines += ["", title, *(f"  {_clean(line)}" for line in waits)]
    return "\n".join(lines)


def _heading(timeline: Timeline) -> Iterable[str]:
    _, color = _mark(timeline.status if timeline.status != "running" else "started")
    status = click.style(timeline.status, fg=color, bold=True)
    yield f"{_clean(timeline.workflow_type)} {click.style(_clean(timeline.workflow_id), bold=True)}  {status}"
    began = datetime.fromtimestamp(timeline.started, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    yield f"run {timeline.run_id}, task queue {_clean(timeline.task_queue)}"
    yield f"started {began}" + ("" if timeline.took is None else f", took {show_seconds(timeline.took)}")


def _mark(state: str) -> tuple[str, str | None]:
    return _OPEN if state in OPEN else _MARKS.get(state, _BAD)


def _entry(entry: Entry, width: int | None) -> Iterable[str]:
    mark, color = _mark(entry.state)
    took = "" if entry.took is None else show_seconds(entry.took)
    room = None if width is None else max(width - _INDENT, _MIN_WIDTH)
    indent = " " * _INDENT
    head, values = _head(entry, room), _fit(_values(entry.input), _values(entry.result), room)
    if values and (room is None or len(head) + 1 + len(values) <= room):
        head, values = f"{head} {values}", ""
    yield f"{show_seconds(entry.at):>9}  {took:>8}  {click.style(mark, fg=color)} {head}"
    if values:
        yield indent + values
    for line in _clean(entry.problem).splitlines():
        for part in textwrap.wrap(line, room or _MAX_LENGTH, break_on_hyphens=False) or [""]:
            yield indent + click.style(part, fg="red" if entry.state not in OPEN else "yellow")
    if entry.place:
        source = _source(entry.place)
        yield indent + click.style(_cut(f"{_clean(entry.place)}  {source}".rstrip(), room), dim=True)


def _head(entry: Entry, room: int | None) -> str:
    """Return the kind, the name and the state of an entry."""
    before, after = entry.kind, ""
    if entry.kind == "workflow":
        before = f"{entry.kind} {entry.state}"
    elif entry.state in OPEN:
        after = f" ({_waiting(entry.state)})"
    elif entry.state not in ("completed", "fired", ""):
        after = f" {entry.state}"
    if entry.attempts > 1:
        after += f", attempt {entry.attempts}"
    name = _cut(_clean(entry.name), None if room is None else room - len(before) - len(after) - 1)
    return _cut(f"{before} {name}".rstrip() + after, room)


def _waiting(state: str) -> str:
    return {"scheduled": "not started", "started": "running", "waiting": "waiting for its next attempt"}[state]


def _values(values: list[Value]) -> str:
    return "" if values == [None] else " ".join(map(_value, values))


def _value(value: Value) -> str:
    return _clean(json.dumps(value, ensure_ascii=False)[:_MAX_LENGTH])


def _fit(given: str, result: str, room: int | None) -> str:
    """Return the input and the result, both cut if they do not fit together."""
    arrow = "→ " if result else ""
    if given and result:
        arrow = " → "
    available = None if room is None else room - len(arrow)
    if available is not None and len(given) + len(result) > available:
        given = _cut(given, max(available - len(result), available // 2 if result else available))
        result = _cut(result, available - len(given))
    return given + arrow + result


def _cut(text: str, room: int | None) -> str:
    if room is None or len(text) <= room:
        return text
    return text[: room - 1] + "…" if room > 0 else ""


def _clean(text: str) -> str:
    """Replace control characters, which could control the terminal."""
    return _CONTROLS.sub("\ufffd", text)


def _source(place: str) -> str:
    """Return the source of a line of a script."""
    path, _, number = place.rpartition(":")
    lines = _lines(path)
    index = int(number) - 1
    return _clean(lines[index].strip().expandtabs(2)) if index < len(lines) else ""


@functools.cache
def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().split("\n")
    except OSError:
        return []
