"""Renders the region of the live screen as colored lines for a given size."""

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
"""Cells of a row."""

_MAX_DETAILS = 4  # lines of details of a notice
_NEW_STEP = "  +  "  # prefix of the probe's line with the step of the changed code
_MAX_ITEMS = 5  # failures, and finished workflows
_MAX_ITEMS_COMPACT = 2  # … if compact
_COMPACT_HEIGHT = 18  # lines; below this height everything but the workflows is abridged
_MAX_WAITS = 5  # per workflow
_NAMES_SHARE = 0.4  # of the width, for types and ids
_MIN_RUN_LINES = 3  # lines for workflows, whatever the height
_DAY = 86400
_PADDING = re.compile(r" +((?:\x1b\[[0-9;]*m)*)$")


@dataclass
class Status:
    """State of `assay dev` itself.

    Attributes:
        server: Address of the server, with a remark.
        ui: URL of the Web UI, or empty if unknown.
        notice: Last notice: title, text and color.
        details: Details of the notice: the error with its line.
        is_stopping: Whether the shutdown has begun.
    """

    server: str = ""
    ui: str = ""
    notice: tuple[str, str, str | None] | None = None
    details: list[str] = field(default_factory=list)
    is_stopping: bool = False


def summarize(details: str) -> list[str]:
    """Return the main lines of the details of a notice: the error, and the step of the changed code."""
    lines = [line for line in details.splitlines() if line and (not line[0].isspace() or line.startswith(_NEW_STEP))]
    return [line.removesuffix(":") for line in lines if line != "stack traceback:"][:_MAX_DETAILS]


