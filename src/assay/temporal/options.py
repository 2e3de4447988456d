"""Option tables that the client, the worker and the workflow side share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from temporalio.common import RetryPolicy


@dataclass
class RetryPolicyOptions:
    """When and how often to try again.

    Attributes:
        initial_interval: Seconds before the second attempt.
        backoff_coefficient: Factor between one wait and the next.
        maximum_interval: The longest wait in seconds; 100 times the initial interval when left out.
        maximum_attempts: 0 for no limit.
        non_retryable_errors: Error types that end the attempts at once.
    """

    initial_interval: float = 1
    backoff_coefficient: float = 2
    maximum_interval: float | None = None
    maximum_attempts: int = 0
    non_retryable_errors: list[str] | None = None

    @classmethod
    def from_sdk(cls, policy: RetryPolicy) -> RetryPolicyOptions:
        """The table of the SDK's form."""
        return cls(
            initial_interval=policy.initial_interval.total_seconds(),
            backoff_coefficient=policy.backoff_coefficient,
            maximum_interval=policy.maximum_interval.total_seconds() if policy.maximum_interval else None,
            maximum_attempts=policy.maximum_attempts,
            non_retryable_errors=list(policy.non_retryable_error_types or ()) or None,
        )

    def to_sdk(self) -> RetryPolicy:
        """The SDK's form."""
        return RetryPolicy(
            initial_interval=timedelta(seconds=self.initial_interval),
            backoff_coefficient=self.backoff_coefficient,
            maximum_interval=seconds(self.maximum_interval),
            maximum_attempts=self.maximum_attempts,
            non_retryable_error_types=self.non_retryable_errors,
        )


def seconds(value: float | None) -> timedelta | None:
    """Seconds as the SDK wants them."""
    return None if value is None else timedelta(seconds=value)
