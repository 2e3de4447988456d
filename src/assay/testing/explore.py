"""`test.explore`: runs the search for a failing schedule, and reports its result."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
from collections.abc import Iterator

from assay.simulation import show
from assay.simulation.choices import Schedule
from assay.simulation.plan import Plan
from assay.simulation.search import Explorer, Report
from assay.simulation.show import LineRecorder
from assay.temporal.replay.engine import TRACE
from assay.temporal.timeline.entries import Timeline
from assay.testing import coverage
from assay.testing.explore_options import Exploration
from assay.testing.explore_subject import Subject
from assay.testing.host import TestHost

_MAX_PAIRS = 5
_MAX_RECORDED = 12
"""Maximum number of schedules whose lines are recorded."""


@dataclasses.dataclass
class SearchOptions:
    """Options of a search, from the command line.

    Attributes:
        count: Number of schedules; None for the default of the exploration.
        seed: Seed of the search.
        schedule: A schedule to run instead of a search.
    """

    count: int | None = None
    seed: int = 1
    schedule: Schedule | None = None


@dataclasses.dataclass
class ExplorationResult:
    """The result of an exploration.

    Attributes:
        message: The violation; empty if all schedules passed.
        traceback: Lua traceback of the error, or of the place where the workflow waits.
        notes: Lines about the schedules that ran.
        timelines: The runs of the failing schedule.
        events: The events of the failing schedule.
        histories: The histories of its runs, as JSON.
    """

    message: str
    traceback: str
    notes: list[str]
    timelines: list[Timeline]
    events: Schedule
    histories: list[str] = dataclasses.field(default_factory=list)


async def explore(host: TestHost, exploration: Exploration, options: SearchOptions) -> ExplorationResult:
    """Run an exploration. Raise LuaError or AssayError if the test itself is wrong."""
    subject = await Subject.load(host, exploration.options)
    try:
        with _silence():
            return await asyncio.to_thread(_run, subject, exploration, options)
    finally:
        await subject.close()


def _run(subject: Subject, exploration: Exploration, options: SearchOptions) -> ExplorationResult:
    plan = subject.plan(exploration.options)
    explorer = Explorer(plan, lambda world: subject.check(exploration, world))
    if options.schedule is not None:
        world, violation = explorer.repeat(options.schedule)
        if violation is None:
            return ExplorationResult("", "", ["the schedule passes"], [], dict(options.schedule))
        events, notes = world.choices.deviations, []
    else:
        report = explorer.search(options.count or exploration.options.schedules, options.seed)
        notes = list(_notes(report))
        if report.failing is None:
            notes += _varying_lines(plan, subject, exploration, report)
            return ExplorationResult("", "", notes, [], {})
        events, violation = report.failing.schedule, report.failing.violation
    recorder = LineRecorder()
    traced = dataclasses.replace(plan, settings=dataclasses.replace(plan.settings, parts=(TRACE,)))
    world, again = Explorer(traced, lambda world: subject.check(exploration, world)).repeat(events, recorder.watch)
    if again is None or again.key != violation.key:
        notes.append("the schedule did not fail again in the same way: the test must not keep state between schedules")
    histories = [history.to_json() for history in show.histories(world)]
    return ExplorationResult(
        violation.message, violation.traceback, notes, recorder.timelines(world), events, histories
    )


def _is_about_faults(pair: tuple[str, str]) -> bool:
    return any(label.startswith("worker ") or " attempt " in label for label in pair)


def _varying_lines(plan: Plan, subject: Subject, exploration: Exploration, report: Report) -> Iterator[str]:
    """Yield, for each file, a note about the lines that ran under some schedules only."""
    settings = dataclasses.replace(
        plan.settings, libraries={**plan.settings.libraries, **coverage.LIBRARIES}, parts=(coverage.PART,)
    )
    explorer = Explorer(dataclasses.replace(plan, settings=settings), lambda world: subject.check(exploration, world))
    executed: list[set[tuple[str, int]]] = []
    for schedule in report.interesting[:_MAX_RECORDED]:
        explorer.repeat(schedule)
        executed.append({(file, line) for file, lines in coverage.take_hits().items() for line in lines})
    if executed:
        some = executed[0].union(*executed) - executed[0].intersection(*executed)
        for file in sorted({file for file, _ in some}):
            numbers = _ranges([line for name, line in sorted(some) if name == file])
            yield f"lines that ran under some schedules only: {os.path.relpath(file)} {numbers}"


def _ranges(lines: list[int]) -> str:
    """Format sorted line numbers, with consecutive ones as a range."""
    ranges: list[list[int]] = []
    for line in lines:
        if ranges and ranges[-1][-1] == line - 1:
            ranges[-1].append(line)
        else:
            ranges.append([line])
    return ", ".join(str(each[0]) if len(each) == 1 else f"{each[0]}-{each[-1]}" for each in ranges)


def _notes(report: Report) -> Iterator[str]:
    """Yield lines about the schedules that ran and their coverage."""
    seen, failing = report.coverage, report.failing
    if failing is not None:
        yield f"schedule {failing.number} failed; shrunk from {failing.original_size} to {len(failing.schedule)} events"
    else:
        schedules = f"{report.count} schedule{'s' if report.count != 1 else ''}"
        yield f"{schedules} passed" + (
            "; stopped early: nothing new in the last 1000" if report.has_stopped_early else ""
        )
    both = sorted(seen.seen_in_both_orders(), key=_is_about_faults)
    yield f"{seen.pairs} pairs of events, {len(both)} of them seen in both orders"
    for first, second in both[:_MAX_PAIRS]:
        yield f"  {first} / {second}"
    if len(both) > _MAX_PAIRS:
        yield f"  and {len(both) - _MAX_PAIRS} more"


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Disable logging and output: thousands of schedules would flood the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    with open(os.devnull, "w") as null, contextlib.redirect_stdout(null), contextlib.redirect_stderr(null):
        try:
            yield
        finally:
            logging.disable(before)
