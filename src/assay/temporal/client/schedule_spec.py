"""Times of a schedule: the option table, and conversion to and from the SDK's `ScheduleSpec`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.errors import BuiltinError
from assay.lua.values import Seconds
from assay.temporal.data import times
from assay.temporal.data.options import seconds
from assay.temporal.data.times import timestamp

if TYPE_CHECKING:
    from temporalio.client import ScheduleCalendarSpec, ScheduleIntervalSpec, ScheduleRange, ScheduleSpec

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LIMITS = {
    "second": (0, 59),
    "minute": (0, 59),
    "hour": (0, 23),
    "day_of_month": (1, 31),
    "month": (1, 12),
    "year": (2000, 2100),
    "day_of_week": (0, 6),
}
"""Minimum and maximum of each field of a calendar."""
_NAMES = {
    "month": {name: number for number, name in enumerate(_MONTHS, 1)},
    "day_of_week": {name: number for number, name in enumerate(_DAYS)},
}
_RANGE = re.compile(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?")

Field = int | str | list[int | str]
"""A number, a string like "9-17/2", "1,15" or "mon-fri", or an array of them."""


@dataclass(kw_only=True)
class CalendarOptions:
    """Calendar times: those that match every field.

    A field is a number, a string such as `"9-17"`, `"*/15"`, `"1,15"` or `"mon-fri"`, or an array of these.

    Attributes:
        second: 0 to 59.
        minute: 0 to 59.
        hour: 0 to 23.
        day_of_month: 1 to 31; every day if omitted.
        month: 1 to 12, or "jan" to "dec"; every month if omitted.
        year: The year; every year if omitted.
        day_of_week: 0 to 6, or "sun" to "sat"; every day if omitted.
        comment: Free-form comment.
    """

    second: Field = 0
    minute: Field = 0
    hour: Field = 0
    day_of_month: Field = "*"
    month: Field = "*"
    year: Field = "*"
    day_of_week: Field = "*"
    comment: str | None = None


@dataclass(kw_only=True)
class IntervalOptions:
    """Times at a fixed interval, counted from 1970-01-01 UTC.

    Attributes:
        every: Length of the interval, in seconds.
        offset: Offset of all times, in seconds.
    """

    every: Seconds
    offset: Seconds | None = None

    def __post_init__(self) -> None:
        if self.every < 1:
            raise BuiltinError(f"bad option 'every' (at least 1 second expected, got {self.every:g})")


@dataclass(kw_only=True)
class SpecOptions:
    """Times of a schedule's actions, the union of all given. A schedule without any acts only when triggered.

    Attributes:
        cron: Cron expression, or an array of them. The server stores them as calendars.
        intervals: Intervals, in seconds, or tables with an offset.
        calendars: Calendar times.
        skip: Calendar times to exclude.
        timezone: Time zone of cron expressions and calendars, such as "Europe/Berlin"; UTC if omitted.
        start_at: Earliest time: seconds since 1970-01-01 UTC, or an ISO 8601 string with a time zone.
        end_at: Latest time, in the same forms.
        jitter: Maximum random delay of each action, in seconds.
    """

    cron: str | list[str] | None = None
    intervals: list[Seconds | IntervalOptions] | None = None
    calendars: list[CalendarOptions] | None = None
    skip: list[CalendarOptions] | None = None
    timezone: str | None = None
    start_at: float | str | None = None
    end_at: float | str | None = None
    jitter: Seconds | None = None


def to_sdk(spec: SpecOptions) -> ScheduleSpec:
    """Convert the options to the SDK's form. Raises BuiltinError for an invalid time."""
    from temporalio.client import ScheduleSpec

    cron = [spec.cron] if isinstance(spec.cron, str) else spec.cron or []
    return ScheduleSpec(
        cron_expressions=cron,
        intervals=[_interval(item) for item in spec.intervals or ()],
        calendars=[_calendar(item, f"spec.calendars.{index}") for index, item in enumerate(spec.calendars or (), 1)],
        skip=[_calendar(item, f"spec.skip.{index}") for index, item in enumerate(spec.skip or (), 1)],
        time_zone_name=spec.timezone,
        start_at=None if spec.start_at is None else times.option(spec.start_at, "spec.start_at"),
        end_at=None if spec.end_at is None else times.option(spec.end_at, "spec.end_at"),
        jitter=seconds(spec.jitter),
    )


