"""The plan of a simulation: workflows, activities, messages and limits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from temporalio.api.failure.v1 import Failure

from assay.lua.values import Json
from assay.temporal.workflow.settings import Definition, Settings


class View(Protocol):
    """The run that an invariant inspects."""

    def query(self, name: str, value: Json | None) -> Json | None:
        """Query the run. Raises LuaError if the query fails."""


@dataclass(frozen=True)
class Activity:
    """The behavior of an activity.

    Attributes:
        run: Returns the result from the arguments and the number of the attempt. Raises LuaError if the attempt fails.
        min_duration: Minimum duration of an attempt, in seconds.
        max_duration: Maximum duration of an attempt, in seconds; None for a minute. The timeout also limits it.
        failures: Failures that are injected into any attempt.
        transient: Attempts may fail, time out or lose their result as long as the retry policy allows another attempt.
        times_out: Any attempt may time out, including the last one.
    """

    run: Callable[[Sequence[Json], int], Json | None]
    min_duration: float = 0.05
    max_duration: float | None = None
    failures: Sequence[Failure] = ()
    transient: bool = True
    times_out: bool = False


@dataclass(frozen=True)
class Message:
    """A signal or an update that may arrive.

    Attributes:
        kind: "signal" or "update".
        name: Its name.
        inputs: Possible inputs, one of which is chosen for each message.
        min_count: Minimum number of messages, unless the workflow ends first.
        max_count: Maximum number of messages.
    """

    kind: str
    name: str
    inputs: Sequence[Json | None] = (None,)
    min_count: int = 0
    max_count: int = 1


@dataclass(frozen=True)
class Plan:
    """The workflows of a simulation, and everything that may happen to them.

    Attributes:
        definitions: The workflows by type.
        settings: The settings that their runs share.
        workflow_type: The workflow under test.
        arguments: Its arguments.
        activities: The activities by name.
        find_activity: Returns activities that are not in `activities`. Raises Unsupported for unknown names.
        messages: The signals and updates that may arrive.
        may_cancel: A cancellation request may arrive.
        queries: Queries that are sent at any moment; they must not fail or affect the run.
        always: Invariant, called after each task of the workflow under test. Raises LuaError if it does not hold.
        allowed: Kinds of violations to ignore: "lost", "unfinished", "unawaited", "query".
        time_limit: Maximum duration of the workflow, in seconds of virtual time.
        task_limit: Maximum number of workflow tasks in one schedule.
        run_timeout: Timeout of one run, in seconds; None for no timeout.
        execution_timeout: Timeout of the workflow including its continuations, in seconds; None for no timeout.
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
