"""When an activity that computes is interrupted after its attempt was cancelled."""

from __future__ import annotations

from typing import Any, cast

import pytest

from assay.temporal.core.protos import ActivityCancellationDetails, Start
from assay.temporal.worker import attempt
from assay.temporal.worker.attempt import INTERRUPT_DELAY, KILL_DELAY, Attempt

NONE, CANCEL, KILL = 0, 1, 2


class Clock:
    """The clock that attempts read."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that the test moves."""
    made = Clock()
    monkeypatch.setattr(attempt, "time", made)
    return made


def cancelled_attempt() -> Attempt:
    """Return an attempt that was cancelled."""
    made = Attempt(cast(Any, None), b"", Start(), cast(Any, None), None)
    made.cancellation = ActivityCancellationDetails(is_cancelled=True)
    return made


def interruptions(computing: Attempt, clock: Clock) -> list[int]:
    """Return the interruptions that are due at once, after the first delay, and after the second."""
    found = []
    start = clock.seconds
    for delay in (0, INTERRUPT_DELAY + 0.1, KILL_DELAY + 0.1):
        clock.seconds = start + delay
        found.append(computing.interruption())
    return found


def test_code_that_does_not_notice_its_cancellation_is_interrupted_and_then_terminated(clock: Clock) -> None:
    assert interruptions(cancelled_attempt(), clock) == [NONE, CANCEL, KILL]


def test_code_that_polls_for_its_cancellation_gets_the_time_to_end_by_itself(clock: Clock) -> None:
    computing = cancelled_attempt()
    assert computing.is_cancelled()
    assert interruptions(computing, clock) == [NONE, NONE, KILL]


def test_code_that_got_the_cancellation_as_an_error_gets_the_time_to_clean_up(clock: Clock) -> None:
    computing = cancelled_attempt()
    assert computing.deliver_cancellation()
    assert interruptions(computing, clock) == [NONE, NONE, KILL]


def test_code_that_was_not_cancelled_is_not_interrupted(clock: Clock) -> None:
    computing = cancelled_attempt()
    computing.cancellation = None
    assert not computing.is_cancelled()
    assert interruptions(computing, clock) == [NONE, NONE, NONE]
