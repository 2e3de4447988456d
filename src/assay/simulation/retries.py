"""When an activity is tried again, as the server decides it."""

from __future__ import annotations

from typing import Any

from temporalio.api.enums.v1 import RetryState, TimeoutType
from temporalio.api.failure.v1 import Failure

DEFAULT_INTERVAL = 1.0
DEFAULT_COEFFICIENT = 2.0
DEFAULT_FACTOR = 100.0
"""The longest wait, in initial intervals."""


def interval(policy: Any, attempt: int) -> float:
    """Return the seconds between an attempt that has failed and the next one."""
    initial = policy.initial_interval.ToNanoseconds() / 1e9 or DEFAULT_INTERVAL
    longest = policy.maximum_interval.ToNanoseconds() / 1e9 or initial * DEFAULT_FACTOR
    coefficient = policy.backoff_coefficient or DEFAULT_COEFFICIENT
    try:
        return float(min(initial * coefficient ** (attempt - 1), longest))
    except OverflowError:
        return float(longest)


def is_retryable(policy: Any, failure: Failure) -> bool:
    """Return true if a failure may be followed by another attempt."""
    if failure.HasField("timeout_failure_info"):
        kinds = (TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE, TimeoutType.TIMEOUT_TYPE_HEARTBEAT)
        return failure.timeout_failure_info.timeout_type in kinds
    if failure.HasField("canceled_failure_info") or failure.HasField("terminated_failure_info"):
        return False
    info = failure.application_failure_info
    return not info.non_retryable and info.type not in policy.non_retryable_error_types


def next_attempt(
    policy: Any, failure: Failure, attempt: int, left: float | None
) -> tuple[float | None, RetryState.ValueType]:
    """Return the seconds until the next attempt, None when there is none, and why.

    `left`: seconds until the limit of all attempts.
    """
    if not is_retryable(policy, failure):
        return None, RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE
    if policy.maximum_attempts and attempt >= policy.maximum_attempts:
        return None, RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED
    seconds = interval(policy, attempt)
    if failure.application_failure_info.HasField("next_retry_delay"):
        seconds = failure.application_failure_info.next_retry_delay.ToNanoseconds() / 1e9
    if left is not None and seconds > left:
        return None, RetryState.RETRY_STATE_TIMEOUT
    return seconds, RetryState.RETRY_STATE_IN_PROGRESS
