"""The picture of the live screen, as lines of text with colours for a terminal of some size."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from assay.cli.dev.report import Failure, Finished, Report, Run, Wait
from assay.cli.dev.view import Page, View

T = TypeVar("T")
Row = tuple[str | Text, ...]
"""The cells of a row."""

_DETAILS = 4  # lines of what belongs to news
_NEW_STEP = "  +  "  # how the probe begins the line with what changed code does
_ITEMS = 5  # failures, and finished workflows
_FEW_ITEMS = 2  # … on a low terminal
_LOW = 18  # lines of a picture that is short in everything but workflows
_WAITS = 5  # of one workflow
_NAMES = 0.4  # of the width, for types and ids
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


def draw(status: Status, report: Report, width: int, height: int, view: View | None = None) -> list[str]:
    """The lines, at most `height` of fewer than `width` columns. What `view` has scrolled to is put right."""
    # A line as wide as the terminal is joined with the next one when the terminal grows.
    view, width = view or View(), max(width - 1, 10)
    if view.page is not None:
        return _page(view, view.page, width, height)
    selected = view.index(report.runs)
    is_short = height < _LOW
    head = list(_head(status, report, is_short=is_short or selected is not None))
    lines = [*_lines(Rule(style="dim"), width), *_grid_lines(head, width, 0.5)]
    if report.runs or not report.problem:
        lines += _lines(_count(report, view, width), width)
    if view.message:
        lines += _lines(Text(view.message, style="yellow"), width)
    runs: list[list[Row | Text]] = []
    for at, run in enumerate(report.runs):
        is_whole = not is_short or at == selected
        runs.append([*_run(run, int(width * _NAMES), width, at == selected)] if is_whole else [_short_run(run, width)])
    left = height - len(lines)
    need = sum(map(len, runs)) + bool(report.more)
    rest = 0 if selected is not None else left - min(need, max(left // 2, _LEAST))
    failures, rest = _some(report.failures, rest, height)
    finished, rest = _some(report.finished, rest, height)
    others = sum(len(items) + 1 for items in (failures, finished) if items)
    lines += _mixed_lines(_window(runs, report.more, view, selected, max(left - others, _LEAST)), width)
    if finished:
        lines += _lines(Text("last finished", style="bold"), width)
        lines += _grid_lines(list(map(_finished, finished)), width, 0.3, 0.8)
    if failures:
        lines += _lines(Text("recent failures", style="bold"), width)
        lines += _grid_lines(list(map(_failure, failures)), width, 0.3, 0.4, 0.6)
    return lines[:height]


def _some(items: list[T], rest: int, height: int) -> tuple[list[T], int]:
    """The items for which there is room beneath a title, and the room that is left then."""
    most = min(_ITEMS if height >= _LOW else _FEW_ITEMS, rest - 1)
    shown = items[: max(most, 0)]
    return shown, rest - (len(shown) + 1 if shown else 0)


def _page(view: View, page: Page, width: int, height: int) -> list[str]:
    lines = [*_lines(Rule(style="dim"), width), *_lines(Text("↑↓ scroll, o Web UI, Esc back", style="dim"), width)]
    if view.message:
        lines += _lines(Text(view.message, style="yellow"), width)
    page.shown = max(height - len(lines) - 1, 1)
    page.move("")
    below = len(page.lines) - page.top - page.shown
    lines += page.lines[page.top : page.top + page.shown]
    if below > 0:
        lines += _lines(Text(f"… {below} more lines", style="dim"), width)
    return lines[:height]


def _lines(item: RenderableType, width: int) -> list[str]:
    """Return what something looks like, as lines with colours."""
    text = io.StringIO()
    console = Console(file=text, width=width, force_terminal=True, highlight=False, markup=False, emoji=False)
    console.print(item)
    return [_PADDING.sub(r"\1", line) for line in text.getvalue().rstrip("\n").split("\n")]


def _grid_lines(rows: list[Row], width: int, *shares: float) -> list[str]:
    return _lines(_grid(rows, width, *shares), width) if rows else []


def _mixed_lines(rows: list[Row | Text], width: int) -> list[str]:
    """Rows of the grid of workflows, and lines between them that are as wide as they need to be."""
    in_grid = iter(_grid_lines([row for row in rows if isinstance(row, tuple)], width, _NAMES, 0.4))
    lines: list[str] = []
    for row in rows:
        lines += [next(in_grid)] if isinstance(row, tuple) else _lines(row, width)
    return lines


def _grid(rows: list[Row], width: int, *shares: float) -> Table:
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


def _head(status: Status, report: Report, *, is_short: bool) -> Iterator[Row]:
    ui = f"  {status.ui}" if is_short and status.ui else ""
    yield Text("server", style="bold"), status.server + ui
    if status.ui and not is_short:
        yield Text("Web UI", style="bold"), status.ui
    for queue in report.queues:
        name = Text(queue.task_queue, style="cyan")
        kinds = (("workflows", queue.workflows), ("activities", queue.activities))
        if is_short:
            name.append("".join(f"  {len(names)} {kind}" for kind, names in kinds if names), style="default")
        yield Text("task queue", style="bold"), name
        for kind, names in () if is_short else kinds:
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


def _count(report: Report, view: View, width: int) -> Text:
    count = len(report.runs) + report.more
    words = "no workflow is open" if not count else f"{count} open workflow{'s' if count > 1 else ''}"
    text = Text(words, style="bold")
    if count and view.has_keys:
        text.append("  ↑↓ select, Enter timeline, o Web UI", style="not bold dim")
    text.truncate(width, overflow="ellipsis")
    return text


def _window(runs: list[list[Row | Text]], more: int, view: View, selected: int | None, room: int) -> list[Row | Text]:
    """The rows of the workflows from `view.top` on that fit into `room` lines, and how many there are beside them."""
    view.top = max(0, min(view.top, len(runs) - 1))
    if selected is not None:
        view.top = min(view.top, selected)
        while view.top < selected and sum(map(len, runs[view.top : selected + 1])) + 2 > room:
            view.top += 1
    rows: list[Row | Text] = []
    if view.top:
        rows.append(Text(f"  … {view.top} above", style="dim"))
    view.shown = 0
    for at in range(view.top, len(runs)):
        is_last = at == len(runs) - 1 and not more
        if view.shown and len(rows) + len(runs[at]) + (not is_last) > room:
            break
        rows += runs[at]
        view.shown += 1
    view.shown, left = max(view.shown, 1), len(runs) - view.top - view.shown + more
    if left > 0:
        rows.append(Text(f"  … and {left} more", style="dim"))
    return rows


def _run(run: Run, room: int, width: int, is_selected: bool) -> Iterator[Row | Text]:
    """The rows of a workflow; the id is whole, in a line of its own when it is longer than `room`."""
    mark = ("› ", "bold") if is_selected else ("  ", "")
    style = "reverse" if is_selected else ""
    title = Text.assemble(mark, (run.workflow_type, f"cyan {style}"), (f" {run.workflow_id}", style))
    name: str | Text = title
    if not run.is_looked_at or cell_len(title.plain) > room:
        title.overflow = "fold"
        yield from title.wrap(Console(width=width), width, overflow="fold")
        name = "  "
    waits = [*run.waits[:_WAITS]]
    if len(run.waits) > _WAITS:
        waits.append(Wait(f"… and {len(run.waits) - _WAITS} more"))
    for wait in waits or ([Wait("its worker")] if run.is_looked_at else []):
        yield name, Text(wait.where, style="dim"), _wait(wait)
        name = ""
    if run.details:
        yield "", "", Text(run.details, style="italic")


def _short_run(run: Run, width: int) -> Text:
    """One line for a workflow; only what it waits for is cut."""
    line = Text.assemble("  ", (run.workflow_type, "cyan"), f" {run.workflow_id}")
    if run.is_looked_at:
        line.append("  ")
        line.append_text(_wait(run.waits[0] if run.waits else Wait("its worker")))
    if len(run.waits) > 1:
        line.append(f"  and {len(run.waits) - 1} more", style="dim")
    line.truncate(width, overflow="ellipsis")
    return line


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


def _finished(finished: Finished) -> Row:
    return (
        Text(f"  {_clock(finished.time)}", style="dim"),
        Text(f"{finished.workflow_type} {finished.workflow_id}"),
        Text(finished.result, style="green"),
    )


def _failure(failure: Failure) -> Row:
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
