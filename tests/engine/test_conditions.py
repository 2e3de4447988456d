"""`ctx:wait_condition`: the end of waits, and the calls that a condition may make."""

from __future__ import annotations

import pytest

from engine import jobs
from engine.driver import Drive, failure, kinds, result


def test_a_condition_that_holds_at_once_starts_no_timer(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      return ctx:wait_condition(function() return "a value other than false and nil" end, { timeout = 60 })
    end
    """)
    commands = driver.start()
    assert kinds(commands) == ["complete_workflow_execution"]
    assert result(commands) is True


def test_a_condition_is_woken_by_another_task(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local is_ready = false
      ctx:spawn(function()
        ctx:sleep(1)
        is_ready = true
      end)
      return ctx:wait_condition(function() return is_ready end, { timeout = 60 })
    end
    """)
    timeout, sleep = 1, 2
    assert driver.start() == [
        {"start_timer": {"seq": timeout, "start_to_fire_timeout": 60.0}},
        {"start_timer": {"seq": sleep, "start_to_fire_timeout": 1.0}},
    ]
    commands = driver.send(jobs.fire(sleep), after=1)
    assert kinds(commands) == ["cancel_timer", "complete_workflow_execution"]
    assert result(commands) is True


def test_a_condition_that_does_not_hold_in_time_returns_false(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      return ctx:wait_condition(function() return false end, { timeout = 5 })
    end
    """)
    assert kinds(driver.start()) == ["start_timer"]
    assert result(driver.send(jobs.fire(1), after=5)) is False


def test_a_condition_is_woken_by_a_signal_handler(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local is_ready = false
      ctx:on_signal("s", function() is_ready = true end)
      return ctx:wait_condition(function() return is_ready end, { timeout = 5 })
    end
    """)
    assert kinds(driver.start()) == ["start_timer"]
    commands = driver.send(jobs.signal("s"), after=1)
    assert kinds(commands) == ["cancel_timer", "complete_workflow_execution"]
    assert result(commands) is True


def test_a_condition_is_woken_by_a_timer_that_fires(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local timer = ctx:start_timer(1)
      ctx:wait_condition(function() return timer:done() end)
      return "woken"
    end
    """)
    driver.start()
    assert result(driver.send(jobs.fire(1), after=1)) == "woken"


def test_a_condition_is_asked_only_after_something_happened(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local timer, asked = ctx:start_timer(1), 0
      ctx:wait_condition(function()
        asked = asked + 1
        return timer:done()
      end)
      return asked
    end
    """)
    driver.start()
    assert result(driver.send(jobs.fire(1), after=1)) < 5


def test_a_condition_is_asked_once_for_each_state(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local asked, tasks = 0, {}
      ctx:on_signal("s", function() end)
      for i = 1, 2 do
        tasks[i] = ctx:spawn(function()
          ctx:wait_condition(function() asked = asked + 1 end, { timeout = 5 })
        end)
      end
      ctx:await_all(tasks)
      return asked
    end
    """)
    driver.start()
    driver.send(jobs.signal("s"))
    assert result(driver.send(jobs.fire(1), jobs.fire(2), after=5)) <= 5


def test_a_condition_with_a_timeout_guards_a_lock_for_one_task_at_a_time(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local holders, most_holders, done = 0, 0, 0
      for _ = 1, 3 do
        ctx:spawn(function()
          ctx:wait_condition(function() return holders == 0 end, { timeout = 60 })
          holders = holders + 1
          most_holders = math.max(most_holders, holders)
          ctx:execute_activity("work")
          holders, done = holders - 1, done + 1
        end)
      end
      ctx:wait_condition(function() return done == 3 end)
      return most_holders
    end
    """)
    driver.start()
    driver.send(jobs.activity(1))
    driver.send(jobs.activity(2))
    assert result(driver.send(jobs.activity(3))) == 1


def test_an_error_in_a_condition_is_raised_unchanged_where_it_is_awaited(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local problem = { code = 5 }
      local ok, err = pcall(ctx.wait_condition, ctx, function() error(problem) end)
      return { ok = ok, is_same = rawequal(err, problem) }
    end
    """)
    assert result(driver.start()) == {"ok": False, "is_same": True}


FORBIDDEN = {
    "ctx:sleep": "ctx:sleep(1)",
    "ctx:start_timer": "ctx:start_timer(1)",
    "ctx:start_activity": "ctx:start_activity('a')",
    "ctx:patched": "ctx:patched('p')",
    "ctx:continue_as_new": "ctx:continue_as_new()",
    "math.random": "return math.random()",
    "crypto.uuid": "return crypto.uuid()",
}


@pytest.mark.parametrize(("function", "body"), FORBIDDEN.items(), ids=FORBIDDEN)
def test_a_condition_must_not_call(drive: Drive, function: str, body: str) -> None:
    driver = drive(f"""
    return function(ctx)
      local _, err = pcall(ctx.wait_condition, ctx, function() {body} end)
      return tostring(err)
    end
    """)
    message = result(driver.start())
    assert message.endswith(f"{function}: not allowed in a wait_condition predicate: predicates must be read-only")


def test_an_error_in_a_condition_fails_a_workflow_that_does_not_catch_it(drive: Drive) -> None:
    driver = drive("return function(ctx) ctx:wait_condition(function() ctx:sleep(1) end) end")
    assert "must be read-only" in failure(driver.start())["message"]


def test_a_forbidden_call_in_a_condition_is_reported_with_its_line(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local _, err = pcall(ctx.wait_condition, ctx, function() ctx:sleep(1) end)
      return tostring(err)
    end
    """)
    assert result(driver.start()).startswith("workflow.lua:3: ctx:sleep: ")


def test_random_numbers_work_again_after_a_condition_requested_one(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      pcall(ctx.wait_condition, ctx, function() return math.random() end)
      return math.random()
    end
    """)
    assert 0 <= result(driver.start()) < 1


def test_a_condition_must_be_a_function(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local _, err = pcall(ctx.wait_condition, ctx, "x")
      return tostring(err)
    end
    """)
    expected = "ctx:wait_condition: bad argument 'condition' (function expected, got string)"
    assert result(driver.start()) == expected
