"""Option tables of the methods of `client.schedules`."""

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
        workflow_id: Workflow id; the schedule's id if omitted. The server appends the time.
    """


@dataclass(kw_only=True)
class ScheduleTarget(CallOptions):
    """A schedule.

    Attributes:
        id: Schedule id.
    """

    id: Name


@dataclass(kw_only=True)
class NoteOptions(ScheduleTarget):
    """Options of `client.schedules:pause` and `client.schedules:unpause`.

    Attributes:
        note: Note to store with the schedule.
    """

    note: str | None = None


@dataclass(kw_only=True)
class TriggerOptions(ScheduleTarget):
    """Options of `client.schedules:trigger`.

    Attributes:
        overlap: Overlap policy of this action; the schedule's if omitted.
    """

    overlap: Overlap | None = None


@dataclass(kw_only=True)
class Period:
    """A period to backfill.

    Attributes:
        start_at: Start of the period: seconds since 1970-01-01 UTC, or an ISO 8601 string with a time zone.
        end_at: End of the period, in the same forms.
        overlap: Overlap policy of the backfill; the schedule's if omitted.
    """

    start_at: float | str
    end_at: float | str
    overlap: Overlap | None = None


@dataclass(kw_only=True)
class BackfillOptions(Period, ScheduleTarget):
    """Options of `client.schedules:backfill`."""


@dataclass(kw_only=True)
class UpdateScheduleOptions(ScheduleTarget):
    """Changes to a schedule; omitted options keep their values.

    Attributes:
        spec: Times of the actions.
        action: Workflow to start.
        overlap: Policy when the workflow of the previous action is still running: skip the action ("skip"), start it
            later ("buffer_one", "buffer_all"), end the running workflow ("cancel_other", "terminate_other"), or run
            both ("allow_all").
        catchup_window: Maximum delay of an action after a server outage, in seconds.
        pause_on_failure: Pause the schedule when a workflow fails or times out.
        paused: Pause or unpause the schedule.
        note: Free-form note.
        limited_actions: Number of remaining actions; 0 for no limit.
        search_attributes: Indexed values of the schedule by name.
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
            raise BuiltinError(f"bad option 'limited_actions' (non-negative integer expected, got {got})")


@dataclass(kw_only=True)
class CreateScheduleOptions(UpdateScheduleOptions):
    """A new schedule.

    Attributes:
        overlap: Policy when the workflow of the previous action is still running: skip the action ("skip", the
            default), start it later ("buffer_one", "buffer_all"), end the running workflow ("cancel_other",
            "terminate_other"), or run both ("allow_all").
        catchup_window: Maximum delay of an action after a server outage, in seconds; a year if omitted.
        trigger_immediately: Trigger one action on creation.
        backfill: Past periods to backfill on creation.
        memo: Non-indexed values of the schedule by name.
    """

    spec: SpecOptions = field()  # `field()` discards the inherited default and makes it required
    action: ActionOptions = field()
    trigger_immediately: bool = False
    backfill: list[Period] | None = None
    memo: dict[str, Value] | None = None
