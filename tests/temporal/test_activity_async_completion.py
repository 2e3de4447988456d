"""Asynchronous completion of activities: by a client with their task token or their ids."""

from __future__ import annotations

from typing import Any

import pytest

from inline_lua import InlineLua

OPEN = """
local opened

temporal.worker({ task_queue = name,
  activities = { open = function(problem)
    local info = activity.info()
    activity.complete_async()
    opened = { token = info.task_token, workflow_id = info.workflow_id, run_id = info.run_id,
      activity_id = info.activity_id, attempt = info.attempt, details = activity.heartbeat_details() }
    if problem then error(problem) end
    return "ignored"
  end },
  workflows = { Open = function(ctx, problem)
    local ok, got = pcall(ctx.execute_activity, ctx, "open", problem, { heartbeat_timeout = 300,
      retry_policy = { initial_interval = 0.01, non_retryable_errors = { "NO" } } })
    if ok then return { result = got } end
    return { kind = got.kind, type = got.type, message = got.cause.message, details = got.details }
  end },
})

-- Start the workflow and wait until its activity is open; returns how to address the activity.
local function open()
  start("Open", nil, name)
  wait_for(function() return opened end)
  return opened
end

-- Call a method of the client that fails; returns its error.
local function refused(method, options)
  local ok, err = pcall(client[method], client, options)
  assert(not ok)
  return { kind = err.kind, message = tostring(err) }
end
"""


async def test_an_activity_is_completed_by_its_token(inline_lua: InlineLua) -> None:
    ended = await inline_lua(
        OPEN
        + """
        client:complete_activity({ task_token = open().token, result = { float = 1.0, empty = json.empty_array } })
        return result(name)
        """
    )
    assert ended == {"result": {"float": 1.0, "empty": []}}
    assert isinstance(ended["result"]["float"], float)


async def test_an_activity_is_completed_by_its_ids(inline_lua: InlineLua) -> None:
    ended = await inline_lua(
        OPEN
        + """
        local it = open()
        client:complete_activity({ workflow_id = it.workflow_id, activity_id = it.activity_id })
        return result(name)
        """
    )
    assert ended == {}


async def test_an_activity_of_one_run_is_completed_by_the_run_id_too(inline_lua: InlineLua) -> None:
    ended = await inline_lua(
        OPEN
        + """
        local it = open()
        client:complete_activity({ workflow_id = it.workflow_id, run_id = it.run_id, activity_id = it.activity_id,
          result = false, rpc_timeout = 10 })
        return result(name)
        """
    )
    assert ended == {"result": False}


async def test_an_activity_that_was_completed_is_not_found(inline_lua: InlineLua) -> None:
    error = await inline_lua(
        OPEN
        + """
        local token = open().token
        client:heartbeat_activity({ task_token = token, details = { 1 } })
        client:complete_activity({ task_token = token })
        result(name)
        return refused("complete_activity", { task_token = token })
        """
    )
    assert error["kind"] == "not_found"


async def test_a_failure_reported_by_a_client_is_retried_with_heartbeat_details(inline_lua: InlineLua) -> None:
    second_attempt = await inline_lua(
        OPEN
        + """
        local token = open().token
        client:heartbeat_activity({ task_token = token, details = "far" })
        client:fail_activity({ task_token = token })
        wait_for(function() return opened.attempt == 2 end)
        return opened
        """
    )
    assert second_attempt["details"] == "far"


async def test_a_failure_from_outside_has_a_type_and_details(inline_lua: InlineLua) -> None:
    ended = await inline_lua(
        OPEN
        + """
        local it = open()
        client:fail_activity({ workflow_id = it.workflow_id, activity_id = it.activity_id, message = "broken",
          type = "BROKEN", details = { 1.0, { x = json.empty_array } }, non_retryable = true })
        return result(name)
        """
    )
    assert ended == {"kind": "activity", "type": "BROKEN", "message": "broken", "details": [1.0, {"x": []}]}


