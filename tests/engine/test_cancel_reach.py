"""The effects of cancelling a workflow or a future, and of deadlines."""

from __future__ import annotations

from engine import jobs
from engine.driver import TRY, Drive, kinds, result

# The cancellation of a workflow -----------------------------------------------------------------------------------


def test_a_cancel_reaches_a_signal_handler(drive: Drive) -> None:
    driver = drive(f"""{TRY}
    return function(ctx)
      local seen
      ctx:on_signal("s", function() seen = try(ctx.sleep, ctx, 600) end)
      pcall(ctx.wait_signal, ctx, "never")
      ctx:wait_condition(function() return ctx:all_handlers_finished() end)
      return seen
    end
    """)
    driver.start()
    driver.send(jobs.signal("s"))
    assert result(driver.send(jobs.cancel())) == "err:cancelled"


def test_a_cancel_reaches_a_task_that_a_task_started(drive: Drive) -> None:
    driver = drive(f"""{TRY}
    return function(ctx)
      local outer, inner
      ctx:spawn(function()
        ctx:spawn(function() inner = try(ctx.sleep, ctx, 600) end)
        outer = try(ctx.sleep, ctx, 600)
      end)
      pcall(ctx.wait_signal, ctx, "never")
      ctx:wait_condition(function() return outer and inner end)
      return {{ outer = outer, inner = inner }}
    end
    """)
    driver.start()
    assert result(driver.send(jobs.cancel())) == {"outer": "err:cancelled", "inner": "err:cancelled"}


def test_a_cancelled_task_can_wait_while_it_cleans_up(drive: Drive) -> None:
    driver = drive(f"""{TRY}
    return function(ctx)
      local task = ctx:spawn(function()
        return {{ first = try(ctx.sleep, ctx, 600), clean_up = try(ctx.sleep, ctx, 1) }}
      end)
      pcall(ctx.wait_signal, ctx, "never")
      return ctx:shield(function() return task:get() end)
    end
    """)
    driver.start()
    assert kinds(driver.send(jobs.cancel())) == ["cancel_timer", "start_timer"]
    assert result(driver.send(jobs.fire(2), after=1)) == {"first": "err:cancelled", "clean_up": "ok:nil"}


def test_a_cancel_reaches_the_futures_that_await_all_waits_for(drive: Drive) -> None:
    driver = drive(f"""{TRY}
    return function(ctx)
      local activity, timer = ctx:start_activity("a"), ctx:start_timer(600)
      return {{
        all = try(ctx.await_all, ctx, {{ activity, timer }}),
        activity = try(activity.get, activity),
        timer = try(timer.get, timer),
      }}
    end
    """)
    driver.start()
    assert kinds(driver.send(jobs.cancel())) == ["request_cancel_activity", "cancel_timer"]
    ended = driver.send(jobs.activity(1, failure=jobs.activity_failure(jobs.cancelled(), "a")))
    assert result(ended) == {"all": "err:cancelled", "activity": "err:cancelled", "timer": "err:cancelled"}


def test_a_cancellation_does_not_reach_a_timer_started_in_a_shield(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local timer = ctx:shield(function() return ctx:start_timer(5) end)
      local _, err = pcall(ctx.wait_signal, ctx, "never")
      timer:get()
      return { wait = err.kind, is_cancelled = ctx:is_cancelled(), seconds = ctx:now() - 1000 }
    end
    """)
    driver.start()
    assert driver.send(jobs.cancel()) == []
    assert result(driver.send(jobs.fire(1), after=5)) == {"wait": "cancelled", "is_cancelled": True, "seconds": 5}


def test_a_shielded_update_is_answered_after_cancellation(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      ctx:register_update("u", function()
        ctx:shield(function() ctx:wait_signal("go") end)
        return "answered"
      end)
      ctx:shield(function() ctx:wait_signal("end") end)
      return "completed"
    end
    """)
    driver.start()
    driver.send(jobs.update("u"))
    assert driver.send(jobs.cancel()) == []
    (response,) = driver.send(jobs.signal("go"))
    assert response["update_response"]["completed"] == "answered"
    assert result(driver.send(jobs.signal("end"))) == "completed"


# Shields ----------------------------------------------------------------------------------------------------------


def test_a_shield_returns_all_results_of_its_function(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      return { ctx:shield(function() return "first", "second" end) }
    end
    """)
    assert result(driver.start()) == ["first", "second"]


def test_a_shield_passes_the_error_of_its_function_on(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local function fail() error({ type = "X", message = "in a shield" }) end
      local ok, err = pcall(ctx.shield, ctx, fail)
      return { ok = ok, type = err.type, message = err.message }
    end
    """)
    assert result(driver.start()) == {"ok": False, "type": "X", "message": "in a shield"}


# The cancellation of a future -------------------------------------------------------------------------------------


