"""Inputs and results of activities, and how their failures reach the workflow."""

from __future__ import annotations

import json
from typing import Any

import pytest

from inline_lua import InlineLua

# Inputs and results ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [1, 1.0, "é", True, {"a": [[], {}]}, 9007199254740993, "\0r1"],
    ids=["integer", "float", "text", "boolean", "empty tables", "large integer", "NUL"],
)
async def test_an_input_comes_back_exactly(inline_lua: InlineLua, value: Any) -> None:
    result = await inline_lua(
        """
        temporal.worker({ task_queue = name,
          activities = { echo = function(input) return input end },
          workflows = { Echo = function(ctx, input) return ctx:execute_activity("echo", input) end },
        })
        return json.encode(run("Echo", json.parse(...)))
        """,
        json.dumps(value),
    )
    assert repr(json.loads(result)) == repr(value)


@pytest.mark.parametrize(("call", "count"), [('"count"', 0), ('"count", false', 1)], ids=["none", "false"])
async def test_an_activity_gets_an_argument_only_if_it_has_an_input(
    inline_lua: InlineLua, call: str, count: int
) -> None:
    result = await inline_lua(
        f"""
        temporal.worker({{ task_queue = name,
          activities = {{ count = function(...) return select("#", ...) end }},
          workflows = {{ Count = function(ctx) return ctx:execute_activity({call}) end }},
        }})
        return run("Count")
        """
    )
    assert result == count


async def test_an_activity_without_a_result_gives_nil(inline_lua: InlineLua) -> None:
    is_nil = await inline_lua(
        """
        temporal.worker({ task_queue = name,
          activities = { nothing = function() end },
          workflows = { Nothing = function(ctx) return ctx:execute_activity("nothing") == nil end },
        })
        return run("Nothing")
        """
    )
    assert is_nil is True


async def test_a_result_that_is_not_json_fails_the_activity(inline_lua: InlineLua) -> None:
    message = await inline_lua(
        """
        temporal.worker({ task_queue = name,
          activities = { bad = function() return { f = { print } } end },
          workflows = { Bad = function(ctx)
            local ok, err = pcall(ctx.execute_activity, ctx, "bad", nil, { retry_policy = { maximum_attempts = 1 } })
            return tostring(err)
          end },
        })
        return run("Bad")
        """
    )
    assert message == "activity 'bad' failed: the result is not serializable: a function at .f[1]"


# Failures of activities -----------------------------------------------------------------------------------------

FAIL = """
local policy, problem, last_attempt = ...
local attempts = 0
temporal.worker({ task_queue = name,
  activities = { fail = function()
    attempts = attempts + 1
    if attempts == last_attempt then return "succeeded" end
    error(problem)
  end },
  workflows = {
    Fail = function(ctx, options)
      local ok, got = pcall(ctx.execute_activity, ctx, "fail", nil, { retry_policy = options })
      if ok then return { result = got } end
      return { kind = got.kind, type = got.type, message = tostring(got), details = got.details,
        activity_type = got.activity_type, cause = got.cause.message, retry_state = got.retry_state }
    end,
    Uncaught = function(ctx) return ctx:execute_activity("fail") end,
  },
})
"""
CAUGHT = FAIL + 'local ended = run("Fail", policy) ended.attempts = attempts return ended'
QUICK_RETRIES = {"initial_interval": 0.01}


async def test_an_activity_is_retried_until_it_succeeds(inline_lua: InlineLua) -> None:
    ended = await inline_lua(CAUGHT, QUICK_RETRIES, "not yet", 3)
    assert ended == {"result": "succeeded", "attempts": 3}


async def test_an_error_of_a_type_that_is_not_retried_ends_the_activity(inline_lua: InlineLua) -> None:
    policy = {**QUICK_RETRIES, "maximum_attempts": 5, "non_retryable_errors": ["NO"]}
    ended = await inline_lua(CAUGHT, policy, "NO: never")
    assert (ended["kind"], ended["type"], ended["activity_type"]) == ("activity", "NO", "fail")
    assert "(code):8: NO: never" in ended["message"]
    assert ended["attempts"] == 1


async def test_an_error_table_gives_type_message_and_details(inline_lua: InlineLua) -> None:
    problem = {"type": "T", "message": "m", "details": [1, {"x": 2}], "non_retryable": True}
    ended = await inline_lua(CAUGHT, QUICK_RETRIES, problem)
    assert (ended["type"], ended["details"]) == ("T", [1, {"x": 2}])
    assert ended["message"] == "activity 'fail' failed: m"
    assert ended["attempts"] == 1


async def test_a_failure_says_that_no_attempts_are_left(inline_lua: InlineLua) -> None:
    ended = await inline_lua(CAUGHT, {**QUICK_RETRIES, "maximum_attempts": 2}, {"message": "again"})
    assert (ended["cause"], ended["retry_state"]) == ("again", "maximum_attempts_reached")
    assert ended["attempts"] == 2


async def test_a_failure_that_is_not_caught_fails_the_workflow(inline_lua: InlineLua) -> None:
    problem = {"type": "T", "message": "m", "non_retryable": True}
    failure = await inline_lua(
        FAIL
        + """
        local ok, err = pcall(run, "Uncaught")
        return { message = tostring(err), attempts = attempts }
        """,
        {},
        problem,
    )
    assert failure == {"message": "activity 'fail' failed: m", "attempts": 1}
