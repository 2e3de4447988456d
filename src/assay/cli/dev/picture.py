"""The picture of the live screen, as lines of text with colours for a terminal of some size."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from assay.cli.dev.report import Failure, Report, Run, Wait

_DETAILS = 4  # lines of what belongs to news
_NEW_STEP = "  +  "  # how the probe begins the line with what changed code does
_FAILURES = 5
_WAITS = 5  # of one workflow
_NAMES = 0.4  # of the width, for types and ids
_MARK = 5  # columns in which something can be left out
_LEAST = 3  # lines for workflows, however low the terminal is
_DAY = 86400
_PADDING = re.compile(r" +((?:\x1b\[[0-9;]*m)*)$")


@dataclass
class Status:
    """What `assay dev` itself knows.

    Attributes:
        server: The server's address, and a remark.
        ui: Where the Web UI is; empty when the server is not ours.
        news: The last reload: its title, its text, its colour.
        details: What belongs to it: the error, with its line.
        is_stopping: The end has begun.
    """

    server: str = ""
    ui: str = ""
    news: tuple[str, str, str | None] | None = None
    details: list[str] = field(default_factory=list)
    is_stopping: bool = False


def details(more: str) -> list[str]:
    """The lines that stay of what belongs to news: what is wrong, and what changed code does instead."""
    lines = [line for line in more.splitlines() if line and (not line[0].isspace() or line.startswith(_NEW_STEP))]
    return [line.removesuffix(":") for line in lines if line != "stack traceback:"][:_DETAILS]


def draw(status: Status, report: Report, width: int, height: int) -> list[str]:
    """The lines, at most `height` of fewer than `width` columns."""
    # A line as wide as the terminal is joined with the next one when the terminal grows.
    text, width = io.StringIO(), max(width - 1, 10)
    console = Console(file=text, width=width, force_terminal=True, highlight=False, markup=False, emoji=False)
    head = list(_head(status, report))
    failures = report.failures[:_FAILURES]
    left = height - 1 - len(head) - len(failures) - 1 - bool(failures)
    runs = list(_runs(report, max(left, _LEAST), int(width * _NAMES)))
    console.print(Rule(style="dim"))
    console.print(_grid(head, width, 0.5))
    if report.runs or not report.problem:
        console.print(_count(report))
    if runs:
        console.print(_grid(runs, width, _NAMES, 0.4))
    if failures:
        console.print(Text("recent failures", style="bold"))
        console.print(_grid(list(map(_failure, failures)), width, 0.3, 0.4, 0.4))
    return [_PADDING.sub(r"\1", line) for line in text.getvalue().rstrip("\n").split("\n")][:height]


def _grid(rows: list[tuple[str | Text, ...]], width: int, *shares: float) -> Table:
    """Columns that take at most their shares of the width; the last one takes what is left."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for at, share in enumerate(shares):
        longest = max(cell_len(str(row[at])) for row in rows)
        taken = min(longest, int(width * share))
        grid.add_column(no_wrap=True, overflow="ellipsis", width=taken)
        width -= taken + 2
    grid.add_column(no_wrap=True, overflow="ellipsis", width=max(width, 1))
    for row in rows:
        grid.add_row(*row)
    return grid


def _head(status: Status, report: Report) -> Iterator[tuple[str | Text, ...]]:
    yield Text("server", style="bold"), status.server
    if status.ui:
        yield Text("Web UI", style="bold"), status.ui
    for queue in report.queues:
        yield Text("task queue", style="bold"), Text(queue.task_queue, style="cyan")
        for kind, names in (("workflows", queue.workflows), ("activities", queue.activities)):
            if names:
                yield f"  {kind}", ", ".join(names)
    if status.is_stopping:
        yield Text("stopping", style="bold yellow"), "activities that run may end; Ctrl-C again ends them at once"
    elif status.news is not None:
        title, text, colour = status.news
        yield Text(title.lower(), style=f"bold {colour or ''}"), Text(text)
        for line in status.details:
            yield "", Text(line, style=colour or "")
    if report.problem:
        yield Text("no news", style="bold yellow"), Text(report.problem)


def _count(report: Report) -> Text:
    count = len(report.runs) + report.more
    words = "no workflow is open" if not count else f"{count} open workflow{'s' if count > 1 else ''}"
    return Text(words, style="bold")


def _runs(report: Report, most: int, room: int) -> Iterator[tuple[str | Text, ...]]:
    """Rows for as many workflows as fit into `most` lines, and how many more there are; `room` is for a name."""
    used = 0
    for shown, run in enumerate(report.runs):
        rows = list(_run(run, room))
        is_last = shown == len(report.runs) - 1 and not report.more
        if used and used + len(rows) + (not is_last) > most:
            yield Text(f"  … and {len(report.runs) - shown + report.more} more", style="dim"), "", ""
            return
        yield from rows
        used += len(rows)
    if report.more:
        yield Text(f"  … and {report.more} more", style="dim"), "", ""


def _run(run: Run, room: int) -> Iterator[tuple[str | Text, ...]]:
    identity = _shortened(run.workflow_id, room - cell_len(run.workflow_type) - 3)
    name: str | Text = Text.assemble("  ", (run.workflow_type, "cyan"), f" {identity}")
    waits = [*run.waits[:_WAITS]]
    if len(run.waits) > _WAITS:
        waits.append(Wait(f"… and {len(run.waits) - _WAITS} more"))
    for wait in waits or [Wait("its worker")]:
        yield name, Text(wait.where, style="dim"), _wait(wait)
        name = ""
    if run.details:
        yield "", "", Text(run.details, style="italic")


def _shortened(text: str, room: int) -> str:
    """A text with its middle left out: ids of one kind mostly differ at their ends."""
    if cell_len(text) <= room or room < _MARK:
        return text
    end = (room - 1) // 2
    return f"{set_cell_size(text, room - 1 - end)}…{set_cell_size(text[::-1], end)[::-1]}"


def _wait(wait: Wait) -> Text:
    text = Text(wait.what)
    if wait.until is not None:
        text.append(f" until {_clock(wait.until)}")
    if wait.attempt > 1:
        text.append(f", attempt {wait.attempt}", style="yellow")
    if wait.again is not None and wait.again > time.time():
        text.append(f" at {_clock(wait.again)}", style="yellow")
    if wait.note:
        text.append(f", {wait.note}", style="yellow" if wait.attempt > 1 else "dim")
    return text


def _failure(failure: Failure) -> tuple[str | Text, ...]:
    return (
        Text(f"  {_clock(failure.time)}", style="dim"),
        Text(failure.where, style="red"),
        Text(failure.what),
        Text(failure.message),
    )


def _clock(seconds: float) -> str:
    """A time of today without its date."""
    try:
        local = time.localtime(seconds)
    except (OverflowError, ValueError, OSError):
        return "the end of time"
    return time.strftime("%H:%M:%S" if abs(seconds - time.time()) < _DAY else "%Y-%m-%d %H:%M", local)
