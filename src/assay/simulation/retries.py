"""The retry policy of activities, as the server applies it."""

from __future__ import annotations

from typing import Any

from temporalio.api.enums.v1 import RetryState, TimeoutType
from temporalio.api.failure.v1 import Failure

DEFAULT_INITIAL_INTERVAL = 1.0
"""Delay before the second attempt, in seconds."""

DEFAULT_COEFFICIENT = 2.0

DEFAULT_MAX_INTERVALS = 100.0
"""Maximum delay, as a multiple of the initial interval."""


def interval(policy: Any, attempt: int) -> float:
    """Return the delay after a failed attempt, in seconds."""
    initial = policy.initial_interval.ToNanoseconds() / 1e9 or DEFAULT_INITIAL_INTERVAL
    maximum = policy.maximum_interval.ToNanoseconds() / 1e9 or initial * DEFAULT_MAX_INTERVALS
    coefficient = policy.backoff_coefficient or DEFAULT_COEFFICIENT
    try:
        return float(min(initial * coefficient ** (attempt - 1), maximum))
    except OverflowError:
        return float(maximum)


def is_retryable(policy: Any, failure: Failure) -> bool:
    """Return true if a failure is retryable."""
    if failure.HasField("timeout_failure_info"):
        kinds = (TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE, TimeoutType.TIMEOUT_TYPE_HEARTBEAT)
        return failure.timeout_failure_info.timeout_type in kinds
    if failure.HasField("canceled_failure_info") or failure.HasField("terminated_failure_info"):
        return False
    info = failure.application_failure_info
    return not info.non_retryable and info.type not in policy.non_retryable_error_types


def next_attempt(
    policy: Any, failure: Failure, attempt: int, remaining: float | None
) -> tuple[float | None, RetryState.ValueType]:
    """Return the delay before the next attempt, in seconds, and the retry state. The delay is None without a retry.

    `remaining`: seconds until the schedule-to-close timeout; None without one.
    """
    if not is_retryable(policy, failure):
        return None, RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE
    if policy.maximum_attempts and attempt >= policy.maximum_attempts:
        return None, RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED
    seconds = interval(policy, attempt)
    if failure.application_failure_info.HasField("next_retry_delay"):
        seconds = failure.application_failure_info.next_retry_delay.ToNanoseconds() / 1e9
    if remaining is not None and seconds > remaining:
        return None, RetryState.RETRY_STATE_TIMEOUT
    return seconds, RetryState.RETRY_STATE_IN_PROGRESS
