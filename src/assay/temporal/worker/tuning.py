"""Options of a worker: how many tasks run at the same time, and how the worker polls for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from assay.errors import BuiltinError
from assay.temporal.core.config import (
    Autoscaling,
    FixedSlots,
    Pollers,
    ResourceSlots,
    SimpleMaximum,
    Slots,
    Targets,
    Tuner,
)

DEFAULT_SLOTS = 100
MAX_COUNT = 2**31 - 1

_MIN_SLOTS = {"workflow": 5}  # of the others 1
_RAMP = {"workflow": 0}  # milliseconds between two new slots; for others 50
_MAX_SLOTS = 500


def check_count(option: str, count: float, least: int = 1) -> None:
    """Raise BuiltinError for a number that is too small, or larger than Core takes."""
    if count < least:
        raise BuiltinError(f"bad option '{option}' (at least {least} expected, got {count})")
    if count > MAX_COUNT:
        raise BuiltinError(f"bad option '{option}' (at most {MAX_COUNT} expected, got {count})")


@dataclass(kw_only=True)
class SlotOptions:
    """Bounds on the number of tasks of a kind that run at the same time.

    Attributes:
        minimum_slots: Always allowed, whatever the load of the machine; 5 for workflow tasks and 1 for others when left
            out.
        maximum_slots: The upper bound; 500 when left out.
    """

    minimum_slots: int | None = None
    maximum_slots: int | None = None

    def check(self, kind: str) -> None:
        """Raise BuiltinError for a number that is out of range; `kind` names the tasks."""
        for option in ("minimum_slots", "maximum_slots"):
            slots = getattr(self, option)
            if slots is not None:
                check_count(f"tuner.{kind}.{option}", slots)
        if self.bounds(kind)[0] > self.bounds(kind)[1]:
            low, high = self.bounds(kind)
            order = f"minimum_slots and maximum_slots in this order expected, got {low} and {high}"
            raise BuiltinError(f"bad option 'tuner.{kind}' ({order})")

    def bounds(self, kind: str) -> tuple[int, int]:
        """The two bounds, with the defaults in place of what is left out."""
        low = _MIN_SLOTS.get(kind, 1) if self.minimum_slots is None else self.minimum_slots
        high = max(_MAX_SLOTS, low) if self.maximum_slots is None else self.maximum_slots
        return (min(low, high) if self.minimum_slots is None else low), high


@dataclass(kw_only=True)
class TunerOptions:
    """Slots by the load of the machine, in place of fixed numbers.

    Attributes:
        target_memory_usage: The share of the machine's memory to fill: 0 to 1; 0.8 is a good start.
        target_cpu_usage: The share of the machine's CPU to use: 0 to 1.
        workflow: Bounds for workflow tasks.
        activity: Bounds for activities.
        local_activity: Bounds for local activities and side effects.
        nexus: Bounds for Nexus operations.
    """

    target_memory_usage: float
    target_cpu_usage: float
    workflow: SlotOptions | None = None
    activity: SlotOptions | None = None
    local_activity: SlotOptions | None = None
    nexus: SlotOptions | None = None

    def __post_init__(self) -> None:
        for option in ("target_memory_usage", "target_cpu_usage"):
            share = getattr(self, option)
            if not 0 <= share <= 1:
                raise BuiltinError(f"bad option 'tuner.{option}' (a number from 0 to 1 expected, got {share:g})")
        for kind in ("workflow", "activity", "local_activity", "nexus"):
            slots = getattr(self, kind)
            if slots is not None:
                slots.check(kind)

    def to_core(self) -> Tuner:
        """Core's form."""
        return Tuner(*map(self._slots, ("workflow", "activity", "local_activity", "nexus")))

    def _slots(self, kind: str) -> Slots:
        given: SlotOptions = getattr(self, kind) or SlotOptions()
        targets = Targets(self.target_memory_usage, self.target_cpu_usage)
        return ResourceSlots(*given.bounds(kind), _RAMP.get(kind, 50), targets)


def fixed(workflow: int | None, activity: int | None, local_activity: int | None, nexus: int | None) -> Tuner:
    """The tuner of fixed numbers; `DEFAULT_SLOTS` for what is left out."""
    return Tuner(*(FixedSlots(slots or DEFAULT_SLOTS) for slots in (workflow, activity, local_activity, nexus)))


@dataclass(kw_only=True)
class PollerOptions:
    """How many polls for tasks of a kind are open at the same time.

    Attributes:
        type: "simple_maximum": as many as there are free slots, up to `maximum`. "autoscaling": as many as the server
            advises.
        maximum: The upper bound; 5 when left out, and 100 when autoscaling.
        minimum: The lower bound, when autoscaling; 1 when left out.
        initial: The number at the start, when autoscaling; 5 when left out.
    """

    type: Literal["simple_maximum", "autoscaling"]
    maximum: int | None = None
    minimum: int | None = None
    initial: int | None = None

    def to_core(self, option: str, least: int) -> Pollers:
        """Core's form; `option` names it in errors. Raises BuiltinError."""
        for name in ("maximum", "minimum", "initial"):
            count = getattr(self, name)
            if count is None:
                continue
            if self.type == "simple_maximum" and name != "maximum":
                raise BuiltinError(f"bad option '{option}.{name}' (it is for the type \"autoscaling\")")
            check_count(f"{option}.{name}", count, least if name == "maximum" else 1)
        if self.type == "simple_maximum":
            return SimpleMaximum(self.maximum or 5)
        minimum, initial, maximum = self.minimum or 1, self.initial or 5, self.maximum or 100
        if not minimum <= initial <= maximum:
            order = f"got {minimum}, {initial} and {maximum}"
            raise BuiltinError(f"bad option '{option}' (minimum, initial and maximum in this order expected, {order})")
        return Autoscaling(minimum, maximum, initial)
