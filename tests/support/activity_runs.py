"""Activities run by a worker in another process, observed through the server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import Popen
from typing import Any

from temporal_script import Script

ONCE = "{ heartbeat_timeout = 24, retry_policy = { maximum_attempts = 1 } }"
"""Options of an activity with one attempt; the worker sends a heartbeat every 8 seconds."""

HAS_HEARTBEAT = """
-- Return true if the server has had a heartbeat of a workflow's activity since the activity started.
local function has_heartbeat(workflow_id)
  local found = client:describe_workflow(workflow_id).pending_activities[1]
  return found and found.last_heartbeat_time and found.last_heartbeat_time > found.last_started_time
end
"""


def pending(lua: Script, workflow_id: str) -> Any:
    """Describe the pending activity of a workflow; {} when there is none."""
    activities = lua.cli("workflow", "describe", "--workflow-id", workflow_id).get("pendingActivities")
    return activities[0] if activities else {}


def is_started(lua: Script, workflow_id: str) -> bool:
    """Return true if a worker has started the pending activity of a workflow."""
    return bool(pending(lua, workflow_id).get("state") == "PENDING_ACTIVITY_STATE_STARTED")


@contextmanager
def working(lua: Script, text: str, *arguments: str) -> Iterator[Popen[str]]:
    """Run a worker script in a separate process."""
    with lua.command.started(lua.command.script(text, "worker.lua"), *arguments) as process:
        yield process
