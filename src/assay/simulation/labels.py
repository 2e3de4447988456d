"""Labels of events, for the coverage of schedules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_BY_FIELD = {
    "workflow_execution_signaled": ("signal", "signal_name"),
    "workflow_execution_update_accepted": ("update", "name"),
}


def label(kind: str, fields: Mapping[str, Any], step_names: Mapping[int, str]) -> str:
    """Return the label of an event; `step_names` are the names of steps by the number of their first event."""
    if kind in _BY_FIELD:
        noun, field = _BY_FIELD[kind]
        return f"{noun} {fields[field]}"
    if kind == "workflow_execution_cancel_requested":
        return "cancel"
    event = fields.get("scheduled_event_id") or fields.get("started_event_id") or fields.get("initiated_event_id")
    name = step_names.get(event or 0)
    if name is None:
        return kind.replace("_", " ")
    return f"{name} {'timed out' if kind.endswith('timed_out') else kind.rpartition('_')[2]}"
