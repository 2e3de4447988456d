"""The names of events in the coverage of schedules."""

from __future__ import annotations

from typing import Any

import pytest

from assay.simulation.labels import label


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        ("workflow_execution_signaled", {"signal_name": "go"}, "signal go"),
        ("workflow_execution_update_accepted", {"name": "set"}, "update set"),
        ("workflow_execution_cancel_requested", {}, "cancel"),
        ("activity_task_completed", {"scheduled_event_id": 5}, "activity act completed"),
        ("activity_task_timed_out", {"scheduled_event_id": 5}, "activity act timed out"),
        ("external_workflow_execution_signaled", {"initiated_event_id": 9}, "external workflow execution signaled"),
    ],
)
def test_an_event_has_a_name(kind: str, fields: dict[str, Any], expected: str) -> None:
    assert label(kind, fields, {5: "activity act"}) == expected
