"""Lua code with workers and clients of a real server, run in the test process: it starts faster than a command."""

from __future__ import annotations

import asyncio
from typing import Any

from assay import Runtime
from timeouts import TIMEOUT

PRELUDE = """
name = ... -- of the task queue
client = temporal.connect()

-- Start a workflow; returns its id.
function start(workflow_type, input, workflow_id)
  local options = { task_queue = name, workflow_type = workflow_type, input = input, workflow_id = workflow_id }
  return client:start_workflow(options).workflow_id
end

-- Return the result of a workflow.
function result(workflow_id)
  return client:get_result({ workflow_id = workflow_id, timeout = 100 })
end

-- Run a workflow; returns its result.
function run(workflow_type, input)
  return result(start(workflow_type, input))
end

function wait_for(condition)
  while not condition() do sleep(0.02) end
end
"""

CLIENT = f"(function(...) {PRELUDE} end)(arg[1])\n"
"""The same variables for a script whose first argument is the task queue."""


class InlineLua:
    """Runs Lua code with a connected `client`, the `name` of its task queue and functions that run workflows."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def __call__(self, code: str, *arguments: Any) -> Any:
        """Run code in a new runtime; returns its result. Its workers shut down at the end."""
        async with Runtime() as lua:
            await lua.run(PRELUDE, self._name)
            return await asyncio.wait_for(lua.run(code, *arguments), TIMEOUT)
