"""A timeout of zero or less: calls return available results and do not wait."""

from __future__ import annotations

import pytest

from engine import jobs
from engine.driver import TRY, Drive, kinds, result

EXPIRED = pytest.mark.parametrize("timeout", ["0", "-1"], ids=["zero", "negative"])


@EXPIRED
def test_wait_signal_returns_nil_without_a_signal(drive: Drive, timeout: str) -> None:
    driver = drive(f"""
    return function(ctx)
      return {{ is_nil = ctx:wait_signal("item", {{ timeout = {timeout} }}) == nil }}
    end
    """)
    commands = driver.start()
    assert kinds(commands) == ["complete_workflow_execution"]
    assert result(commands) == {"is_nil": True}


@EXPIRED
def test_wait_signal_takes_a_signal_that_is_there_once(drive: Drive, timeout: str) -> None:
    driver = drive(f"""
    return function(ctx)
      ctx:sleep(1)
      local first = ctx:wait_signal("item", {{ timeout = {timeout} }})
      local second = ctx:wait_signal("item", {{ timeout = {timeout} }})
      return {{ first = first, is_second_nil = second == nil }}
    end
    """)
    driver.start()
    driver.send(jobs.signal("item", "in time"))
    assert result(driver.send(jobs.fire(1), after=1)) == {"first": "in time", "is_second_nil": True}


@EXPIRED
@pytest.mark.parametrize("holds", [True, False], ids=["holds", "does not hold"])
def test_wait_condition_returns_whether_the_condition_holds(drive: Drive, timeout: str, holds: bool) -> None:
    condition = f"function() return {str(holds).lower()} end"
    driver = drive(f"return function(ctx) return ctx:wait_condition({condition}, {{ timeout = {timeout} }}) end")
    commands = driver.start()
    assert kinds(commands) == ["complete_workflow_execution"]
    assert result(commands) is holds


def test_sleep_for_a_negative_time_ends_in_the_next_task(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local began = ctx:now()
      ctx:sleep(-5)
      return ctx:now() - began
    end
    """)
    assert driver.start() == [{"start_timer": {"seq": 1, "start_to_fire_timeout": 0.0}}]
    assert result(driver.send(jobs.fire(1))) == 0


def test_await_all_raises_a_timeout_if_a_future_is_not_done(drive: Drive) -> None:
    driver = drive(f"""{TRY}
    return function(ctx)
      local waiting = ctx:spawn(function() ctx:wait_signal("never") end)
      local done = ctx:spawn(function() end)
      done:get()
      return try(ctx.await_all, ctx, {{ waiting, done }}, {{ timeout = 0 }})
    end
    """)
    assert result(driver.start()) == "err:timeout"


@EXPIRED
def test_await_any_returns_a_future_that_is_done(drive: Drive, timeout: str) -> None:
    driver = drive(f"""
    return function(ctx)
      local waiting = ctx:spawn(function() ctx:wait_signal("never") end)
      local done = ctx:spawn(function() return "done" end)
      done:get()
      local index, value = ctx:await_any({{ waiting, done }}, {{ timeout = {timeout} }})
      return {{ index = index, value = value }}
    end
    """)
    assert result(driver.start()) == {"index": 2, "value": "done"}


@EXPIRED
def test_await_any_returns_nil_if_no_future_is_done(drive: Drive, timeout: str) -> None:
    driver = drive(f"""
    return function(ctx)
      local waiting = ctx:spawn(function() ctx:wait_signal("never") end)
      return {{ is_nil = ctx:await_any({{ waiting }}, {{ timeout = {timeout} }}) == nil }}
    end
    """)
    assert result(driver.start()) == {"is_nil": True}


@EXPIRED
def test_with_timeout_raises_a_timeout_and_does_not_call_its_function(drive: Drive, timeout: str) -> None:
    driver = drive(f"""
    return function(ctx)
      local is_called = false
      local _, err = pcall(ctx.with_timeout, ctx, {timeout}, function() is_called = true end)
      return {{ kind = err.kind, is_called = is_called }}
    end
    """)
    assert result(driver.start()) == {"kind": "timeout", "is_called": False}


def test_a_timeout_must_be_a_number_other_than_nan(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local _, err = pcall(ctx.wait_signal, ctx, "item", { timeout = 0 / 0 })
      return tostring(err)
    end
    """)
    message = "ctx:wait_signal: bad option 'timeout' (a number of seconds expected, got nan)"
    assert message in result(driver.start())
