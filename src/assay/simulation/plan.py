"""The plan of a simulation: workflows, activities, messages and limits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from temporalio.api.failure.v1 import Failure

from assay.lua.values import Json
from assay.temporal.workflow.settings import Definition, Settings


class View(Protocol):
    """A run as an invariant sees it."""

    def query(self, name: str, value: Json | None) -> Json | None:
        """Answer a query. Raises LuaError."""


@dataclass(frozen=True)
class Activity:
    """The behavior of an activity.

    Attributes:
        run: Gives its result; raises LuaError when it fails.
        shortest: Seconds that an attempt takes at least.
        longest: Seconds that it takes at most; None for its own time limit.
        failures: Failures that an attempt may have beside those that `run` raises.
        transient: An attempt may fail, time out or lose its answer as long as another one follows.
        times_out: Every attempt may time out, the last too.
    """

    run: Callable[[Sequence[Json], int], Json | None]
    shortest: float = 0.05
    longest: float | None = None
    failures: Sequence[Failure] = ()
    transient: bool = True
    times_out: bool = False


@dataclass(frozen=True)
class Message:
    """A signal or an update that may come.

    Attributes:
        kind: "signal" or "update".
        name: Its name.
        inputs: What it may bring: each time one of these.
        fewest: How often it comes at least, if the workflow has not ended before.
        most: How often it comes at most.
    """

    kind: str
    name: str
    inputs: Sequence[Json | None] = (None,)
    fewest: int = 0
    most: int = 1


@dataclass(frozen=True)
class Plan:
    """The workflows of a simulation, and everything that may happen to them.

    Attributes:
        definitions: The workflows by type.
        settings: What their runs share.
        workflow_type: The workflow that is started.
        arguments: What it gets.
        activities: The activities by name.
        find_activity: Finds those that are not in `activities`. Raises Unsupported.
        messages: The signals and updates that may come.
        may_cancel: A cancel request may come.
        queries: Queries that are asked at any moment, for nothing but that they change nothing.
        always: Raises LuaError when what has to hold does not hold; called after each task of the first workflow.
        allowed: Kinds of violations that are none here: "lost", "unfinished", "unawaited", "query".
        time_limit: Seconds of virtual time that it may take.
        task_limit: Workflow tasks that one schedule may have.
        run_timeout: Seconds for one run; None for no limit.
        execution_timeout: Seconds for the workflow with its continuations.
    """

    definitions: Mapping[str, Definition]
    settings: Settings
    workflow_type: str
    arguments: Sequence[Json]
    activities: Mapping[str, Activity] = field(default_factory=dict)
    find_activity: Callable[[str], Activity] | None = None
    messages: Sequence[Message] = ()
    may_cancel: bool = False
    queries: Sequence[str] = ()
    always: Callable[[View], None] | None = None
    allowed: Collection[str] = ()
    time_limit: float | None = None
    task_limit: int = 1000
    run_timeout: float | None = None
    execution_timeout: float | None = None
