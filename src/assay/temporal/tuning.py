"""The options of a worker that say how many tasks it takes, and how it asks for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from assay.errors import BuiltinError

if TYPE_CHECKING:
    from temporalio.worker import (
        PollerBehavior,
        ResourceBasedSlotConfig,
        WorkerTuner,
    )


@dataclass(kw_only=True)
class SlotOptions:
    """How many tasks of a kind run at once.

    Attributes:
        minimum_slots: So many whatever the machine does; 5 for workflow tasks and 1 for others when left out.
        maximum_slots: Never more; 1000 for workflow tasks and 2000 for others when left out.
    """

    minimum_slots: int | None = None
    maximum_slots: int | None = None

    def to_sdk(self, kind: str) -> ResourceBasedSlotConfig:
        """The SDK's form; `kind` names the tasks in errors. Raises BuiltinError."""
        from temporalio.worker import ResourceBasedSlotConfig

        for option in ("minimum_slots", "maximum_slots"):
            slots = getattr(self, option)
            if slots is not None and slots < 1:
                raise BuiltinError(f"bad option 'tuner.{kind}.{option}' (at least 1 expected, got {slots})")
        return ResourceBasedSlotConfig(self.minimum_slots, self.maximum_slots)


@dataclass(kw_only=True)
class TunerOptions:
    """A worker that takes as many tasks as its machine bears, in place of fixed numbers.

    Attributes:
        target_memory_usage: The share of the machine's memory that it may fill: 0 to 1, with 0.8 as a good start.
        target_cpu_usage: The share of the machine's CPU: 0 to 1.
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

    def to_sdk(self) -> WorkerTuner:
        """The SDK's form. Raises BuiltinError."""
        from temporalio.worker import WorkerTuner

        return WorkerTuner.create_resource_based(
            target_memory_usage=self.target_memory_usage,
            target_cpu_usage=self.target_cpu_usage,
            workflow_config=self.workflow.to_sdk("workflow") if self.workflow else None,
            activity_config=self.activity.to_sdk("activity") if self.activity else None,
            local_activity_config=self.local_activity.to_sdk("local_activity") if self.local_activity else None,
            nexus_config=self.nexus.to_sdk("nexus") if self.nexus else None,
        )


@dataclass(kw_only=True)
class PollerOptions:
    """How many requests for tasks of a kind are open at once.

    Attributes:
        type: "simple_maximum": as many as there is room for, up to `maximum`. "autoscaling": as many as the server
            advises.
        maximum: The most; 5 when left out, and 100 when autoscaling.
        minimum: The fewest, when autoscaling; 1 when left out.
        initial: How many it begins with, when autoscaling; 5 when left out.
    """

    type: Literal["simple_maximum", "autoscaling"]
    maximum: int | None = None
    minimum: int | None = None
    initial: int | None = None

    def to_sdk(self, option: str, least: int) -> PollerBehavior:
        """The SDK's form; `option` names it in errors. Raises BuiltinError."""
        from temporalio.worker import PollerBehaviorAutoscaling, PollerBehaviorSimpleMaximum

        given = {name: getattr(self, name) for name in ("maximum", "minimum", "initial")}
        given = {name: count for name, count in given.items() if count is not None}
        for name, count in given.items():
            if self.type == "simple_maximum" and name != "maximum":
                raise BuiltinError(f"bad option '{option}.{name}' (it is for the type \"autoscaling\")")
            most = least if name == "maximum" else 1
            if count < most:
                raise BuiltinError(f"bad option '{option}.{name}' (at least {most} expected, got {count})")
        if self.type == "simple_maximum":
            return PollerBehaviorSimpleMaximum(**given)
        found = PollerBehaviorAutoscaling(**given)
        if not found.minimum <= found.initial <= found.maximum:
            order = f"got {found.minimum}, {found.initial} and {found.maximum}"
            raise BuiltinError(f"bad option '{option}' (minimum, initial and maximum in this order expected, {order})")
        return found
