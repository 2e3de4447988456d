"""Messages that arrive with the start are handled as in a separate activation: live and on a replay."""

from __future__ import annotations

from itertools import permutations

import pytest
from temporalio.bridge.proto.workflow_activation import WorkflowActivationJob

from engine import jobs
from engine.driver import TRY, Drive, Driver, failure, kinds, result

# The function's commands depend on the state in which it resumes, which must not depend on how activations were split.
CART = """
return function(ctx)
  local n, log = 0, {}
  ctx:on_signal("add", function() n = n + 1 log[#log + 1] = "signal" end)
  ctx:on_dynamic_signal(function(name) log[#log + 1] = name end)
  ctx:register_update("add", function(x) n = n + x log[#log + 1] = "update" return n end, {
    validator = function(x) if x + n > 10 then error("too many", 0) end end,
  })
  log[#log + 1] = ctx:is_cancelled() and "cancelled" or "not cancelled"
  local ok, problem = pcall(ctx.wait_condition, ctx, function() return n > 0 end)
  log[#log + 1] = ok and "seen " .. n or problem.kind
  log[#log + 1] = ctx:poll_signal("polled") and "polled" or "not polled"
  ctx:start_activity("a", log)
  ctx:shield(function() ctx:wait_signal("end") end)
  return log
end
"""

# The function waits for an activity before it has a handler.
LAZY = """
return function(ctx)
  local log = {}
  local ok, value = pcall(ctx.execute_activity, ctx, "a")
  log[#log + 1] = ok and "activity" or value.kind
  ctx:on_signal("add", function() log[#log + 1] = "signal" end)
  ctx:register_update("add", function(x) log[#log + 1] = "update" return x end)
  ctx:shield(function() ctx:wait_signal("end") end)
  return log
end
"""

MESSAGES = {
    "signal": jobs.signal("add"),
    "other signal": jobs.signal("other"),
    "polled signal": jobs.signal("polled"),
    "update": jobs.update("add", 1, id="one"),
    "bad update": jobs.update("add", 100, id="hundred"),
    "cancel": jobs.cancel(),
}


SELECTIONS = [
    *permutations(MESSAGES, 1),
    *permutations(MESSAGES, 2),
    ("signal", "update", "other signal", "bad update", "polled signal", "cancel"),
    ("cancel", "polled signal", "bad update", "other signal", "update", "signal"),
    ("update", "signal", "cancel"),
]


@pytest.mark.parametrize("source", [CART, LAZY], ids=["handlers at once", "handlers later"])
@pytest.mark.parametrize("names", SELECTIONS, ids=", ".join)
def test_messages_have_the_same_effect_with_and_after_the_start(
    drive: Drive, source: str, names: tuple[str, ...]
) -> None:
    given = [MESSAGES[name] for name in names]
    together, apart = drive(source), drive(source)
    commands = together.send(jobs.initialize(), *given)
    assert commands == apart.start() + apart.send(*given)
    assert ending(together) == ending(apart)


def ending(driver: Driver) -> object:
    """End a run whose activity is running; returns its result."""
    assert driver.run is not None
    driver.send(jobs.signal("add"))
    if driver.run.outbound.find("activity", 1) is not None:
        driver.send(jobs.activity(1))
    return result(driver.send(jobs.signal("end")))


def test_an_update_is_answered_if_the_function_ends_at_once(drive: Drive) -> None:
    driver = drive("return function(ctx) ctx:register_update('u', function() return 2 end) return 1 end")
    commands = driver.send(jobs.initialize(), jobs.update("u"))
    assert kinds(commands) == ["complete_workflow_execution", "update_response", "update_response"]
    assert commands[-1]["update_response"]["completed"] == 2


def test_a_signal_sent_with_the_start_is_handled_if_the_function_ends_at_once(drive: Drive) -> None:
    driver = drive("return function(ctx) ctx:on_signal('s', function() ctx:upsert_memo({ a = 1 }) end) return 1 end")
    commands = driver.send(jobs.initialize(), jobs.signal("s"))
    assert kinds(commands) == ["complete_workflow_execution", "modify_workflow_properties"]


ENDINGS = {
    "another continuation": "ctx:continue_as_new()",
    "an error": "error('no')",
}


@pytest.mark.parametrize("ending", list(ENDINGS.values()), ids=ENDINGS)
@pytest.mark.parametrize("function_ends", ["return 1", "ctx:continue_as_new()", "error('first')"])
def test_a_run_ends_once(drive: Drive, function_ends: str, ending: str) -> None:
    driver = drive(f"""
    return function(ctx)
      ctx:on_signal("s", function() {ending} end)
      {function_ends}
    end
    """)
    commands = driver.send(jobs.initialize(), jobs.signal("s"))
    assert len([kind for kind in kinds(commands) if kind.endswith("_workflow_execution")]) == 1


def test_a_task_that_continues_after_the_end_does_not_end_the_run_again(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      ctx:spawn(function() ctx:continue_as_new("spawned") end)
      return 1
    end
    """)
    assert driver.start() == [{"complete_workflow_execution": {"result": 1}}]


@pytest.mark.parametrize(
    "message", [jobs.signal("s"), jobs.update("u"), jobs.cancel()], ids=["signal", "update", "cancel"]
)
def test_an_unreadable_input_fails_the_workflow_whatever_other_jobs_arrive(
    drive: Drive, message: WorkflowActivationJob
) -> None:
    driver = drive("return function(ctx) ctx:wait_signal('s') end")
    commands = driver.send(jobs.initialize(jobs.raw(b"NaN")), message)
    assert failure(commands[:1])["application_failure_info"]["type"] == "BadInput"


def test_messages_sent_with_the_start_are_not_visible_before_the_first_wait(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local function look() return { (ctx:poll_signal("s")), ctx:is_cancelled() } end
      local before = look()
      pcall(ctx.sleep, ctx, 9)
      return { before, look() }
    end
    """)
    assert result(driver.send(jobs.initialize(), jobs.signal("s"), jobs.cancel())) == [[False, False], [True, True]]


def test_a_cancellation_sent_with_the_start_is_raised_at_the_first_wait(drive: Drive) -> None:
    driver = drive(TRY + "return function(ctx) return { try(ctx.sleep, ctx, 9), try(ctx.sleep, ctx, 1) } end")
    commands = driver.send(jobs.initialize(), jobs.cancel())
    assert kinds(commands) == ["start_timer", "cancel_timer", "start_timer"]
    assert result(driver.send(jobs.fire(2))) == ["err:cancelled", "ok:nil"]
