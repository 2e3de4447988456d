"""Interfaces between the parts of the simulated server: the server as a run sees it, and a run as others see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from temporalio.api.common.v1 import Payload

from assay.lua.values import Json
from assay.simulation.agenda import Agenda, Due
from assay.simulation.attempts import Call
from assay.simulation.choices import Choices
from assay.simulation.plan import Activity
from assay.simulation.starts import Start
from assay.temporal.core.protos import WorkflowActivationJob


class Pending(Protocol):
    """An activity that a run has scheduled."""

    def request_cancel(self, requested: int) -> None:
        """Note a cancel request, the event `requested`."""

    def call_off(self) -> None:
        """Forget it: its run has ended."""


class Family(Protocol):
    """A child workflow as its parent's run knows it."""

    @property
    def command(self) -> Any:
        """The command that started it."""

    def follow(self, execution: Run) -> None:
        """Note the run that continues it."""

    def closed(self, execution: Run) -> None:
        """Pass its end on to the parent."""

    def parent_closed(self) -> None:
        """Do what its policy says about the end of the parent."""


class Run(Protocol):
    """One run, as its commands, its children and other runs see it."""

    world: Server
    start: Start
    status: str
    result: Any
    """The payload or the failure with which it ended."""
    timers: dict[int, tuple[int, Due]]
    """The timers that have been started: the number of their event, and when they are due."""
    activities: dict[int, Pending]
    scheduled: dict[int, int]
    """The number of the event of each activity, by its sequence number."""
    children: dict[int, Family]
    child_ids: dict[int, str]
    names: dict[int, str]
    """Names of what an event began, by the number of the event."""
    patches: list[str]
    """The patches that it has taken."""
    search_attributes: dict[str, Payload]
    completed_event: int
    """The number of the event of the task whose commands are applied."""
    count: int
    """The number of its workflow tasks so far."""
    knows_of_cancel: bool
    """True once a completed task has delivered a cancel request."""

    @property
    def is_open(self) -> bool:
        """True while it runs."""

    @property
    def title(self) -> str:
        """Its name in the names of choices: empty for the first workflow."""

    def happen(
        self,
        kind: str,
        job: WorkflowActivationJob | None = None,
        *,
        before: tuple[str, dict[str, Any]] | None = None,
        **fields: Any,
    ) -> None:
        """Add an event that comes from outside, and wake the run."""

    def record(self, kind: str, metadata: Any = None, **fields: Any) -> int:
        """Add an event that a command causes; returns its number."""

    def take_from_buffer(self, kind: str, timer: str) -> None:
        """Remove the event of a timer that has fired during the task that stops it."""

    def signal(self, name: str, input: list[Payload]) -> None:
        """Bring a signal."""

    def request_cancel(self, reason: str = "") -> bool:
        """Ask it to cancel; returns whether it runs."""

    def close(self, status: str, kind: str, outcome: Any = None, **fields: Any) -> None:
        """End the run with an event."""

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something later, if the run has not ended by then."""


class Server(Protocol):
    """The server, as a run sees it."""

    agenda: Agenda
    choices: Choices

    def activity(self, name: str) -> Activity:
        """Return how an activity behaves. Raises Unsupported."""

    def called(self, name: str, input: Json, attempt: int, number: int, *, after_cancel: bool) -> Call:
        """Note an attempt of an activity."""

    def number(self, name: str) -> int:
        """Return which call of an activity the next one is."""

    def is_first(self, run: Run) -> bool:
        """Return true for a run of the workflow that was started."""

    def waits(self, run: Run) -> int:
        """Return how many events come before the next task of a run is handed out."""

    def saw(self, run: Run, kind: str, fields: dict[str, Any]) -> None:
        """Note an event for the coverage of schedules."""

    def note(self, label: str) -> None:
        """Note what is in no history: an attempt that failed, a worker that restarted."""

    def current(self, workflow_id: str) -> Run | None:
        """Return the latest run of a workflow."""

    def find(self, workflow_id: str, run_id: str) -> Run | None:
        """Return a run of a workflow, the latest unless `run_id` names one."""

    def start_child(self, parent: Run, child: Family, event: int) -> Run:
        """Start a child workflow; `event` is that of its start in the parent's history."""

    def continue_as_new(self, run: Run, given: Any) -> None:
        """End a run, and start the next one."""

    def closed(self, run: Run) -> None:
        """Look at a run that has ended."""
