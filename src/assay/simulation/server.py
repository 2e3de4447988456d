"""Protocols of the simulated server, a run and its pending steps. They keep the modules free of import cycles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from temporalio.api.common.v1 import Payload

from assay.lua.values import Json
from assay.simulation.attempts import Call
from assay.simulation.choices import Choices
from assay.simulation.clock import Clock, Timer
from assay.simulation.plan import Activity
from assay.simulation.starts import Start
from assay.temporal.core.protos import WorkflowActivationJob


class PendingActivity(Protocol):
    """An activity that a run has scheduled."""

    def request_cancel(self, event: int) -> None:
        """Request its cancellation; `event` is the number of the request's event."""

    def discard(self) -> None:
        """Cancel its timers because its run has ended."""


class ChildWorkflow(Protocol):
    """A child workflow, as seen by its parent's run."""

    @property
    def command(self) -> Any:
        """The command that started it."""

    def on_continue(self, execution: Run) -> None:
        """Handle `continue_as_new`: `execution` is its new run."""

    def on_close(self, execution: Run) -> None:
        """Report its end to the parent."""

    def on_parent_close(self) -> None:
        """Apply its parent close policy."""


class Run(Protocol):
    """One run, as seen by its commands, its children and other runs."""

    world: Server
    start: Start
    status: str
    result: Any
    """The payload or failure with which it ended."""
    timers: dict[int, tuple[int, Timer]]
    """Its timers by sequence number: the number of the event, and the timer on the clock."""
    activities: dict[int, PendingActivity]
    activity_events: dict[int, int]
    """Number of the scheduled event of each activity, by sequence number."""
    children: dict[int, ChildWorkflow]
    child_ids: dict[int, str]
    step_names: dict[int, str]
    """Names of the steps, by the number of the event that started them."""
    patches: list[str]
    """The ids of its patches."""
    search_attributes: dict[str, Payload]
    completed_event: int
    """Number of the completed event of the workflow task whose commands are being applied."""
    task_count: int
    """Number of workflow tasks that it has started."""
    has_seen_cancel: bool
    """True once a completed workflow task has delivered a cancellation request."""

    @property
    def is_open(self) -> bool:
        """True if the run has not ended."""

    @property
    def name_suffix(self) -> str:
        """Suffix for the names of its choices; empty for the workflow under test."""

    def deliver(
        self,
        kind: str,
        job: WorkflowActivationJob | None = None,
        *,
        before: tuple[str, dict[str, Any]] | None = None,
        **fields: Any,
    ) -> None:
        """Add an event that no command caused, and schedule a workflow task."""

    def record(self, kind: str, metadata: Any = None, **fields: Any) -> int:
        """Add an event that a command caused, and return its number."""

    def drop_buffered(self, kind: str, timer: str) -> None:
        """Drop the buffered event of a timer that fired during the workflow task that cancels it."""

    def signal(self, name: str, input: list[Payload]) -> None:
        """Deliver a signal."""

    def request_cancel(self, reason: str = "") -> bool:
        """Request cancellation; return true if the run is open."""

    def close(self, status: str, kind: str, result: Any = None, /, **fields: Any) -> None:
        """End the run with an event."""

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Schedule a call that is skipped if the run has ended by then."""


class Server(Protocol):
    """The server, as seen by a run."""

    clock: Clock
    choices: Choices

    def activity(self, name: str) -> Activity:
        """Return the behavior of an activity. Raises Unsupported if it has none."""

    def record_call(self, name: str, input: Json, attempt: int, number: int, *, after_cancel: bool) -> Call:
        """Record an attempt of an activity."""

    def next_call_number(self, name: str) -> int:
        """Return the number of the next call of an activity, counted from 1."""

    def is_main(self, run: Run) -> bool:
        """Return true if the run belongs to the workflow under test."""

    def choose_task_delay(self, run: Run) -> int:
        """Choose the number of events that precede the next workflow task of a run."""

    def trace_event(self, run: Run, kind: str, fields: dict[str, Any]) -> None:
        """Add an event of a run to the trace."""

    def trace_label(self, label: str) -> None:
        """Add a label to the trace for something without an event: a failed attempt, a restart of the worker."""

    def current(self, workflow_id: str) -> Run | None:
        """Return the latest run of a workflow."""

    def find(self, workflow_id: str, run_id: str) -> Run | None:
        """Return a run of a workflow: the latest if `run_id` is empty."""

    def start_child(self, parent: Run, child: ChildWorkflow, event: int) -> Run:
        """Start a child workflow; `event` is the number of its initiated event in the parent's history."""

    def continue_as_new(self, run: Run, command: Any) -> None:
        """End a run and start its successor."""

    def on_close(self, run: Run) -> None:
        """Check a run that has ended."""
