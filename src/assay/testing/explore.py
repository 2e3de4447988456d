"""`test.explore`: creates a plan from the options, runs the search, and reports the result."""

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

_MIN_DURATION = 0.05
_MAX_PAIRS = 5
_MAX_RECORDED = 12
"""Maximum number of schedules whose lines are recorded."""


@dataclasses.dataclass
class SearchOptions:
    """Options of the command line.

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
    subject = await _Subject.load(host, exploration.options)
    try:
        with _silence():
            return await asyncio.to_thread(_run, subject, exploration, options)
    finally:
        await subject.close()


def _run(subject: _Subject, exploration: Exploration, options: SearchOptions) -> ExplorationResult:
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


def _varying_lines(plan: Plan, subject: _Subject, exploration: Exploration, report: Report) -> Iterator[str]:
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


class _Subject:
    """The script under test: its workflows, their settings and its activities."""

    def __init__(self, host: TestHost, options: ExploreOptions) -> None:
        self._host = host
        self._options = options
        self._script: Script | None = None
        self._definitions: dict[str, Definition] = {}
        self._settings: Settings | None = None
        self._script_activities: dict[str, LuaFunction] = {}

    @classmethod
    async def load(cls, host: TestHost, options: ExploreOptions) -> _Subject:
        """Run the script. Raise LuaError or AssayError."""
        subject = cls(host, options)
        if options.script is None and not options.workflows:
            raise BuiltinError("nothing to explore: set 'script', 'workflows' or both")
        if options.script is not None:
            path = _join(host.folder, options.script)
            host.permissions.part_of(os.fsencode(path), [host.folder])
            subject._script = await read_script(path, LIBRARIES, options.arguments, permissions=host.permissions)
            for worker in subject._script.workers:
                subject._add(worker)
        if options.workflows:
            subject._add(Worker(host, WorkerOptions(task_queue=Name("test"), workflows={**options.workflows})))
        return subject

    def _add(self, worker: Worker) -> None:
        for definition in worker.definitions():
            if definition.name is not None:
                self._definitions[definition.name] = definition
        if self._settings is None:
            self._settings = dataclasses.replace(worker.settings, task_queue=worker.options.task_queue)
        for name, entry in worker.options.activities.items():
            self._script_activities[name] = entry.run if isinstance(entry, ActivityEntry) else entry

    async def close(self) -> None:
        """Close the script."""
        if self._script is not None:
            await self._script.close()

    def plan(self, options: ExploreOptions) -> Plan:
        """Create the plan. Raise AssayError if the options are invalid."""
        assert self._settings is not None
        messages = [_message("signal", item) for item in options.signals]
        messages += [_message("update", item) for item in options.updates]
        return Plan(
            definitions=self._definitions,
            settings=self._settings,
            workflow_type=self._workflow_type(options),
            arguments=[] if options.input is None else [options.input],
            activities={name: self._activity(name, item) for name, item in options.activities.items()},
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
        registered = ", ".join(sorted(self._definitions)) or "none"
        if options.workflow_type is None:
            if len(self._definitions) != 1:
                raise BuiltinError(f"'workflow_type' is required (one of: {registered})")
            return next(iter(self._definitions))
        if options.workflow_type not in self._definitions:
            raise BuiltinError(f"no workflow '{options.workflow_type}' (registered: {registered})")
        return options.workflow_type

    def _activity(self, name: str, option: LuaFunction | ActivityBehavior) -> Activity:
        behavior = option if isinstance(option, ActivityBehavior) else ActivityBehavior(run=option)
        min_duration, max_duration = _durations(name, behavior)
        return Activity(
            run=_caller(behavior.run, name),
            min_duration=min_duration,
            max_duration=max_duration,
            failures=[failures.of_lua_error(LuaError(text)) for text in behavior.fails],
            transient=behavior.faults,
            times_out=behavior.times_out,
        )

    def _find_activity(self, name: str) -> Activity:
        function = self._script_activities.get(name)
        if function is None:
            raise Unsupported(f"activity '{name}' is neither in the script nor in 'activities'")
        return Activity(_caller(function, name))

    def _invariant(self, function: LuaFunction) -> Callable[[View], None]:
        def check(view: View) -> None:
            _call(function, (ExploredState(view),), "'always'")

        return check

    def check(self, exploration: Exploration, world: World) -> None:
        """Check the result of a schedule. Raise Violation."""
        explored = _explored(world)
        if explored.status == "failed" and not exploration.options.may_fail:
            raise Violation("failed", f"the workflow failed: {explored.error}", world.main_run.result.stack_trace)
        try:
            _call(exploration.check, (explored,), "'check'")
        except LuaError as error:
            raise Violation("check", error.message, error.traceback) from error


def _join(folder: str, path: str) -> str:
    return os.path.normpath(os.path.join(folder, path))


def _durations(name: str, behavior: ActivityBehavior) -> tuple[float, float | None]:
    takes = behavior.takes
    if takes is None:
        return _MIN_DURATION, None
    if not isinstance(takes, list):
        return takes, takes
    if len(takes) != 2 or takes[0] > takes[1]:
        raise BuiltinError(
            f"bad option 'takes' of activity '{name}' (expected a number, or the minimum and the maximum)"
        )
    return takes[0], takes[1]


def _message(kind: str, options: MessageOptions) -> Message:
    if options.inputs is not None and options.input is not None:
        raise BuiltinError(f"{kind} '{options.name}': 'input' and 'inputs' are mutually exclusive")
    max_count = max(options.at_least, 1) if options.at_most is None else options.at_most
    if not 0 <= options.at_least <= max_count:
        raise BuiltinError(f"{kind} '{options.name}': 'at_most' must not be less than 'at_least'")
    inputs: Sequence[Json | None] = options.inputs or [options.input]
    return Message(kind, options.name, inputs, options.at_least, max_count)


def _caller(function: LuaFunction | None, name: str) -> Callable[[Sequence[Json], int], Json | None]:
    def run(arguments: Sequence[Json], _attempt: int) -> Json | None:
        if function is None:
            return None
        result: Json | None = _call(function, list(arguments), f"activity '{name}'", b"json")
        return result

    return run


def _call(function: LuaFunction, arguments: Any, title: str, delivery: bytes = b"wire") -> Any:
    """Call a Lua function of the test. Raise LuaError if it fails, and Unsupported if it waits."""
    host = function.host
    assert isinstance(host, Host)
    task, event = host.begin_task(function, arguments, delivery)
    if event[0] == b"wait":
        builtin, operation = host.callbacks.take_operation(event[1])
        operation.close()
        host.discard(task, has_begun=False)
        raise Unsupported(f"{title} waits in {builtin.title}: functions of a simulation must not wait")
    return host.result(event)


def _result(value: Any) -> Any:
    return payloads.read_python(value) if isinstance(value, Payload) else None


def _error(value: Any) -> str | None:
    return str(failures.fields(value)["message"]) if isinstance(value, Failure) else None


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
def _silence() -> Iterator[None]:
    """Disable logging and output: thousands of schedules would flood the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    with open(os.devnull, "w") as null, contextlib.redirect_stdout(null), contextlib.redirect_stderr(null):
        try:
            yield
        finally:
            logging.disable(before)