def test_cancelling_a_task_cancels_its_timer(drive: Drive) -> None:
    driver = drive(f"""{TRY}
    return function(ctx)
      local task = ctx:spawn(function()
        local timer = ctx:start_timer(600)
        return {{ sleep = try(ctx.sleep, ctx, 600), timer = try(timer.get, timer) }}
      end)
      ctx:wait_signal("cancel")
      task:cancel()
      return {{ task = task:get(), is_cancelled = ctx:is_cancelled() }}
    end
    """)
    driver.start()
    commands = driver.send(jobs.signal("cancel"))
    assert result(commands) == {
        "task": {"sleep": "err:cancelled", "timer": "err:cancelled"},
        "is_cancelled": False,
    }


# Deadlines --------------------------------------------------------------------------------------------------------


def test_a_function_within_its_deadline_gives_all_its_results(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      return { ctx:with_timeout(60, function() return ctx:execute_activity("a"), "second" end) }
    end
    """)
    driver.start()
    assert result(driver.send(jobs.activity(1, "first"))) == ["first", "second"]


def test_an_expired_deadline_raises_a_timeout(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local ok, err = pcall(ctx.with_timeout, ctx, 1, function() ctx:sleep(600) end)
      return { ok = ok, kind = err.kind, type = err.type, message = tostring(err) }
    end
    """)
    driver.start()
    assert result(driver.send(jobs.fire(1), after=1)) == {
        "ok": False,
        "kind": "timeout",
        "type": "TIMEOUT",
        "message": "ctx:with_timeout: timed out after 1 s",
    }


def test_a_deadline_of_zero_seconds_has_expired(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local ok, err = pcall(ctx.with_timeout, ctx, 0, print)
      return { ok = ok, message = tostring(err) }
    end
    """)
    assert result(driver.start()) == {"ok": False, "message": "ctx:with_timeout: timed out after 0 s"}


def test_an_expired_deadline_cancels_what_the_function_started(drive: Drive) -> None:
    driver = drive(f"""{TRY}
    return function(ctx)
      local timer
      local outcome = try(ctx.with_timeout, ctx, 1, function()
        timer = ctx:start_timer(600)
        ctx:execute_activity("a")
      end)
      return {{ outcome = outcome, is_done = timer:done(), timer = try(timer.get, timer) }}
    end
    """)
    driver.start()
    assert kinds(driver.send(jobs.fire(1), after=1)) == ["request_cancel_activity", "cancel_timer"]
    ended = driver.send(jobs.activity(1, failure=jobs.activity_failure(jobs.cancelled(), "a")))
    assert result(ended) == {"outcome": "err:timeout", "is_done": True, "timer": "err:cancelled"}


def test_an_expired_deadline_reaches_a_deadline_within(drive: Drive) -> None:
    driver = drive(f"""{TRY}
    return function(ctx)
      return try(ctx.with_timeout, ctx, 1, function()
        return ctx:with_timeout(600, function() ctx:sleep(600) end)
      end)
    end
    """)
    driver.start()
    assert result(driver.send(jobs.fire(1), after=1)) == "err:timeout"


def test_a_function_that_fails_by_itself_keeps_its_error(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local _, err = pcall(ctx.with_timeout, ctx, 60, function()
        pcall(ctx.with_timeout, ctx, 1, ctx.sleep)
        error({ kind = "own", message = "not a timeout" })
      end)
      return { kind = err.kind, message = err.message }
    end
    """)
    assert result(driver.start()) == {"kind": "own", "message": "not a timeout"}


def test_a_function_that_catches_its_cancellation_returns_its_result(drive: Drive) -> None:
    driver = drive(f"""{TRY}
    return function(ctx)
      return ctx:with_timeout(1, function() return try(ctx.sleep, ctx, 600) end)
    end
    """)
    driver.start()
    assert result(driver.send(jobs.fire(1), after=1)) == "err:cancelled"


def test_a_function_that_reraises_its_cancellation_has_timed_out(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local ok, err = pcall(ctx.with_timeout, ctx, 1, function()
        local _, cancellation = pcall(ctx.sleep, ctx, 600)
        ctx:sleep(3)
        error(cancellation, 0)
      end)
      return { ok = ok, kind = err.kind, type = err.type }
    end
    """)
    driver.start()
    assert kinds(driver.send(jobs.fire(1), after=1)) == ["cancel_timer", "start_timer"]
    assert result(driver.send(jobs.fire(3), after=3)) == {"ok": False, "kind": "timeout", "type": "TIMEOUT"}


def test_a_shielded_function_returns_its_results_after_its_deadline(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      return { ctx:with_timeout(1, function()
        return ctx:shield(function() ctx:sleep(3) return "first", "second" end)
      end) }
    end
    """)
    driver.start()
    assert driver.send(jobs.fire(1), after=1) == []
    assert result(driver.send(jobs.fire(2), after=3)) == ["first", "second"]