async def test_the_type_of_a_failure_from_outside_may_begin_its_message(inline_lua: InlineLua) -> None:
    ended = await inline_lua(
        OPEN
        + """
        client:fail_activity({ task_token = open().token, message = "NO: never" })
        return result(name)
        """
    )
    assert ended["type"] == "NO"


async def test_a_failure_from_outside_may_set_the_delay_of_the_next_attempt(inline_lua: InlineLua) -> None:
    seconds_until_attempt = await inline_lua(
        OPEN
        + """
        client:fail_activity({ task_token = open().token, next_retry_delay = 3600 })
        local pending
        wait_for(function()
          pending = client:describe_workflow(name).pending_activities[1]
          return pending.attempt == 2
        end)
        return pending.scheduled_time - time()
        """
    )
    assert 1800 < seconds_until_attempt <= 3600


async def test_an_error_after_complete_async_fails_the_activity(inline_lua: InlineLua) -> None:
    ended = await inline_lua(OPEN + 'return run("Open", "NO: it failed")')
    assert ended["type"] == "NO"


# Cancellation ---------------------------------------------------------------------------------------------------


async def test_a_heartbeat_from_outside_raises_when_the_activity_was_cancelled(inline_lua: InlineLua) -> None:
    error = await inline_lua(
        """
        local token
        temporal.worker({ task_queue = name,
          activities = { open = function()
            activity.complete_async()
            token = activity.info().task_token
          end },
          workflows = { Open = function(ctx)
            pcall(ctx.execute_activity, ctx, "open")
            ctx:wait_signal("never")
          end },
        })
        local id = start("Open")
        wait_for(function() return token end)
        client:heartbeat_activity({ task_token = token })
        client:cancel_workflow(id)
        local ok, err
        wait_for(function()
          ok, err = pcall(client.heartbeat_activity, client, { task_token = token })
          return not ok
        end)
        return { kind = err.kind, message = tostring(err) }
        """
    )
    assert error == {"kind": "cancelled", "message": "client:heartbeat_activity: the activity was cancelled"}


async def test_a_heartbeat_from_outside_fails_after_the_workflow_was_cancelled(inline_lua: InlineLua) -> None:
    error = await inline_lua(
        OPEN
        + """
        local token = open().token
        client:cancel_workflow(name)
        wait_for(function()
          return client:describe_workflow(name).status ~= "RUNNING"
            or not pcall(client.heartbeat_activity, client, { task_token = token })
        end)
        return refused("heartbeat_activity", { task_token = token })
        """
    )
    assert error["kind"] in ("cancelled", "not_found")


# Errors ---------------------------------------------------------------------------------------------------------


async def test_an_activity_that_does_not_exist_is_not_found(inline_lua: InlineLua) -> None:
    kind = await inline_lua(
        """
        local ok, err = pcall(client.heartbeat_activity, client,
          { workflow_id = "no-such-workflow", activity_id = "1" })
        return err.kind
        """
    )
    assert kind == "not_found"


@pytest.mark.parametrize(
    ("method", "options", "problem"),
    [
        ("complete_activity", {"workflow_id": "w"}, "missing option 'task_token' (or 'workflow_id' and 'activity_id')"),
        (
            "fail_activity",
            {"task_token": "dG9rZW4=", "workflow_id": "w"},
            "bad option 'workflow_id' (mutually exclusive with 'task_token')",
        ),
        (
            "complete_activity",
            {"task_token": "?"},
            "bad option 'task_token' (Base64 string of activity.info().task_token expected)",
        ),
        (
            "complete_activity",
            {"task_token": "dG9rZW4=", "reslt": 1},
            "unknown option 'reslt' (did you mean 'result'?)",
        ),
    ],
    ids=["no target", "two targets", "no Base64", "unknown option"],
)
async def test_bad_options_are_refused(
    inline_lua: InlineLua, method: str, options: dict[str, Any], problem: str
) -> None:
    message = await inline_lua(
        """
        local method, options = ...
        local ok, err = pcall(client[method], client, options)
        return tostring(err)
        """,
        method,
        options,
    )
    assert message == f"client:{method}: {problem}"
