"""The option tables of `test.explore`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from assay.lua.declare import method
from assay.lua.function import LuaFunction
from assay.lua.values import Json, Name, Seconds, Value

DEFAULT_SCHEDULES = 100


@dataclass(kw_only=True)
class ActivityBehavior:
    """The behavior of an activity in schedules.

    Attributes:
        run: The function of the activity. It must not wait. By default, the activity returns nil.
        takes: Duration of an attempt in seconds: a number, or a list of the minimum and the maximum. By default, from
            0.05 seconds to the timeout of the attempt, but at most a minute.
        fails: Errors with which any attempt may fail, including the last one. "TYPE: message" sets the error's type.
        times_out: Any attempt may time out, including the last one.
        faults: Attempts may fail, time out, or run and lose their result, if the retry policy allows another attempt.
    """

    run: LuaFunction | None = None
    takes: Seconds | list[Seconds] | None = None
    fails: list[str] = field(default_factory=list)
    times_out: bool = False
    faults: bool = True


@dataclass(kw_only=True)
class MessageOptions:
    """A signal or an update that may arrive at any time.

    Attributes:
        name: Name of the signal or update.
        input: The input.
        inputs: Possible inputs, one of which is chosen for each message. Mutually exclusive with `input`.
        at_least: Minimum number of messages in each schedule, unless the workflow ends first.
        at_most: Maximum number of messages. By default `at_least`, or 1 if that is 0.
    """

    name: Name
    input: Json | None = None
    inputs: list[Json] | None = None
    at_least: int = 0
    at_most: int | None = None


@dataclass(kw_only=True)
class ExploreOptions:
    """Options of an exploration: the workflow, and everything that may happen to it.

    Attributes:
        script: Path of a worker script, relative to the folder of the test file.
        arguments: Arguments of the script, in `arg`.
        workflows: Additional workflows: name → function.
        activities: Replacements of activities: name → function, or a table that describes the behavior. Activities of
            the script that are not replaced must not wait.
        workflow_type: The workflow to start; optional if only one is registered.
        input: The input of the workflow.
        signals: Signals that may arrive.
        updates: Updates that may arrive.
        cancel: A cancellation request may arrive.
        queries: Queries that may arrive at any time, without input.
        always: Invariant: called after each workflow task, with the state of the workflow. It raises an error if the
            invariant does not hold. `state:query(name, input)` calls a query handler.
        may_fail: The workflow may fail. By default, a schedule in which it fails also fails the test.
        allow: Checks to disable: "lost" (signals that are never received), "unfinished" (handlers), "unawaited"
            (failures).
        run_timeout: Timeout of one run, in seconds.
        execution_timeout: Timeout of the workflow, including its continuations, in seconds.
        time_limit: Maximum duration of a schedule, in seconds of simulated time.
        task_limit: Maximum number of workflow tasks in a schedule.
        schedules: Number of schedules to run, unless `--explore` sets it.
    """

    script: str | None = None
    arguments: list[str] = field(default_factory=list)
    workflows: dict[str, LuaFunction] = field(default_factory=dict)
    activities: dict[str, LuaFunction | ActivityBehavior] = field(default_factory=dict)
    workflow_type: Name | None = None
    input: Json | None = None
    signals: list[MessageOptions] = field(default_factory=list)
    updates: list[MessageOptions] = field(default_factory=list)
    cancel: bool = False
    queries: list[Name] = field(default_factory=list)
    always: LuaFunction | None = None
    may_fail: bool = False
    allow: list[Literal["lost", "unfinished", "unawaited"]] = field(default_factory=list)
    run_timeout: Seconds | None = None
    execution_timeout: Seconds | None = None
    time_limit: Seconds | None = None
    task_limit: int = 1000
    schedules: int = DEFAULT_SCHEDULES


@dataclass
class Exploration:
    """An exploration that a test file declares."""

    name: str
    options: ExploreOptions
    check: LuaFunction


@dataclass
class ExploredCall:
    """An attempt of an activity.

    Attributes:
        activity: Name of the activity.
        input: The input.
        attempt: Number of the attempt, counted from 1.
        at: Start time, in seconds since the start of the workflow.
        outcome: "completed", "failed", "timed out", or "lost" if it ran but its result was lost; empty if the workflow
            ended first.
        after_cancel: True if the workflow had received a cancellation request before it scheduled the activity.
    """

    activity: str
    input: Value
    attempt: int
    at: float
    outcome: str
    after_cancel: bool


@dataclass
class ExploredUpdate:
    """An update that was sent.

    Attributes:
        name: Name of the update.
        input: The input.
        state: "completed", "failed", "rejected", or "lost" if the workflow ended first.
        result: The result.
        error: Message of the error.
    """

    name: str
    input: Value
    state: str
    result: Value = None
    error: str | None = None


@dataclass
class ExploredSignal:
    """A signal that was sent.

    Attributes:
        name: Name of the signal.
        input: The input.
        at: Time in seconds since the start of the workflow.
    """

    name: str
    input: Value
    at: float


@dataclass
class Explored:
    """The result of the workflow in one schedule.

    Attributes:
        status: "completed", "failed", "cancelled" or "timed out".
        result: The result.
        error: Message of the error.
        seconds: Duration in seconds of simulated time.
        runs: Number of runs; more than one after `ctx:continue_as_new`.
        cancel_requested: True if a cancellation request arrived.
        calls: The attempts of activities, in the order of their start.
        signals: The signals that arrived.
        updates: The updates that arrived.
    """

    status: str
    result: Value
    error: str | None
    seconds: float
    runs: int
    cancel_requested: bool
    calls: list[ExploredCall]
    signals: list[ExploredSignal]
    updates: list[ExploredUpdate]


class ExploredState:
    """The workflow between two workflow tasks, for an invariant."""

    lua_name: ClassVar[str] = "test.ExploredState"
    lua_prefix: ClassVar[str] = "state"

    def __init__(self, view: Any) -> None:
        self._view = view

    @method
    def query(self, name: str, input: Json | None = None) -> Json | None:
        """Query the workflow, and return the answer.

        Args:
            name: Name of the query.
            input: Input of the query handler.
        """
        answer: Json | None = self._view.query(name, input)
        return answer
