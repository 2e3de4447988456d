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
        run: Gets the input, and returns the result or raises an error; it must not wait. Returns nil when left out.
        takes: Seconds that an attempt takes: one number, or the least and the most of them. Between 0.05 seconds and
            its time limit, but at most a minute, when left out.
        fails: Errors with which any attempt may fail, the last one too; a string like "TYPE: message" has that type.
        times_out: Any attempt may reach its time limit, the last one too.
        faults: An attempt may fail, time out, or run and lose its answer, as long as its retry policy has another one.
    """

    run: LuaFunction | None = None
    takes: Seconds | list[Seconds] | None = None
    fails: list[str] = field(default_factory=list)
    times_out: bool = False
    faults: bool = True


@dataclass(kw_only=True)
class MessageOptions:
    """A signal or an update that may come at any moment.

    Attributes:
        name: Its name.
        input: What it brings.
        inputs: Several inputs, one of which it brings each time, in place of `input`.
        at_least: How often it comes in every schedule, if the workflow has not ended before.
        at_most: How often it may come; `at_least`, or once, when left out.
    """

    name: Name
    input: Json | None = None
    inputs: list[Json] | None = None
    at_least: int = 0
    at_most: int | None = None


@dataclass(kw_only=True)
class ExploreOptions:
    """The workflow that is explored, and everything that may happen to it.

    Attributes:
        script: A worker script, seen from the folder of the test file.
        arguments: What the script finds in `arg`.
        workflows: Workflows that are not in the script: name → function.
        activities: Name → function, or a table that says how the activity behaves. They take the place of the script's
            own; those of the script must not wait.
        workflow_type: The workflow that is started; may be left out when there is only one.
        input: What it gets.
        signals: Signals that may come.
        updates: Updates that may come.
        cancel: A cancel request may come.
        queries: Queries that may be asked at any moment, without input.
        always: Gets the workflow after each of its tasks, and raises an error when something does not hold that always
            has to. `state:query(name, input)` asks a query handler.
        may_fail: The workflow may fail; otherwise a schedule in which it does fails the test.
        allow: What is allowed: "lost" signals that nothing takes, "unfinished" handlers, "unawaited" failures.
        run_timeout: Seconds that one run of the workflow may take.
        execution_timeout: Seconds that the workflow may take with its continuations.
        time_limit: Seconds of simulated time after which a schedule fails the test.
        task_limit: Workflow tasks after which a schedule fails the test.
        schedules: How many schedules are run without `--explore`.
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
        activity: Its name.
        input: What it got.
        attempt: 1, or more when it was tried again.
        at: Seconds since the start of the workflow.
        outcome: "completed", "failed", "timed out", or "lost" when it ran and its answer was lost; empty when the
            workflow ended first.
        after_cancel: The workflow had heard of a cancel request before it asked for the activity.
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
        name: Its name.
        input: What it brought.
        state: "completed", "failed", "rejected", or "lost" when the workflow ended without an answer.
        result: Its answer.
        error: The message of its error.
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
        name: Its name.
        input: What it brought.
        at: Seconds since the start of the workflow.
    """

    name: str
    input: Value
    at: float


@dataclass
class Explored:
    """The outcome of the workflow in one schedule.

    Attributes:
        status: "completed", "failed", "cancelled" or "timed out".
        result: What it returned.
        error: The message of its error.
        seconds: How long it took, in simulated time.
        runs: How many runs it had: more than one when it was continued as new.
        cancel_requested: Whether a cancel request came.
        calls: The attempts of activities, in the order of their starts.
        signals: The signals that came.
        updates: The updates that came.
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
    """The workflow between two of its tasks, as an invariant sees it."""

    lua_name: ClassVar[str] = "test.ExploredState"
    lua_prefix: ClassVar[str] = "state"

    def __init__(self, view: Any) -> None:
        self._view = view

    @method
    def query(self, name: str, input: Json | None = None) -> Json | None:
        """Ask a query handler, and return its answer.

        Args:
            name: The query.
            input: What the handler gets.
        """
        answer: Json | None = self._view.query(name, input)
        return answer
