"""Concurrency options of a worker: slots for tasks, and pollers."""

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

_MIN_SLOTS = {"workflow": 5}  # other kinds: 1
_RAMP_THROTTLE = {"workflow": 0}  # milliseconds between two new slots; other kinds: 50
_MAX_SLOTS = 500


def check_count(option: str, count: float, minimum: int = 1) -> None:
    """Raise BuiltinError if a count is less than `minimum` or too large for Core."""
    if count < minimum:
        raise BuiltinError(f"bad option '{option}' (at least {minimum} expected, got {count})")
    if count > MAX_COUNT:
        raise BuiltinError(f"bad option '{option}' (at most {MAX_COUNT} expected, got {count})")


@dataclass(kw_only=True)
class SlotOptions:
    """Bounds on the number of concurrent tasks of a kind.

    Attributes:
        minimum_slots: The number of tasks that may always run, regardless of the machine's load. Default: 5 for
            workflow tasks, otherwise 1.
        maximum_slots: The upper bound. Default: 500.
    """

    minimum_slots: int | None = None
    maximum_slots: int | None = None

    def check(self, kind: str) -> None:
        """Raise BuiltinError if a bound is out of range; `kind` is the option name of the task kind."""
        for option in ("minimum_slots", "maximum_slots"):
            slots = getattr(self, option)
            if slots is not None:
                check_count(f"tuner.{kind}.{option}", slots)
        if self.bounds(kind)[0] > self.bounds(kind)[1]:
            low, high = self.bounds(kind)
            problem = f"minimum_slots <= maximum_slots expected, got {low} and {high}"
            raise BuiltinError(f"bad option 'tuner.{kind}' ({problem})")

    def bounds(self, kind: str) -> tuple[int, int]:
        """Return the lower and the upper bound, with defaults applied."""
        low = _MIN_SLOTS.get(kind, 1) if self.minimum_slots is None else self.minimum_slots
        high = max(_MAX_SLOTS, low) if self.maximum_slots is None else self.maximum_slots
        return (min(low, high) if self.minimum_slots is None else low), high


@dataclass(kw_only=True)
class TunerOptions:
    """Resource-based tuner: grants slots depending on the load of the machine.

    Attributes:
        target_memory_usage: Target share of the machine's memory, from 0 to 1; 0.8 is a good starting point.
        target_cpu_usage: Target share of the machine's CPU, from 0 to 1.
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
        """Convert to Core's configuration."""
        return Tuner(*map(self._slots, ("workflow", "activity", "local_activity", "nexus")))

    def _slots(self, kind: str) -> Slots:
        slots: SlotOptions = getattr(self, kind) or SlotOptions()
        targets = Targets(self.target_memory_usage, self.target_cpu_usage)
        return ResourceSlots(*slots.bounds(kind), _RAMP_THROTTLE.get(kind, 50), targets)


def fixed(workflow: int | None, activity: int | None, local_activity: int | None, nexus: int | None) -> Tuner:
    """Return a tuner with fixed numbers of slots; None means `DEFAULT_SLOTS`."""
    return Tuner(*(FixedSlots(slots or DEFAULT_SLOTS) for slots in (workflow, activity, local_activity, nexus)))


@dataclass(kw_only=True)
class PollerOptions:
    """Number of concurrent polls for tasks of a kind.

    Attributes:
        type: "simple_maximum": one poll per free slot, up to `maximum`. "autoscaling": follows the server's feedback.
        maximum: The upper bound. Default: 5, or 100 when autoscaling.
        minimum: The lower bound when autoscaling. Default: 1.
        initial: The initial number when autoscaling. Default: 5.
    """

    type: Literal["simple_maximum", "autoscaling"]
    maximum: int | None = None
    minimum: int | None = None
    initial: int | None = None

    def to_core(self, option: str, min_maximum: int) -> Pollers:
        """Convert to Core's configuration; `option` is the option name in errors. Raises BuiltinError."""
        for name in ("maximum", "minimum", "initial"):
            count = getattr(self, name)
            if count is None:
                continue
            if self.type == "simple_maximum" and name != "maximum":
                raise BuiltinError(f"bad option '{option}.{name}' (only valid for type \"autoscaling\")")
            check_count(f"{option}.{name}", count, min_maximum if name == "maximum" else 1)
        if self.type == "simple_maximum":
            return SimpleMaximum(self.maximum or 5)
        minimum, initial, maximum = self.minimum or 1, self.initial or 5, self.maximum or 100
        if not minimum <= initial <= maximum:
            problem = f"minimum <= initial <= maximum expected, got {minimum}, {initial} and {maximum}"
            raise BuiltinError(f"bad option '{option}' ({problem})")
        return Autoscaling(minimum, maximum, initial)
