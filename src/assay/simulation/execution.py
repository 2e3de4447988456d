"""The server's side of one run: its history, its workflow tasks, and what it has pending."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import WorkflowTaskFailedCause

from assay.simulation import commands, jobs
from assay.simulation.agenda import SECOND, Due
from assay.simulation.core import CORE_FLAGS, Core
from assay.simulation.history import History
from assay.simulation.server import Family, Pending, Server
from assay.simulation.starts import Start
from assay.simulation.tasks import LocalEnd, Task
from assay.temporal.core.protos import WorkflowActivationJob, WorkflowCommand

_AT_THE_END = frozenset(
    {
        *("activity_task_completed", "activity_task_failed", "activity_task_timed_out", "activity_task_canceled"),
        *("child_workflow_execution_completed", "child_workflow_execution_failed"),
        *("child_workflow_execution_canceled", "child_workflow_execution_timed_out"),
        "child_workflow_execution_terminated",
    }
)
"""Events that the server moves to the end of those that arrived during a workflow task."""

TASK_TIMEOUT = 10.0
"""Seconds after which a workflow task whose worker has died is handed out again."""


@dataclass
class _Event:
    kind: str
    job: WorkflowActivationJob | None
    before: tuple[str, dict[str, Any]] | None
    fields: dict[str, Any]
    at: int


@dataclass
class Update:
    """An update that a client has sent.

    Attributes:
        id: Its id.
        name: Its name.
        job: What brings it.
        state: "admitted", "accepted", "rejected", "completed", "failed", or "lost" when its workflow ended first.
        outcome: Its answer: a payload or a failure.
        accepted_event: The number of its event.
    """

    id: str
    name: str
    job: WorkflowActivationJob
    state: str = "admitted"
    outcome: Any = None
    accepted_event: int = 0


class Execution:
    """One run."""

    def __init__(self, world: Server, start: Start, core: Core, *, parent: Family | None = None) -> None:
        self.world = world
        self.start = start
        self.core = core
        self.parent = parent
        self.history = History()
        self.tasks: list[Task] = []
        """Those that have been completed and left a trace."""
        self.status = "running"
        self.result: Any = None
        """The payload or the failure with which it ended."""
        self.next: Execution | None = None
        """The run that continues it."""
        self.began = world.agenda.now
        self.timers: dict[int, tuple[int, Due]] = {}
        self.activities: dict[int, Pending] = {}
        self.scheduled: dict[int, int] = {}
        """The number of the event of each activity, by its sequence number."""
        self.children: dict[int, Family] = {}
        self.child_ids: dict[int, str] = {}
        self.names: dict[int, str] = {}
        """Names of what an event began, by the number of the event."""
        self.patches: list[str] = []
        self.search_attributes = dict(start.search_attributes)
        self.updates: dict[str, Update] = {}
        self.task: Task | None = None
        """The task that a worker has."""
        self.is_cancel_requested = False
        self.knows_of_cancel = False
        """True once a completed task has delivered the cancel request."""
        self.waits_for_task = 0
        """The number of events that pass before the scheduled task is handed out."""
        self.count = 0
        self.completed_event = 0
        """The number of the event of the task whose commands are applied."""
        self._scheduled: int | None = None
        """When a task was scheduled; None when none is."""
        self._scheduled_event = 0
        self._jobs: list[WorkflowActivationJob] = []
        self._admitted: list[Update] = []
        self._buffer: list[_Event] = []
        self._limit: Due | None = None
        self.history.add("workflow_execution_started", world.agenda.now, **start.event())
        self._jobs.append(start.job(world.agenda.now))
        self._schedule_task()
        seconds = start.run_timeout
        if start.expires:
            left = (start.expires - world.agenda.now) / SECOND
            seconds = min(seconds, left) if seconds else left
        if seconds:
            self._limit = world.agenda.add(seconds, lambda: self.close("timed out", "workflow_execution_timed_out"))

    @property
    def is_open(self) -> bool:
        """True while it runs."""
        return self.status == "running"

    @property
    def title(self) -> str:
        """Its name in the names of choices: empty for the first workflow."""
        return "" if self.world.is_first(self) else f" of {self.start.workflow_id}"

    # Events -------------------------------------------------------------------------------------------------

    def happen(
        self,
        kind: str,
        job: WorkflowActivationJob | None = None,
        *,
        before: tuple[str, dict[str, Any]] | None = None,
        **fields: Any,
    ) -> None:
        """Add an event that comes from outside, and wake the run; during a task it waits for the task's end.

        `before` is an event that comes with it, whose number it refers to.
        """
        if not self.is_open:
            return
        event = _Event(kind, job, before, fields, self.world.agenda.now)
        self.world.saw(self, kind, fields)
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
        """Add an event that a command causes; returns its number."""
        fields["workflow_task_completed_event_id"] = self.completed_event
        return self.history.add(kind, self.world.agenda.now, metadata, **fields)

    def take_from_buffer(self, kind: str, timer: str) -> None:
        """Remove the event of a timer that has fired during the task that stops it."""
        self._buffer = [event for event in self._buffer if event.kind != kind or event.fields["timer_id"] != timer]

    def _flush(self) -> None:
        """Write what has come while a worker had a task, and schedule the next task if there is something for it."""
        if not self._buffer:
            if self._admitted:
                self._schedule_task()
            return
        events, self._buffer = sorted(self._buffer, key=lambda event: event.kind in _AT_THE_END), []
        for event in events:
            self._write(event)
        if self.is_open:
            self._schedule_task()

    # Messages -----------------------------------------------------------------------------------------------

    def signal(self, name: str, input: Any) -> None:
        """Bring a signal."""
        self.happen(
            "workflow_execution_signaled",
            jobs.signal(name, input),
            signal_name=name,
            input=Payloads(payloads=input),
        )

    def request_cancel(self, reason: str = "") -> bool:
        """Ask it to cancel; returns whether it runs."""
        if self.is_open and not self.is_cancel_requested:
            self.is_cancel_requested = True
            self.happen("workflow_execution_cancel_requested", jobs.cancel(reason), cause=reason)
        return self.is_open

    def admit(self, update: Update) -> None:
        """Take an update, which is in no history before it is accepted."""
        self.updates[update.id] = update
        self._admitted.append(update)
        self._schedule_task()

    # Tasks --------------------------------------------------------------------------------------------------

    @property
    def has_task(self) -> bool:
        """True if a task waits for a worker."""
        return self.is_open and self._scheduled is not None and self.task is None

    def _schedule_task(self) -> None:
        if self._scheduled is None and self.is_open:
            self._scheduled = self.world.agenda.now
            self._scheduled_event = 0
            self.waits_for_task = self.world.waits(self)
            if self._jobs:
                self._write_scheduled()

    def _write_scheduled(self) -> None:
        """Write the event of the task that is scheduled; one for updates only has none as long as that is all."""
        if self._scheduled is not None and not self._scheduled_event and self.task is None:
            self._scheduled_event = self.history.add(
                "workflow_task_scheduled", self._scheduled, task_queue={"name": self.start.task_queue}, attempt=1
            )

    def begin_task(self) -> Task:
        """Hand the task that is scheduled to a worker."""
        self.count += 1
        brought = self._jobs + [update.job for update in self._admitted]
        self.task = Task(self.count, self.world.agenda.now, brought, len(self.history) + 1)
        return self.task

    def _write_task(self, task: Task) -> int:
        """Write the events of a task up to its start; returns the number of that."""
        if not self._scheduled_event:
            assert self._scheduled is not None
            self._scheduled_event = self.history.add(
                "workflow_task_scheduled", self._scheduled, task_queue={"name": self.start.task_queue}, attempt=1
            )
        return self.history.add("workflow_task_started", task.at, scheduled_event_id=self._scheduled_event)

    def lose_task(self) -> None:
        """Lose the task that a worker has, with the worker: it is handed out again after its time limit."""
        task = self.task
        assert task is not None
        if not self.is_open:
            self._end_task()
            return
        if self._jobs:
            started = self._write_task(task)
            self.history.add(
                "workflow_task_timed_out",
                self.world.agenda.now,
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
        """Apply what the worker answered."""
        task = self.task
        assert task is not None
        if not self.is_open:  # it was terminated, or its time was over, while the worker had the task
            self.core.evict()
            self._end_task()
            return
        if task.closing is not None and self._buffer:
            self._refuse(task)
            return
        if task.is_traceless and not self._scheduled_event:
            self._answer_updates(task)
            self._forget_admitted(task)
            self._end_task()
            self._flush()
            return
        started = self._write_task(task)
        self.completed_event = self.history.add(
            "workflow_task_completed",
            self.world.agenda.now,
            scheduled_event_id=self._scheduled_event,
            started_event_id=started,
            sdk_metadata={} if self.tasks else {"lang_used_flags": self.core.flags, "core_used_flags": CORE_FLAGS},
        )
        self._jobs = []
        self._forget_admitted(task)
        self.knows_of_cancel = self.knows_of_cancel or any(job.HasField("cancel_workflow") for job in task.jobs)
        if not task.is_traceless:
            self.tasks.append(task)
        for command in task.sent:
            if isinstance(command, LocalEnd):
                commands.record_local(self, command)
            else:
                self._apply(command, started)
        self._end_task()
        self._flush()

    def _forget_admitted(self, task: Task) -> None:
        """Forget the updates that a task has brought; others may have come while the worker had it."""
        brought = {job.do_update.protocol_instance_id for job in task.jobs if job.HasField("do_update")}
        self._admitted = [update for update in self._admitted if update.id not in brought]

    def _refuse(self, task: Task) -> None:
        """Refuse a task that ends the run although something has come meanwhile: it comes again with that."""
        started = self._write_task(task)
        self.history.add(
            "workflow_task_failed",
            self.world.agenda.now,
            scheduled_event_id=self._scheduled_event,
            started_event_id=started,
            cause=WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
            failure={"message": "UnhandledCommand", "source": "Server", "server_failure_info": {}},
        )
        self.core.evict()
        self._end_task()
        self._flush()

    def _apply(self, command: WorkflowCommand, started: int) -> None:
        kind = jobs.variant(command)
        if kind == "update_response":
            self._answer_update(command, started)
            return
        commands.apply(self, kind, command)

    def _answer_updates(self, task: Task) -> None:
        for command in task.commands:
            if command.HasField("update_response"):
                self._answer_update(command, 0)

    def _answer_update(self, command: WorkflowCommand, started: int) -> None:
        response = command.update_response
        update = self.updates[response.protocol_instance_id]
        now = self.world.agenda.now
        meta = {"update_id": update.id, "identity": ""}
        if response.HasField("accepted"):
            update.state = "accepted"
            request = {"meta": meta, "input": {"name": update.name, "args": {"payloads": update.job.do_update.input}}}
            update.accepted_event = self.history.add(
                "workflow_execution_update_accepted",
                now,
                protocol_instance_id=update.id,
                accepted_request_message_id=f"{update.id}/request",
                accepted_request_sequencing_event_id=started - 1,
                accepted_request=request,
            )
            self.world.saw(self, "workflow_execution_update_accepted", {"name": update.name})
            return
        is_answer = update.state == "accepted"
        outcome: dict[str, Any] = {}
        if response.HasField("completed"):
            update.state, update.outcome = "completed", response.completed
            outcome["success"] = {"payloads": [response.completed]}
        else:
            update.state, update.outcome = "failed" if is_answer else "rejected", response.rejected
            outcome["failure"] = response.rejected
        if is_answer:
            self.history.add(
                "workflow_execution_update_completed",
                now,
                meta=meta,
                accepted_event_id=update.accepted_event,
                outcome=outcome,
            )

    # The end ------------------------------------------------------------------------------------------------

    def close(self, status: str, kind: str, outcome: Any = None, **fields: Any) -> None:
        """End the run with an event."""
        if not self.is_open:
            return
        self.history.add(kind, self.world.agenda.now, **fields)
        self.status, self.result = status, outcome
        for _, due in self.timers.values():
            due.call_off()
        for activity in tuple(self.activities.values()):
            activity.call_off()
        if self._limit is not None:
            self._limit.call_off()
        for update in self.updates.values():
            if update.state in ("admitted", "accepted") and not (
                update.state == "admitted" and status == "continued as new"
            ):
                update.state = "lost"
        self.world.closed(self)
        for child in self.children.values():
            child.parent_closed()
        if self.parent is not None and status != "continued as new":
            self.parent.closed(self)

    def unanswered(self) -> list[Update]:
        """Return the updates that wait for a task."""
        return [update for update in self._admitted if update.state == "admitted"]

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something later, if the run has not ended by then."""
        self.world.agenda.add(seconds, lambda: action() if self.is_open else None)
