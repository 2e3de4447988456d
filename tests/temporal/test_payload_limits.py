"""The exact sizes that the server accepts."""

from __future__ import annotations

import pytest

from assay.temporal.data import payloads

LIMIT = payloads.USUAL_LIMIT


def largest(limit: int) -> int:
    """The maximum size in the error message."""
    text = payloads.too_large("a result", 10 * limit, limit)
    assert text is not None
    return int(text.partition("at most ")[2].partition(":")[0])


@pytest.mark.parametrize("limit", [LIMIT, 2 * LIMIT])
def test_a_payload_of_exactly_the_limit_is_allowed(limit: int) -> None:
    assert payloads.too_large("a result", largest(limit), limit) is None


@pytest.mark.parametrize("limit", [LIMIT, 2 * LIMIT])
def test_one_byte_more_is_not(limit: int) -> None:
    most = largest(limit)
    assert payloads.too_large("a result", most + 1, limit) == (
        f"a result has {most + 1} bytes, the Temporal server accepts at most {most}: "
        "store it elsewhere and pass a reference"
    )


def test_the_commands_of_a_workflow_task_may_have_exactly_the_limit() -> None:
    text = payloads.too_large_for_task(0, 10 * LIMIT)
    assert text is not None
    most = int(text.partition("accepts at most ")[2].partition(":")[0])
    assert payloads.too_large_for_task(most - 5, 5) is None
    assert payloads.too_large_for_task(most - 5, 6) is not None
