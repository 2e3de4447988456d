"""The failed activity attempts that are logged."""

from __future__ import annotations

from assay.temporal.worker import attempt


def test_the_first_attempts_are_logged_and_then_each_power_of_ten() -> None:
    logged = [number for number in range(1, 10_001) if attempt._is_logged(number)]
    assert logged == [1, 2, 3, 10, 100, 1000, 10_000]
