"""Functions of `activity`: their results in an activity, and their errors outside of one."""

from __future__ import annotations

from typing import Any

import pytest

from inline_lua import InlineLua

SHOW = """
temporal.worker({ task_queue = name,
  activities = { show = function() return { info = activity.info(), now = time() } end },
  workflows = { Show = function(ctx, options)
    local shown = ctx:execute_activity("show", nil, options)
    shown.run_id = ctx:workflow_info().run_id
    return shown
  end },
})
return result(start("Show", ..., name))
"""

TIMES = ("scheduled_time", "current_attempt_scheduled_time", "started_time")


async def test_info_describes_the_activity(inline_lua: InlineLua, name: str) -> None:
    options = {"start_to_close_timeout": 200, "schedule_to_close_timeout": 300.5, "heartbeat_timeout": 100}
    shown = await inline_lua(SHOW, options)
    info = {key: value for key, value in shown["info"].items() if key not in (*TIMES, "task_token")}
    assert info == {
        "workflow_id": name,
        "run_id": shown["run_id"],
        "workflow_type": "Show",
        "namespace": "default",
        "activity_id": "1",
        "activity_type": "show",
        "attempt": 1,
        "task_queue": name,
        "is_local": False,
        "start_to_close_timeout": 200,
        "schedule_to_close_timeout": 300.5,
        "heartbeat_timeout": 100,
        "priority": {},
        "retry_policy": {
            "initial_interval": 1,
            "backoff_coefficient": 2,
            "maximum_interval": 100,
            "maximum_attempts": 0,
        },
    }


async def test_info_has_a_task_token_and_the_times_of_the_attempt(inline_lua: InlineLua) -> None:
    shown = await inline_lua(SHOW, {})
    assert len(shown["info"]["task_token"]) > 40
    assert {key: shown["info"][key] for key in TIMES} == dict.fromkeys(TIMES, pytest.approx(shown["now"], abs=60))


async def test_info_has_no_heartbeat_timeout_unless_it_was_set(inline_lua: InlineLua) -> None:
    shown = await inline_lua(SHOW, {})
    assert "heartbeat_timeout" not in shown["info"]


async def test_activity_ids_count_the_activities_of_a_workflow(inline_lua: InlineLua) -> None:
    ids = await inline_lua(
        """
        temporal.worker({ task_queue = name,
          activities = { id = function() return activity.info().activity_id end },
          workflows = { Two = function(ctx) return { ctx:execute_activity("id"), ctx:execute_activity("id") } end },
        })
        return run("Two")
        """
    )
    assert ids == ["1", "2"]


async def test_a_first_attempt_is_not_cancelled_and_has_no_heartbeat_details(inline_lua: InlineLua) -> None:
    shown = await inline_lua(
        """
        temporal.worker({ task_queue = name,
          activities = { show = function()
            return { cancelled = activity.is_cancelled(), has_details = activity.heartbeat_details() ~= nil }
          end },
          workflows = { Show = function(ctx) return ctx:execute_activity("show") end },
        })
        return run("Show")
        """
    )
    assert shown == {"cancelled": False, "has_details": False}


# Outside of an activity -----------------------------------------------------------------------------------------

FUNCTIONS = ("heartbeat", "heartbeat_details", "info", "is_cancelled", "complete_async")

MESSAGES = """
-- Call the functions of `activity`; returns what they raise, or true, by name.
local function messages(functions)
  local found = {}
  for _, name in ipairs(functions) do
    local ok, err = pcall(activity[name])
    found[name] = ok or tostring(err)
  end
  return found
end
"""


def messages(problem: str) -> dict[str, str]:
    """Return the messages of all functions for one problem."""
    return {function: f"activity.{function}: {problem}" for function in FUNCTIONS}


async def test_a_script_is_not_in_an_activity(inline_lua: InlineLua) -> None:
    assert await inline_lua(MESSAGES + "return messages(...)", list(FUNCTIONS)) == messages("not in an activity")


@pytest.mark.parametrize(
    "body",
    ["return messages(functions)", "return ctx:side_effect(function() return messages(functions) end)"],
    ids=["workflow", "side effect"],
)
async def test_workflow_code_is_pointed_to_an_activity(inline_lua: InlineLua, body: str) -> None:
    raised = await inline_lua(
        f"""{MESSAGES}
        temporal.worker({{ task_queue = name, workflows = {{ Call = function(ctx, functions) {body} end }} }})
        return run("Call", ...)
        """,
        list(FUNCTIONS),
    )
    assert raised.keys() == set(FUNCTIONS)
    for message in raised.values():
        assert message.endswith(": not allowed in a workflow: workflow code cannot do I/O; use an activity")


async def test_a_task_that_an_activity_spawned_is_in_the_activity(inline_lua: InlineLua) -> None:
    raised = await inline_lua(
        f"""{MESSAGES}
        temporal.worker({{ task_queue = name,
          activities = {{ call = function(functions) return async.spawn(messages, functions):await()[1] end }},
          workflows = {{ Call = function(ctx, functions) return ctx:execute_activity("call", functions) end }},
        }})
        return run("Call", ...)
        """,
        [function for function in FUNCTIONS if function != "complete_async"],  # which would leave it open
    )
    assert raised == {"heartbeat": True, "heartbeat_details": True, "info": True, "is_cancelled": True}


async def test_a_task_that_outlives_its_activity_is_refused(inline_lua: InlineLua) -> None:
    raised = await inline_lua(
        f"""{MESSAGES}
        local has_ended, raised = false, nil
        temporal.worker({{ task_queue = name,
          activities = {{ call = function(functions)
            async.spawn(function()
              wait_for(function() return has_ended end)
              raised = messages(functions)
            end)
          end }},
          workflows = {{ Call = function(ctx, functions) return ctx:execute_activity("call", functions) end }},
        }})
        run("Call", ...)
        has_ended = true
        wait_for(function() return raised end)
        return raised
        """,
        list(FUNCTIONS),
    )
    assert raised == messages("the activity has ended")


async def test_heartbeat_details_that_are_not_json_are_refused(inline_lua: InlineLua) -> None:
    raised: Any = await inline_lua(
        """
        temporal.worker({ task_queue = name,
          activities = { call = function()
            local ok, err = pcall(activity.heartbeat, print)
            return { ok = ok, message = tostring(err) }
          end },
          workflows = { Call = function(ctx) return ctx:execute_activity("call") end },
        })
        return run("Call")
        """
    )
    message = "activity.heartbeat: bad argument 'details' (not JSON-serializable: a function)"
    assert raised == {"ok": False, "message": message}
