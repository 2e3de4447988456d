"""The handling of Core's log lines."""

from __future__ import annotations

import logging

import pytest

from assay.temporal.telemetry import runtime


def record(message: str, level: int) -> logging.LogRecord:
    return logging.LogRecord("temporalio.core", level, "", 0, message, (), None)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            "[temporalio_sdk_core::worker::activities] Network error while completing activity "
            "{'error': 'Status { code: PermissionDenied, message: \"no rights\", source: None }'}",
            "the completion of an activity did not reach the Temporal server: no rights",
        ),
        (
            "[temporalio_sdk_core::worker::workflow] Error while completing workflow activation "
            "{'error': 'code: \\'Client specified an invalid argument\\', message: \"BadBinary\"'}",
            "the Temporal server rejected the completion of a workflow task: BadBinary",
        ),
        ("[temporalio_sdk_core::worker::nexus] Network error while completing Nexus task {}",
         "the completion of a Nexus operation did not reach the Temporal server: no reason given"),
    ],
    ids=["activity", "workflow task", "Nexus operation"],
)  # fmt: skip
def test_a_completion_that_is_lost_is_reported_with_the_reason(message: str, text: str) -> None:
    line = record(message, logging.WARNING)
    assert runtime._filter_core_log(line)
    assert line.getMessage() == text


def test_other_warnings_of_core_are_dropped() -> None:
    assert not runtime._filter_core_log(
        record("[temporalio_sdk_core::worker] Task not found when completing", logging.WARNING)
    )


def test_errors_of_core_are_kept() -> None:
    assert runtime._filter_core_log(record("[temporalio_sdk_core] panic", logging.ERROR))


def test_a_failed_poll_goes_to_the_listeners_only() -> None:
    heard: list[runtime.PollFailure] = []
    runtime.on_poll_failure.add(heard.append)
    try:
        assert not runtime._filter_core_log(
            record("gRPC call poll_activity_task_queue retried 6 times", logging.WARNING)
        )
    finally:
        runtime.on_poll_failure.discard(heard.append)
    assert [failure.lasting for failure in heard] == [False]
