"""`test.explore`: from its options to a plan, and from what the search finds to the report of a test."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure

from assay.errors import BuiltinError, LuaError
from assay.libraries import LIBRARIES
from assay.lua.function import LuaFunction
from assay.lua.host import Host
from assay.lua.values import Json, Name
from assay.simulation import show
from assay.simulation.choices import Schedule, Unsupported
from assay.simulation.plan import Activity, Message, Plan, View
from assay.simulation.search import Explorer, Report
from assay.simulation.show import LineRecorder
from assay.simulation.violation import Violation
from assay.simulation.world import World
from assay.temporal.data import failures, payloads
from assay.temporal.replay.engine import TRACE
from assay.temporal.timeline.entries import Timeline
from assay.temporal.worker.activities import ActivityEntry
from assay.temporal.worker.options import WorkerOptions
from assay.temporal.worker.registration import Script, read_script
from assay.temporal.worker.worker import Worker
from assay.temporal.workflow.settings import Definition, Settings
from assay.testing import coverage
from assay.testing.explore_options import (
    ActivityBehavior,
    Exploration,
    Explored,
    ExploredCall,
    ExploredSignal,
    ExploredState,
    ExploredUpdate,
    ExploreOptions,
    MessageOptions,
)
from assay.testing.host import TestHost

_MIN_LENGTH = 0.05
_MAX_PAIRS = 5
_MAX_TRACED = 12
"""Schedules whose lines are looked at."""


@dataclasses.dataclass
class Asked:
    """The options of the command line.

    Attributes:
        count: How many schedules; None for as many as the exploration says.
        seed: Where the search begins.
        schedule: The events of a schedule that is run in place of a search.
    """

    count: int | None = None
    seed: int = 1
    schedule: Schedule | None = None


@dataclasses.dataclass
class Outcome:
    """The outcome of an exploration.

    Attributes:
        message: What is wrong; empty when nothing is.
        traceback: Lua's, or the place where the workflow waits.
        notes: What was explored, as lines.
        timelines: The runs in the schedule that fails.
        events: The events of that schedule.
        histories: The histories of its runs, as JSON.
    """

    message: str
    traceback: str
    notes: list[str]
    timelines: list[Timeline]
    events: Schedule
    histories: list[str] = dataclasses.field(default_factory=list)


async def explore(host: TestHost, exploration: Exploration, asked: Asked) -> Outcome:
    """Run an exploration. Raises LuaError and AssayError for what is wrong with the test itself."""
    prepared = await _Prepared.make(host, exploration.options)
    try:
        with _quiet():
            return await asyncio.to_thread(_run, prepared, exploration, asked)
    finally:
        await prepared.close()


def _run(prepared: _Prepared, exploration: Exploration, asked: Asked) -> Outcome:
    plan = prepared.plan(exploration.options)
    explorer = Explorer(plan, lambda world: prepared.check(exploration, world))
    if asked.schedule is not None:
        world, violation = explorer.repeat(asked.schedule)
        if violation is None:
            return Outcome("", "", ["the schedule passes"], [], dict(asked.schedule))
        events, notes = world.choices.deviations, []
    else:
        report = explorer.search(asked.count or exploration.options.schedules, asked.seed)
        notes = list(_notes(report))
        if report.failing is None:
            notes += _lines_of_some(plan, prepared, exploration, report)
            return Outcome("", "", notes, [], {})
        events, violation = report.failing.schedule, report.failing.violation
    lines = LineRecorder()
    traced = dataclasses.replace(plan, settings=dataclasses.replace(plan.settings, parts=(TRACE,)))
    world, again = Explorer(traced, lambda world: prepared.check(exploration, world)).repeat(events, lines.watch)
    if again is None or again.key != violation.key:
        notes.append("the schedule did not fail again in the same way: the test must not keep state between schedules")
    histories = [history.to_json() for history in show.histories(world)]
    return Outcome(violation.message, violation.traceback, notes, lines.timelines(world), events, histories)


def _is_about_faults(pair: tuple[str, str]) -> bool:
    return any(label.startswith("worker ") or " attempt " in label for label in pair)


def _lines_of_some(plan: Plan, prepared: _Prepared, exploration: Exploration, report: Report) -> Iterator[str]:
    """Give the lines of the workflows that ran under some schedules only, as a line for each file."""
    settings = dataclasses.replace(
        plan.settings, libraries={**plan.settings.libraries, **coverage.LIBRARIES}, parts=(coverage.PART,)
    )
    explorer = Explorer(dataclasses.replace(plan, settings=settings), lambda world: prepared.check(exploration, world))
    ran: list[set[tuple[str, int]]] = []
    for schedule in report.interesting[:_MAX_TRACED]:
        explorer.repeat(schedule)
        ran.append({(file, line) for file, lines in coverage.take_hits().items() for line in lines})
    if ran:
        some = {place for places in ran for place in places if not all(place in each for each in ran)}
        for file in sorted({file for file, _ in some}):
            numbers = _ranges([line for name, line in sorted(some) if name == file])
            yield f"lines that ran under some schedules only: {os.path.relpath(file)} {numbers}"


def _ranges(lines: list[int]) -> str:
    """Return numbers as text, with those that follow one another as a range."""
    ranges: list[list[int]] = []
    for line in lines:
        if ranges and ranges[-1][-1] == line - 1:
            ranges[-1].append(line)
        else:
            ranges.append([line])
    return ", ".join(str(each[0]) if len(each) == 1 else f"{each[0]}-{each[-1]}" for each in ranges)


def _notes(report: Report) -> Iterator[str]:
    seen, found = report.coverage, report.failing
    ran = f"{report.count} schedule{'s' if report.count != 1 else ''}"
    if found is not None:
        yield f"schedule {found.number} failed; shrunk from {found.original_size} to {len(found.schedule)} events"
    else:
        yield f"{ran} passed" + ("; stopped early: nothing new in the last 1000" if report.has_stopped_early else "")
    both = sorted(seen.seen_in_both_orders(), key=_is_about_faults)
    yield f"{seen.pairs} pairs of events, {len(both)} of them seen in both orders"
    for first, second in both[:_MAX_PAIRS]:
        yield f"  {first} / {second}"
    if len(both) > _MAX_PAIRS:
        yield f"  and {len(both) - _MAX_PAIRS} more"


class _Prepared:
    """A script that has been read, and what is needed to run its workflows."""

    def __init__(self, host: TestHost, options: ExploreOptions) -> None:
        self._host = host
        self._options = options
        self._script: Script | None = None
        self._definitions: dict[str, Definition] = {}
        self._settings: Settings | None = None
        self._own: dict[str, LuaFunction] = {}

    @classmethod
    async def make(cls, host: TestHost, options: ExploreOptions) -> _Prepared:
        """Read the script. Raises LuaError and AssayError."""
        made = cls(host, options)
        if options.script is None and not options.workflows:
            raise BuiltinError("nothing to explore: give 'script', 'workflows' or both")
        if options.script is not None:
            path = _join(host.folder, options.script)
            host.permissions.part_of(os.fsencode(path), [host.folder])
            made._script = await read_script(path, LIBRARIES, options.arguments, permissions=host.permissions)
            for worker in made._script.workers:
                made._add(worker)
        if options.workflows:
            made._add(Worker(host, WorkerOptions(task_queue=Name("test"), workflows={**options.workflows})))
        return made

    def _add(self, worker: Worker) -> None:
        for definition in worker.definitions():
            if definition.name is not None:
                self._definitions[definition.name] = definition
        if self._settings is None:
            self._settings = dataclasses.replace(worker.settings, task_queue=worker.options.task_queue)
        for name, entry in worker.options.activities.items():
            self._own[name] = entry.run if isinstance(entry, ActivityEntry) else entry

    async def close(self) -> None:
        """Let go of the script."""
        if self._script is not None:
            await self._script.close()

    def plan(self, options: ExploreOptions) -> Plan:
        """Return what may happen. Raises AssayError."""
        assert self._settings is not None
        messages = [_message("signal", given) for given in options.signals]
        messages += [_message("update", given) for given in options.updates]
        return Plan(
            definitions=self._definitions,
            settings=self._settings,
            workflow_type=self._workflow_type(options),
            arguments=[] if options.input is None else [options.input],
            activities={name: self._activity(name, given) for name, given in options.activities.items()},
            find_activity=self._find_activity,
            messages=messages,
            may_cancel=options.cancel,
            queries=options.queries,
            always=None if options.always is None else self._invariant(options.always),
            allowed=options.allow,
            time_limit=options.time_limit,
            task_limit=options.task_limit,
            run_timeout=options.run_timeout,
            execution_timeout=options.execution_timeout,
        )

    def _workflow_type(self, options: ExploreOptions) -> str:
        known = ", ".join(sorted(self._definitions)) or "none"
        if options.workflow_type is None:
            if len(self._definitions) != 1:
                raise BuiltinError(f"which workflow? give 'workflow_type' (one of: {known})")
            return next(iter(self._definitions))
        if options.workflow_type not in self._definitions:
            raise BuiltinError(f"no workflow '{options.workflow_type}' here (there are: {known})")
        return options.workflow_type

    def _activity(self, name: str, given: LuaFunction | ActivityBehavior) -> Activity:
        behavior = given if isinstance(given, ActivityBehavior) else ActivityBehavior(run=given)
        shortest, longest = _times(name, behavior)
        return Activity(
            run=_caller(behavior.run, name),
            min_duration=shortest,
            max_duration=longest,
            failures=[failures.of_lua_error(LuaError(text)) for text in behavior.fails],
            transient=behavior.faults,
            times_out=behavior.times_out,
        )

    def _find_activity(self, name: str) -> Activity:
        function = self._own.get(name)
        if function is None:
            raise Unsupported(f"activity '{name}' is neither in the script nor in 'activities'")
        return Activity(_caller(function, name))

    def _invariant(self, function: LuaFunction) -> Callable[[View], None]:
        def check(view: View) -> None:
            _call(function, (ExploredState(view),), "'always'")

        return check

    def check(self, exploration: Exploration, world: World) -> None:
        """Check how a schedule went. Raises Violation."""
        explored = _explored(world)
        if explored.status == "failed" and not exploration.options.may_fail:
            raise Violation("failed", f"the workflow failed: {explored.error}", world.main_run.result.stack_trace)
        try:
            _call(exploration.check, (explored,), "the function of test.explore")
        except LuaError as error:
            raise Violation("check", error.message, error.traceback) from error


def _join(folder: str, path: str) -> str:
    return os.path.normpath(os.path.join(folder, path))


def _times(name: str, behavior: ActivityBehavior) -> tuple[float, float | None]:
    takes = behavior.takes
    if takes is None:
        return _MIN_LENGTH, None
    if not isinstance(takes, list):
        return takes, takes
    if len(takes) != 2 or takes[0] > takes[1]:
        raise BuiltinError(f"bad option 'takes' of activity '{name}' (a number, or the least and the most, expected)")
    return takes[0], takes[1]


def _message(kind: str, given: MessageOptions) -> Message:
    if given.inputs is not None and given.input is not None:
        raise BuiltinError(f"{kind} '{given.name}': 'input' and 'inputs' are mutually exclusive")
    most = max(given.at_least, 1) if given.at_most is None else given.at_most
    if not 0 <= given.at_least <= most:
        raise BuiltinError(f"{kind} '{given.name}': 'at_most' must not be less than 'at_least'")
    inputs: Sequence[Json | None] = given.inputs or [given.input]
    return Message(kind, given.name, inputs, given.at_least, most)


def _caller(function: LuaFunction | None, name: str) -> Callable[[Sequence[Json], int], Json | None]:
    def run(arguments: Sequence[Json], _attempt: int) -> Json | None:
        if function is None:
            return None
        result: Json | None = _call(function, list(arguments), f"activity '{name}'", b"json")
        return result

    return run


def _call(function: LuaFunction, arguments: Any, what: str, delivery: bytes = b"wire") -> Any:
    """Call a function of the test, which must not wait. Raises LuaError, and Unsupported if it does."""
    host = function.host
    assert isinstance(host, Host)
    task, event = host.begin_task(function, arguments, delivery)
    if event[0] == b"wait":
        waited, operation = host.callbacks.take_operation(event[1])
        operation.close()
        host.discard(task, has_begun=False)
        raise Unsupported(f"{what} waits in {waited.title}: functions of a simulation must not wait")
    return host.result(event)


def _result(outcome: Any) -> Any:
    return payloads.read_python(outcome) if isinstance(outcome, Payload) else None


def _error(outcome: Any) -> str | None:
    return str(failures.fields(outcome)["message"]) if isinstance(outcome, Failure) else None


def _explored(world: World) -> Explored:
    run = world.main_run
    return Explored(
        status=run.status,
        result=_result(run.result),
        error=_error(run.result),
        seconds=world.seconds,
        runs=sum(world.is_main(each) for each in world.executions),
        cancel_requested=any(world.is_main(each) and each.is_cancel_requested for each in world.executions),
        calls=[
            ExploredCall(
                call.activity,
                payloads.to_python(call.input),
                call.attempt,
                call.at,
                call.outcome,
                call.after_cancel,
            )
            for call in world.calls
        ],
        signals=[
            ExploredSignal(sent.name, None if sent.input is None else payloads.to_python(sent.input), sent.at)
            for sent in world.arrivals.signals
        ],
        updates=[
            ExploredUpdate(
                sent.update.name,
                None if sent.input is None else payloads.to_python(sent.input),
                sent.update.state,
                _result(sent.update.result),
                _error(sent.update.result),
            )
            for sent in world.arrivals.updates
        ],
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Log nothing: thousands of schedules would flood the log."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        try:
            yield
        finally:
            logging.disable(before)