def draw(status: Status, report: Report, width: int, height: int, view: View | None = None) -> list[str]:
    """Return at most `height` lines of fewer than `width` columns. Corrects the scroll position of `view`."""
    # A terminal joins a line of its full width with the next one when it becomes wider.
    view, width = view or View(), max(width - 1, 10)
    if view.page is not None:
        return _page(view, view.page, width, height)
    selected = view.index(report.runs)
    is_compact = height < _COMPACT_HEIGHT
    head = list(_head(status, report, is_compact=is_compact or selected is not None))
    lines = [*_lines(Rule(style="dim"), width), *_grid_lines(head, width, 0.5)]
    if report.runs or not report.problem:
        lines += _lines(_count(report, view, width), width)
    if view.message:
        lines += _lines(Text(view.message, style="yellow"), width)
    runs: list[list[Row | Text]] = []
    for index, run in enumerate(report.runs):
        if is_compact and index != selected:
            runs.append([_compact_run(run, width)])
        else:
            runs.append([*_run(run, int(width * _NAMES_SHARE), width, index == selected)])
    available = height - len(lines)
    needed = sum(map(len, runs)) + bool(report.more)
    rest = 0 if selected is not None else available - min(needed, max(available // 2, _MIN_RUN_LINES))
    failures, rest = _fitting(report.failures, rest, height)
    finished, rest = _fitting(report.finished, rest, height)
    others = sum(len(items) + 1 for items in (failures, finished) if items)
    lines += _mixed_lines(_window(runs, report.more, view, selected, max(available - others, _MIN_RUN_LINES)), width)
    if finished:
        lines += _lines(Text("last finished", style="bold"), width)
        lines += _grid_lines(list(map(_finished, finished)), width, 0.3, 0.8)
    if failures:
        lines += _lines(Text("recent failures", style="bold"), width)
        lines += _grid_lines(list(map(_failure, failures)), width, 0.3, 0.4, 0.6)
    return lines[:height]


def _fitting(items: list[T], rest: int, height: int) -> tuple[list[T], int]:
    """Return the items that fit below a title into `rest` lines, and the number of remaining lines."""
    maximum = min(_MAX_ITEMS if height >= _COMPACT_HEIGHT else _MAX_ITEMS_COMPACT, rest - 1)
    shown = items[: max(maximum, 0)]
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
    """Render an item as colored lines."""
    text = io.StringIO()
    console = Console(file=text, width=width, force_terminal=True, highlight=False, markup=False, emoji=False)
    console.print(item)
    return [_PADDING.sub(r"\1", line) for line in text.getvalue().rstrip("\n").split("\n")]


def _grid_lines(rows: list[Row], width: int, *shares: float) -> list[str]:
    return _lines(_grid(rows, width, *shares), width) if rows else []


def _mixed_lines(rows: list[Row | Text], width: int) -> list[str]:
    """Render rows of the workflow grid and, between them, lines that ignore its columns."""
    in_grid = iter(_grid_lines([row for row in rows if isinstance(row, tuple)], width, _NAMES_SHARE, 0.4))
    lines: list[str] = []
    for row in rows:
        lines += [next(in_grid)] if isinstance(row, tuple) else _lines(row, width)
    return lines


def _grid(rows: list[Row], width: int, *shares: float) -> Table:
    """Return a grid whose columns take at most their shares of the width; the last one takes the rest."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for column, share in enumerate(shares):
        longest = max(cell_len(str(row[column])) for row in rows)
        column_width = min(longest, int(width * share))
        grid.add_column(no_wrap=True, overflow="ellipsis", width=column_width)
        width -= column_width + 2
    grid.add_column(no_wrap=True, overflow="ellipsis", width=max(width, 1))
    for row in rows:
        grid.add_row(*row)
    return grid


def _head(status: Status, report: Report, *, is_compact: bool) -> Iterator[Row]:
    ui = f"  {status.ui}" if is_compact and status.ui else ""
    yield Text("server", style="bold"), status.server + ui
    if status.ui and not is_compact:
        yield Text("Web UI", style="bold"), status.ui
    for queue in report.queues:
        name = Text(queue.task_queue, style="cyan")
        kinds = (("workflows", queue.workflows), ("activities", queue.activities))
        if is_compact:
            name.append("".join(f"  {len(names)} {kind}" for kind, names in kinds if names), style="default")
        yield Text("task queue", style="bold"), name
        for kind, names in () if is_compact else kinds:
            if names:
                yield f"  {kind}", ", ".join(names)
    if status.is_stopping:
        yield Text("stopping", style="bold yellow"), "waiting for running activities; press Ctrl-C again to kill them"
    elif status.notice is not None:
        title, text, color = status.notice
        yield Text(title.lower(), style=f"bold {color or ''}"), Text(text)
        for line in status.details:
            yield "", Text(line, style=color or "")
    if report.problem:
        yield Text("not updated", style="bold yellow"), Text(report.problem)


def _count(report: Report, view: View, width: int) -> Text:
    count = len(report.runs) + report.more
    title = "no open workflows" if not count else f"{count} open workflow{'s' if count > 1 else ''}"
    text = Text(title, style="bold")
    if count and view.has_keys:
        text.append("  ↑↓ select, Enter timeline, o Web UI", style="not bold dim")
    text.truncate(width, overflow="ellipsis")
    return text


def _window(runs: list[list[Row | Text]], more: int, view: View, selected: int | None, room: int) -> list[Row | Text]:
    """Return the rows of the workflows from `view.top` on that fit into `room` lines, and the numbers of the others."""
    view.top = max(0, min(view.top, len(runs) - 1))
    if selected is not None:
        view.top = min(view.top, selected)
        while view.top < selected and sum(map(len, runs[view.top : selected + 1])) + 2 > room:
            view.top += 1
    rows: list[Row | Text] = []
    if view.top:
        rows.append(Text(f"  … {view.top} above", style="dim"))
    view.shown = 0
    for index in range(view.top, len(runs)):
        is_last = index == len(runs) - 1 and not more
        if view.shown and len(rows) + len(runs[index]) + (not is_last) > room:
            break
        rows += runs[index]
        view.shown += 1
    view.shown, below = max(view.shown, 1), len(runs) - view.top - view.shown + more
    if below > 0:
        rows.append(Text(f"  … and {below} more", style="dim"))
    return rows


def _run(run: Run, room: int, width: int, is_selected: bool) -> Iterator[Row | Text]:
    """Yield the rows of a workflow. An id longer than `room` is shown in full on a separate line."""
    mark = ("› ", "bold") if is_selected else ("  ", "")
    style = "reverse" if is_selected else ""
    title = Text.assemble(mark, (run.workflow_type, f"cyan {style}"), (f" {run.workflow_id}", style))
    name: str | Text = title
    if not run.is_described or cell_len(title.plain) > room:
        title.overflow = "fold"
        yield from title.wrap(Console(width=width), width, overflow="fold")
        name = "  "
    waits = [*run.waits[:_MAX_WAITS]]
    if len(run.waits) > _MAX_WAITS:
        waits.append(Wait(f"… and {len(run.waits) - _MAX_WAITS} more"))
    for wait in waits or ([Wait("its worker")] if run.is_described else []):
        yield name, Text(wait.where, style="dim"), _wait(wait)
        name = ""
    if run.details:
        yield "", "", Text(run.details, style="italic")


def _compact_run(run: Run, width: int) -> Text:
    """Return a workflow in one line."""
    line = Text.assemble("  ", (run.workflow_type, "cyan"), f" {run.workflow_id}")
    if run.is_described:
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
    if wait.next_attempt is not None and wait.next_attempt > time.time():
        text.append(f" at {_clock(wait.next_attempt)}", style="yellow")
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
    """Return a local time; without the date if it is less than a day away."""
    try:
        local = time.localtime(seconds)
    except (OverflowError, ValueError, OSError):
        return "the end of time"
    return time.strftime("%H:%M:%S" if abs(seconds - time.time()) < _DAY else "%Y-%m-%d %H:%M", local)
