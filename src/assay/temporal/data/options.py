"""Option tables shared by clients, workers and workflows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from temporalio.common import (
    AutoUpgradeVersioningOverride,
    OneTimeVersioningOverride,
    PinnedVersioningOverride,
    Priority,
    RetryPolicy,
    VersioningOverride,
    WorkerDeploymentVersion,
)

from assay.errors import BuiltinError
from assay.lua.values import Name, Seconds

ONE_SECOND = Seconds(1)


@dataclass
class RetryPolicyOptions:
    """Retry policy.

    Attributes:
        initial_interval: Seconds before the first retry.
        backoff_coefficient: Factor by which the interval grows with each retry.
        maximum_interval: Maximum interval in seconds; 100 times the initial interval by default.
        maximum_attempts: Maximum number of attempts; 0 for no limit.
        non_retryable_errors: Error types that are not retried.
    """

    initial_interval: Seconds = ONE_SECOND
    backoff_coefficient: float = 2
    maximum_interval: Seconds | None = None
    maximum_attempts: int = 0
    non_retryable_errors: list[str] | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.backoff_coefficient < float("inf"):
            self._refuse("backoff_coefficient", "a number of at least 1")
        if not 0 <= self.maximum_attempts < 2**31:
            self._refuse("maximum_attempts", "0 to 2147483647")
        if self.maximum_interval is not None and self.maximum_interval < self.initial_interval:
            self._refuse("maximum_interval", "at least the initial interval")

    def _refuse(self, option: str, expected: str) -> None:
        got = getattr(self, option)
        shown = got if isinstance(got, int) else f"{got:g}"
        raise BuiltinError(f"bad option 'retry_policy.{option}' ({expected} expected, got {shown})")

    def to_sdk(self) -> RetryPolicy:
        """Return the SDK's object."""
        return RetryPolicy(
            initial_interval=timedelta(seconds=self.initial_interval),
            backoff_coefficient=self.backoff_coefficient,
            maximum_interval=seconds(self.maximum_interval),
            maximum_attempts=self.maximum_attempts,
            non_retryable_error_types=self.non_retryable_errors,
        )

    @classmethod
    def from_sdk(cls, policy: RetryPolicy) -> RetryPolicyOptions:
        """Return options for the SDK's object."""
        longest = policy.maximum_interval
        return cls(
            initial_interval=Seconds(policy.initial_interval.total_seconds()),
            backoff_coefficient=policy.backoff_coefficient,
            maximum_interval=None if longest is None else Seconds(longest.total_seconds()),
            maximum_attempts=policy.maximum_attempts,
            non_retryable_errors=list(policy.non_retryable_error_types or ()) or None,
        )


@dataclass(kw_only=True)
class PriorityOptions:
    """Task priority and fairness.

    Attributes:
        priority_key: Priority from 1 (highest) to 5. Default: that of the calling workflow; without one, 3 on a server
            with the default configuration.
        fairness_key: Key, such as a tenant id, of up to 64 bytes. Tasks of the same priority are distributed fairly
            among the keys.
        fairness_weight: Share of the fairness key relative to other keys, from 0.001 to 1000. Default: 1.
    """

    priority_key: int | None = None
    fairness_key: str | None = None
    fairness_weight: float | None = None

    def __post_init__(self) -> None:
        if self.priority_key is not None and not 1 <= self.priority_key < 2**31:
            raise BuiltinError(f"bad option 'priority.priority_key' (1 to 5 expected, got {self.priority_key})")

    @classmethod
    def from_sdk(cls, priority: Priority) -> PriorityOptions:
        """Return options for the SDK's object."""
        return cls(
            priority_key=priority.priority_key,
            fairness_key=priority.fairness_key,
            fairness_weight=priority.fairness_weight,
        )

    def to_sdk(self) -> Priority:
        """Return the SDK's object."""
        return Priority(
            priority_key=self.priority_key, fairness_key=self.fairness_key, fairness_weight=self.fairness_weight
        )


def priority(given: int | PriorityOptions | None) -> Priority:
    """Return the SDK's object for a `priority` option. Raises BuiltinError."""
    if given is None:
        return Priority.default
    options = PriorityOptions(priority_key=given) if isinstance(given, int) else given
    try:
        return options.to_sdk()
    except (TypeError, ValueError) as error:
        raise BuiltinError(f"bad option 'priority' ({error})") from None


@dataclass(kw_only=True)
class VersionOverride:
    """A version of a worker deployment.

    Attributes:
        name: Name of the deployment.
        build_id: Build id of the version.
        one_time: Whether the override ends once a task has completed there; the worker's own versioning applies then.
    """

    name: Name
    build_id: Name
    one_time: bool = False


def versioning_override(given: Literal["auto_upgrade"] | VersionOverride | None) -> VersioningOverride | None:
    """Return the SDK's object for a `versioning_override` option."""
    if given is None:
        return None
    if isinstance(given, str):
        return AutoUpgradeVersioningOverride()
    version = WorkerDeploymentVersion(deployment_name=given.name, build_id=given.build_id)
    return OneTimeVersioningOverride(version) if given.one_time else PinnedVersioningOverride(version)


def seconds(value: float | None) -> timedelta | None:
    """Return seconds as a timedelta."""
    return None if value is None else timedelta(seconds=value)