def _interval(item: float | IntervalOptions) -> ScheduleIntervalSpec:
    from temporalio.client import ScheduleIntervalSpec

    options = item if isinstance(item, IntervalOptions) else IntervalOptions(every=Seconds(item))
    every = seconds(options.every)
    assert every is not None
    return ScheduleIntervalSpec(every=every, offset=seconds(options.offset))


def _calendar(calendar: CalendarOptions, option: str) -> ScheduleCalendarSpec:
    from temporalio.client import ScheduleCalendarSpec

    ranges = {name: _ranges(getattr(calendar, name), name, f"{option}.{name}") for name in _LIMITS}
    if calendar.year == "*":
        ranges["year"] = []
    return ScheduleCalendarSpec(**ranges, comment=calendar.comment)


def _ranges(value: Field, name: str, option: str) -> list[ScheduleRange]:
    items = value if isinstance(value, list) else [value]
    return [_range(text.strip(), name, option) for item in items for text in str(item).split(",")]


def _range(text: str, name: str, option: str) -> ScheduleRange:
    from temporalio.client import ScheduleRange

    minimum, maximum = _LIMITS[name]

    def number(word: str) -> int:
        value = _NAMES.get(name, {}).get(word[:3].lower(), None) if word.isalpha() else int(word)
        if value is None or not minimum <= value <= maximum:
            raise ValueError
        return value

    match = _RANGE.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        first, last, step = match.groups()
        start = minimum if first == "*" else number(first)
        end = number(last) if last else maximum if first == "*" or step else start
        if end < start or (first == "*" and last) or (step and int(step) < 1):
            raise ValueError
    except ValueError:
        raise BuiltinError(
            f"bad option '{option}' ({minimum} to {maximum} expected, or a string like \"{minimum}-{maximum}\", "
            f'"*/2", "{minimum},{maximum}"; got "{text}")'
        ) from None
    return ScheduleRange(start, end, int(step or 1))


def from_sdk(spec: ScheduleSpec) -> SpecOptions:
    """Convert the SDK's form to options."""
    jitter = None if spec.jitter is None else Seconds(spec.jitter.total_seconds())
    return SpecOptions(
        cron=list(spec.cron_expressions) or None,
        intervals=[_interval_options(item) for item in spec.intervals] or None,
        calendars=[_calendar_options(item) for item in spec.calendars] or None,
        skip=[_calendar_options(item) for item in spec.skip] or None,
        timezone=spec.time_zone_name,
        start_at=timestamp(spec.start_at),
        end_at=timestamp(spec.end_at),
        jitter=jitter,
    )


def _interval_options(item: ScheduleIntervalSpec) -> IntervalOptions:
    offset = None if not item.offset else Seconds(item.offset.total_seconds())
    return IntervalOptions(every=Seconds(item.every.total_seconds()), offset=offset)


def _calendar_options(item: ScheduleCalendarSpec) -> CalendarOptions:
    fields = {name: _text(getattr(item, name), *_LIMITS[name]) for name in _LIMITS}
    return CalendarOptions(**fields, comment=item.comment)


def _text(ranges: Sequence[ScheduleRange], minimum: int, maximum: int) -> str:
    parts = []
    for item in ranges:
        text = f"{item.start}" if item.start == item.end else f"{item.start}-{item.end}"
        if (item.start, item.end) == (minimum, maximum):
            text = "*"
        parts.append(text if item.step == 1 else f"{text}/{item.step}")
    return ",".join(parts) or "*"
