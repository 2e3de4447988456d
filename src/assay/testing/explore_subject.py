"""The subject of an exploration: the script under test, its plan, and the check of each schedule."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure

from assay.errors import BuiltinError, LuaError
from assay.libraries import LIBRARIES
from assay.lua.function import LuaFunction
from assay.lua.host import Host
from assay.lua.values import Json, Name
from assay.simulation.choices import Unsupported
from assay.simulation.plan import Activity, Message, Plan, View
from assay.simulation.violation import Violation
from assay.simulation.world import World
from assay.temporal.data import failures, payloads
from assay.temporal.worker.activities import ActivityEntry
from assay.temporal.worker.options import WorkerOptions
from assay.temporal.worker.registration import Script, read_script
from assay.temporal.worker.worker import Worker
from assay.temporal.workflow.settings import Definition, Settings
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
"""Minimum duration of an attempt of an activity by default, in seconds."""


class Subject:
    """The script under test: its workflows, their settings and its activities."""

    def __init__(self, host: TestHost, options: ExploreOptions) -> None:
        self._host = host
        self._options = options
        self._script: Script | None = None
        self._definitions: dict[str, Definition] = {}
        self._settings: Settings | None = None
        self._script_activities: dict[str, LuaFunction] = {}

    @classmethod
    async def load(cls, host: TestHost, options: ExploreOptions) -> Subject:
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
