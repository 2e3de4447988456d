"""The server's side of one run: its history, workflow tasks and pending steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import WorkflowTaskFailedCause

from assay.simulation import commands, jobs
from assay.simulation.clock import SECOND, Timer
from assay.simulation.core import CORE_FLAGS, Core
from assay.simulation.history import History
from assay.simulation.server import ChildWorkflow, PendingActivity, Server
from assay.simulation.starts import Start
from assay.simulation.tasks import LocalResult, Task
from assay.simulation.updates import Update, Updates
from assay.temporal.core.protos import WorkflowActivationJob

_LAST = frozenset(
    {
        *("activity_task_completed", "activity_task_failed", "activity_task_timed_out", "activity_task_canceled"),
        *("child_workflow_execution_completed", "child_workflow_execution_failed"),
        *("child_workflow_execution_canceled", "child_workflow_execution_timed_out"),
        "child_workflow_execution_terminated",
    }
)
"""Events that the server adds after all others that arrived during a workflow task."""

TASK_TIMEOUT = 10.0
"""Workflow task timeout, in seconds: the task of a dead worker is dispatched again after it."""


@dataclass
class _Event:
    """An event that no command caused, with the job that delivers it to the run."""

    kind: str
    job: WorkflowActivationJob | None
    before: tuple[str, dict[str, Any]] | None
    fields: dict[str, Any]
    at: int


class Execution:
    """A run, as the server sees it."""

    def __init__(self, world: Server, start: Start, core: Core, *, parent: ChildWorkflow | None = None) -> None:
        self.world = world
        self.start = start
        self.core = core
        self.parent = parent
        self.history = History()
        self.tasks: list[Task] = []
        """Completed workflow tasks that left events in the history."""
        self.status = "running"
        self.result: Any = None
        """The payload or failure with which it ended."""
        self.timers: dict[int, tuple[int, Timer]] = {}
        self.activities: dict[int, PendingActivity] = {}
        self.activity_events: dict[int, int] = {}
        """Number of the scheduled event of each activity, by sequence number."""
        self.children: dict[int, ChildWorkflow] = {}
        self.child_ids: dict[int, str] = {}
        self.step_names: dict[int, str] = {}
        """Names of the steps, by the number of the event that started them."""
        self.patches: list[str] = []
        self.search_attributes = dict(start.search_attributes)
        self.task: Task | None = None
        """The workflow task that the worker has."""
        self.is_cancel_requested = False
        self.has_seen_cancel = False
        """True once a completed workflow task has delivered the cancellation request."""
        self.task_delay = 0
        """Number of events that precede the dispatch of the scheduled workflow task."""
        self.task_count = 0
        self.completed_event = 0
        """Number of the completed event of the workflow task whose commands are being applied."""
        self._updates = Updates(self.history, world.clock, lambda kind, fields: world.trace_event(self, kind, fields))
        self._scheduled: int | None = None
        """Time at which a workflow task was scheduled; None if none is."""
        self._scheduled_event = 0
        self._jobs: list[WorkflowActivationJob] = []
        self._buffer: list[_Event] = []
        self._timeout: Timer | None = None
        self.history.add("workflow_execution_started", world.clock.now, **start.event())
        self._jobs.append(start.job(world.clock.now))
        self._schedule_task()
        seconds = start.run_timeout
        if start.expires:
            remaining = (start.expires - world.clock.now) / SECOND
            seconds = min(seconds, remaining) if seconds else remaining
        if seconds:
            self._timeout = world.clock.call_later(
                seconds, lambda: self.close("timed out", "workflow_execution_timed_out")
            )

    @property
    def is_open(self) -> bool:
        """True if the run has not ended."""
        return self.status == "running"

    @property
    def name_suffix(self) -> str:
        """Suffix for the names of its choices; empty for the workflow under test."""
        return "" if self.world.is_main(self) else f" of {self.start.workflow_id}"

    # Events -------------------------------------------------------------------------------------------------

    def deliver(
        self,
        kind: str,
        job: WorkflowActivationJob | None = None,
        *,
        before: tuple[str, dict[str, Any]] | None = None,
        **fields: Any,
    ) -> None:
        """Add an event that no command caused, and schedule a workflow task. Buffer it while a worker has a task.

        `before` is the kind and the fields of a started event, which is added first and which the event refers to.
        """
        if not self.is_open:
            return
        event = _Event(kind, job, before, fields, self.world.clock.now)
        self.world.trace_event(self, kind, fields)
        if self.task is not None:
            self._buffer.append(event)
        else:
            self._write_scheduled()
            self._write(event)
            self._schedule_task()

    def _write(self, event: _Event) -> None:
        if event.before is not None:
            kind, fields = event.before
            event.fields["started_event_id"] = self.history.add(kind, event.at, **fields)
        self.history.add(event.kind, event.at, **event.fields)
        if event.job is not None:
            self._jobs.append(event.job)

    def record(self, kind: str, metadata: Any = None, **fields: Any) -> int:
        """Add an event that a command caused, and return its number."""
        fields["workflow_task_completed_event_id"] = self.completed_event
        return self.history.add(kind, self.world.clock.now, metadata, **fields)

    def drop_buffered(self, kind: str, timer: str) -> None:
        """Drop the buffered event of a timer that fired during the workflow task that cancels it."""
        self._buffer = [event for event in self._buffer if event.kind != kind or event.fields["timer_id"] != timer]

    def _flush(self) -> None:
        """Add the events that arrived during a workflow task, and schedule the next task if there is a reason."""
        if not self._buffer:
            if self._updates.admitted:
                self._schedule_task()
            return
        events, self._buffer = sorted(self._buffer, key=lambda event: event.kind in _LAST), []
        for event in events:
            self._write(event)
        if self.is_open:
            self._schedule_task()

    # Messages -----------------------------------------------------------------------------------------------

    def signal(self, name: str, input: Any) -> None:
        """Deliver a signal."""
        self.deliver(
            "workflow_execution_signaled",
            jobs.signal(name, input),
            signal_name=name,
            input=Payloads(payloads=input),
        )

    def request_cancel(self, reason: str = "") -> bool:
        """Request cancellation; return true if the run is open."""
        if self.is_open and not self.is_cancel_requested:
            self.is_cancel_requested = True
            self.deliver("workflow_execution_cancel_requested", jobs.cancel(reason), cause=reason)
        return self.is_open

    def admit(self, update: Update) -> None:
        """Admit an update for the next workflow task."""
        self._updates.admit(update)
        self._schedule_task()

    # Tasks --------------------------------------------------------------------------------------------------

    @property
    def has_task(self) -> bool:
        """True if a workflow task waits for the worker."""
        return self.is_open and self._scheduled is not None and self.task is None

    def _schedule_task(self) -> None:
        if self._scheduled is None and self.is_open:
            self._scheduled = self.world.clock.now
            self._scheduled_event = 0
            self.task_delay = self.world.choose_task_delay(self)
            if self._jobs:
                self._write_scheduled()

    def _write_scheduled(self) -> None:
        """Add the scheduled event of the workflow task. A task that only delivers updates does not need one yet."""
        if self._scheduled is not None and not self._scheduled_event and self.task is None:
            self._scheduled_event = self.history.add(
                "workflow_task_scheduled", self._scheduled, task_queue={"name": self.start.task_queue}, attempt=1
            )

    def begin_task(self) -> Task:
        """Give the scheduled workflow task to the worker."""
        self.task_count += 1
        delivered = self._jobs + [update.job for update in self._updates.admitted]
        self.task = Task(self.task_count, self.world.clock.now, delivered, len(self.history) + 1)
        return self.task

    def _write_task(self, task: Task) -> int:
        """Add the events of a workflow task up to its start, and return the number of the started event."""
        if not self._scheduled_event:
            assert self._scheduled is not None
            self._scheduled_event = self.history.add(
                "workflow_task_scheduled", self._scheduled, task_queue={"name": self.start.task_queue}, attempt=1
            )
        return self.history.add("workflow_task_started", task.at, scheduled_event_id=self._scheduled_event)

    def lose_task(self) -> None:
        """Time out the workflow task of a worker that died, and schedule it again."""
        task = self.task
        assert task is not None
        if not self.is_open:
            self._end_task()
            return
        if self._jobs:
            started = self._write_task(task)
            self.history.add(
                "workflow_task_timed_out",
                self.world.clock.now,
                scheduled_event_id=self._scheduled_event,
                started_event_id=started,
                timeout_type=1,
            )
        self._end_task()
        self._flush()
        self._schedule_task()

    def _end_task(self) -> None:
        self.task, self._scheduled, self._scheduled_event = None, None, 0

    def complete_task(self) -> None:
        """Apply the worker's completion of the workflow task."""
        task = self.task
        assert task is not None
        if not self.is_open:  # it was terminated or timed out during the task
            self.core.evict()
            self._end_task()
            return
        if task.closing is not None and self._buffer:
            self._fail_task(task)
            return
        if task.leaves_no_events and not self._scheduled_event:
            self._updates.answer_all(task)
            self._updates.remove_delivered(task)
            self._end_task()
            self._flush()
            return
        started = self._write_task(task)
        self.completed_event = self.history.add(
            "workflow_task_completed",
            self.world.clock.now,
            scheduled_event_id=self._scheduled_event,
            started_event_id=started,
            sdk_metadata={} if self.tasks else {"lang_used_flags": self.core.flags, "core_used_flags": CORE_FLAGS},
        )
        self._jobs = []
        self._updates.remove_delivered(task)
        self.has_seen_cancel = self.has_seen_cancel or any(job.HasField("cancel_workflow") for job in task.jobs)
        if not task.leaves_no_events:
            self.tasks.append(task)
        for command in task.sent:
            if isinstance(command, LocalResult):
                commands.record_local(self, command)
            elif command.HasField("update_response"):
                self._updates.answer(command, started)
            else:
                commands.apply(self, command)
        self._end_task()
        self._flush()

    def _fail_task(self, task: Task) -> None:
        """Fail a workflow task that ends the run although events arrived during it; the next task delivers them."""
        started = self._write_task(task)
        self.history.add(
            "workflow_task_failed",
            self.world.clock.now,
            scheduled_event_id=self._scheduled_event,
            started_event_id=started,
            cause=WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
            failure={"message": "UnhandledCommand", "source": "Server", "server_failure_info": {}},
        )
        self.core.evict()
        self._end_task()
        self._flush()

    # Completion ---------------------------------------------------------------------------------------------

    def close(self, status: str, kind: str, result: Any = None, /, **fields: Any) -> None:
        """End the run with an event."""
        if not self.is_open:
            return
        self.history.add(kind, self.world.clock.now, **fields)
        self.status, self.result = status, result
        has_next_run = status == "continued as new"
        for _, timer in self.timers.values():
            timer.cancel()
        for activity in tuple(self.activities.values()):
            activity.discard()
        if self._timeout is not None:
            self._timeout.cancel()
        self._updates.on_close(has_next_run=has_next_run)
        self.world.on_close(self)
        for child in self.children.values():
            child.on_parent_close()
        if self.parent is not None and not has_next_run:
            self.parent.on_close(self)

    def unanswered_updates(self) -> list[Update]:
        """Return the updates that wait for a workflow task."""
        return self._updates.unanswered()

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Schedule a call that is skipped if the run has ended by then."""
        self.world.clock.call_later(seconds, lambda: action() if self.is_open else None)
