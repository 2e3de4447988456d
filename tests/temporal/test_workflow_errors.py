"""Failures of workflows and updates in a Lua client: an error with message, type, details and causes."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from command import Command
from temporal_script import Script

SCRIPT = """
local function fail_with_cause(ctx)
  local _, err = pcall(ctx.execute_activity, ctx, "root")
  error({ type = "OUTER", message = "outer", cause = err })
end

local worker = temporal.worker({
  task_queue = arg[1],
  activities = {
    root = function() error({ type = "ROOT", message = "root", details = { 1 }, non_retryable = true }) end,
    text = function() error({ message = "page", cause = "NO_ROUTE: to host", non_retryable = true }) end,
    table = function() error({ code = 5 }) end,
  },
  workflows = {
    Raises = function() error("PERMISSION_DENIED: you") end,
    RaisesTable = function() error({ code = 7 }) end,
    Activity = function(ctx)
      ctx:execute_activity("table", nil, { retry_policy = { maximum_attempts = 1 } })
    end,
    WrapsActivity = fail_with_cause,
    WrapsActivityWithCause = function(ctx)
      local _, err = pcall(ctx.execute_activity, ctx, "text")
      error({ type = "OUTER", message = "outer", cause = err })
    end,
    IsItsOwnCause = function()
      local err = { message = "own" }
      err.cause = err
      error(err)
    end,
    Updated = function(ctx)
      ctx:register_update("fails", function() fail_with_cause(ctx) end)
      ctx:register_update("is rejected", print, {
        validator = function() error({ message = "no", cause = "why" }) end,
      })
      ctx:wait_signal("end")
    end,
  },
})

local client = temporal.connect()
local run = client:start_workflow({ task_queue = arg[1], workflow_type = "Updated" })

-- Return an error and its causes, outermost first.
local function chain(method, options)
  local _, err = pcall(method, client, options)
  local errors = {}
  while err do
    errors[#errors + 1] = { message = tostring(err), type = err.type, details = err.details }
    err = err.cause
  end
  return errors
end

local errors = {}
local failing = { "Raises", "RaisesTable", "Activity", "WrapsActivity", "WrapsActivityWithCause", "IsItsOwnCause" }
for _, name in ipairs(failing) do
  errors[name] = chain(client.execute_workflow, { task_queue = arg[1], workflow_type = name })
end
for _, name in ipairs({ "fails", "is rejected" }) do
  errors[name] = chain(client.update_workflow, { workflow_id = run.workflow_id, update_name = name })
end
print(json.encode(errors))
client:terminate_workflow({ workflow_id = run.workflow_id })
worker:shutdown()
"""

WRAPPED = [
    {"message": "outer", "type": "OUTER", "details": [1]},  # from its cause, as it has none itself
    {"message": "activity 'root' failed: root", "type": "ROOT", "details": [1]},
    {"message": "root", "type": "ROOT", "details": [1]},
]


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory, temporal_server: str) -> Any:
    """The errors of all workflows and updates, each as a list that begins with the outermost."""
    script = Script(Command(tmp_path_factory.mktemp("script")), temporal_server)
    return script.value(SCRIPT, f"errors-{uuid.uuid4().hex[:8]}")


def test_an_error_has_its_place_and_its_type(errors: Any) -> None:
    assert errors["Raises"] == [{"message": "script.lua:15: PERMISSION_DENIED: you", "type": "PERMISSION_DENIED"}]


def test_a_raised_table_is_in_the_details(errors: Any) -> None:
    (error,) = errors["RaisesTable"]
    assert error["message"] == '(error object is a table value) {"code": 7}'
    assert error["details"] == {"code": 7}


def test_the_error_of_an_activity_has_the_details_of_its_cause(errors: Any) -> None:
    error = errors["Activity"][0]
    assert error["message"] == "activity 'table' failed: (error object is a table value) {\"code\": 5}"
    assert error["details"] == {"code": 5}


def test_an_error_keeps_its_causes(errors: Any) -> None:
    assert errors["WrapsActivity"] == WRAPPED


def test_a_cause_that_is_a_string_becomes_an_error(errors: Any) -> None:
    assert errors["WrapsActivityWithCause"] == [
        {"message": "outer", "type": "OUTER"},
        {"message": "activity 'text' failed: page", "type": "LuaError"},
        {"message": "page", "type": "LuaError"},
        {"message": "NO_ROUTE: to host", "type": "NO_ROUTE"},
    ]


def test_an_error_that_is_its_own_cause_has_none(errors: Any) -> None:
    assert errors["IsItsOwnCause"] == [{"message": "own", "type": "LuaError"}]


def test_an_update_that_fails_keeps_its_causes(errors: Any) -> None:
    assert errors["fails"] == WRAPPED


def test_a_rejected_update_keeps_its_causes(errors: Any) -> None:
    assert errors["is rejected"] == [{"message": "no", "type": "LuaError"}, {"message": "why", "type": "LuaError"}]
