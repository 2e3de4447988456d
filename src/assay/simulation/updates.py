"""The updates of a run, from their admission to their answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from assay.simulation.clock import Clock
from assay.simulation.history import History
from assay.simulation.tasks import Task
from assay.temporal.core.protos import WorkflowActivationJob, WorkflowCommand


@dataclass
class Update:
    """An update that a client has sent.

    Attributes:
        id: Its id.
        name: Its name.
        job: The job that delivers it.
        state: "admitted", "accepted", "rejected", "completed", "failed", or "lost" if its workflow ended first.
        result: Its answer: a payload or a failure.
        accepted_event: Number of its accepted event.
    """

    id: str
    name: str
    job: WorkflowActivationJob
    state: str = "admitted"
    result: Any = None
    accepted_event: int = 0


class Updates:
    """The updates of a run. An update has no event before it is accepted."""

    def __init__(self, history: History, clock: Clock, trace: Callable[[str, dict[str, Any]], None]) -> None:
        """`trace` adds the kind and the fields of an event to the trace."""
        self._history = history
        self._clock = clock
        self._trace = trace
        self._by_id: dict[str, Update] = {}
        self.admitted: list[Update] = []
        """Updates that no workflow task has delivered."""

    def admit(self, update: Update) -> None:
        """Admit an update for the next workflow task."""
        self._by_id[update.id] = update
        self.admitted.append(update)

    def remove_delivered(self, task: Task) -> None:
        """Remove the updates that a task delivered; others may have arrived during the task."""
        delivered = {job.do_update.protocol_instance_id for job in task.jobs if job.HasField("do_update")}
        self.admitted = [update for update in self.admitted if update.id not in delivered]

    def unanswered(self) -> list[Update]:
        """Return the updates that wait for a workflow task."""
        return [update for update in self.admitted if update.state == "admitted"]

    def answer_all(self, task: Task) -> None:
        """Apply the answers of a task that leaves no events."""
        for command in task.commands:
            if command.HasField("update_response"):
                self.answer(command, 0)

    def answer(self, command: WorkflowCommand, started: int) -> None:
        """Apply an answer; `started` is the number of the started event of its workflow task."""
        response = command.update_response
        update = self._by_id[response.protocol_instance_id]
        meta = {"update_id": update.id, "identity": ""}
        if response.HasField("accepted"):
            update.state = "accepted"
            request = {"meta": meta, "input": {"name": update.name, "args": {"payloads": update.job.do_update.input}}}
            update.accepted_event = self._history.add(
                "workflow_execution_update_accepted",
                self._clock.now,
                protocol_instance_id=update.id,
                accepted_request_message_id=f"{update.id}/request",
                accepted_request_sequencing_event_id=started - 1,
                accepted_request=request,
            )
            self._trace("workflow_execution_update_accepted", {"name": update.name})
            return
        was_accepted = update.state == "accepted"
        outcome: dict[str, Any] = {}
        if response.HasField("completed"):
            update.state, update.result = "completed", response.completed
            outcome["success"] = {"payloads": [response.completed]}
        else:
            update.state, update.result = "failed" if was_accepted else "rejected", response.rejected
            outcome["failure"] = response.rejected
        if was_accepted:
            self._history.add(
                "workflow_execution_update_completed",
                self._clock.now,
                meta=meta,
                accepted_event_id=update.accepted_event,
                outcome=outcome,
            )

    def on_close(self, *, has_next_run: bool) -> None:
        """Mark unanswered updates as lost; those that are only admitted pass to the next run, if there is one."""
        for update in self._by_id.values():
            if update.state == "accepted" or (update.state == "admitted" and not has_next_run):
                update.state = "lost"
