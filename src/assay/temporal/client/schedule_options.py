"""The option tables of schedules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from assay.errors import BuiltinError
from assay.lua.values import Name, Seconds, Value
from assay.temporal.client.schedule_spec import SpecOptions
from assay.temporal.client.session import CallOptions
from assay.temporal.client.start import WorkflowOptions

Overlap = Literal["skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other", "allow_all"]


@dataclass(kw_only=True)
class ActionOptions(WorkflowOptions):
    """The workflow that a schedule starts.

    Attributes:
        workflow_id: Its id, the schedule's when left out; the server appends the time.
    """


@dataclass(kw_only=True)
class ScheduleTarget(CallOptions):
    """Which schedule.

    Attributes:
        id: The schedule.
    """

    id: Name


@dataclass(kw_only=True)
class NoteOptions(ScheduleTarget):
    """Which schedule, and why.

    Attributes:
        note: Why.
    """

    note: str | None = None


@dataclass(kw_only=True)
class TriggerOptions(ScheduleTarget):
    """Which schedule is to act now.

    Attributes:
        overlap: What happens when its workflow is running; by the schedule's own policy when left out.
    """

    overlap: Overlap | None = None


@dataclass(kw_only=True)
class Period:
    """The time that a schedule makes up for.

    Attributes:
        start_at: Its beginning: seconds since 1970-01-01 UTC, or ISO 8601 text with a zone.
        end_at: Its end.
        overlap: What happens when its workflow is running; by the schedule's own policy when left out.
    """

    start_at: float | str
    end_at: float | str
    overlap: Overlap | None = None


@dataclass(kw_only=True)
class BackfillOptions(Period, ScheduleTarget):
    """Which schedule, and the time that it makes up for."""


@dataclass(kw_only=True)
class UpdateScheduleOptions(ScheduleTarget):
    """What to change in a schedule; what is left out stays as it is.

    Attributes:
        spec: When it acts.
        action: The workflow that it starts.
        overlap: What happens when the workflow of the time before is still running: nothing ("skip"), the next waits
            ("buffer_one", "buffer_all"), the running one is ended ("cancel_other", "terminate_other"), both run
            ("allow_all").
        catchup_window: Seconds that it may be late after the server was down; a year when left out.
        pause_on_failure: Pause it when a workflow fails or times out.
        paused: Whether it is paused.
        note: A text for people.
        limited_actions: How often it still acts; 0 for no limit.
        search_attributes: Values by name that queries for schedules can search.
    """

    spec: SpecOptions | None = None
    action: ActionOptions | None = None
    overlap: Overlap | None = None
    catchup_window: Seconds | None = None
    pause_on_failure: bool | None = None
    paused: bool | None = None
    note: str | None = None
    limited_actions: int | None = None
    search_attributes: dict[str, Value] | None = None

    def __post_init__(self) -> None:
        if self.limited_actions is not None and self.limited_actions < 0:
            got = self.limited_actions
            raise BuiltinError(f"bad option 'limited_actions' (a whole number from 0 up expected, got {got})")


@dataclass(kw_only=True)
class CreateScheduleOptions(UpdateScheduleOptions):
    """A new schedule.

    Attributes:
        overlap: What happens when the workflow of the time before is still running: nothing ("skip", the default), the
            next waits ("buffer_one", "buffer_all"), the running one is ended ("cancel_other", "terminate_other"), both
            run ("allow_all").
        trigger_immediately: Act once now.
        backfill: Times in the past for which it acts now.
        memo: Values by name that lists and descriptions show.
    """

    spec: SpecOptions = field()  # which, unlike a mere annotation, has no default from the class above
    action: ActionOptions = field()
    trigger_immediately: bool = False
    backfill: list[Period] | None = None
    memo: dict[str, Value] | None = None
