"""Futures: results and errors of `get`, `done`, `ctx:await_all` and `ctx:await_any`."""

from __future__ import annotations

import logging

import pytest

from engine import jobs
from engine.driver import TRY, Drive, kinds, result

BROKEN = jobs.activity_failure(jobs.application("no", "BROKEN"), "a")

# One future -------------------------------------------------------------------------------------------------------


def test_get_returns_the_result_of_an_activity(drive: Drive) -> None:
    driver = drive("return function(ctx) return ctx:start_activity('a'):get() end")
    driver.start()
    assert result(driver.send(jobs.activity(1, [1, 2]))) == [1, 2]


def test_get_returns_the_same_table_each_time(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local future = ctx:start_activity("a")
      return rawequal(future:get(), future:get())
    end
    """)
    driver.start()
    assert result(driver.send(jobs.activity(1, [1, 2]))) is True


def test_get_returns_all_results_of_a_spawned_function(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local task = ctx:spawn(function(a, b) ctx:sleep(1) return a + b, "second" end, 1, 2)
      return { task:get() }
    end
    """)
    driver.start()
    assert result(driver.send(jobs.fire(1))) == [3, "second"]


def test_get_of_a_timer_returns_nil(drive: Drive) -> None:
    driver = drive("return function(ctx) return { is_nil = ctx:start_timer(1):get() == nil } end")
    driver.start()
    assert result(driver.send(jobs.fire(1))) == {"is_nil": True}


def test_get_raises_the_error_of_an_activity(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local future = ctx:start_activity("a")
      local _, err = pcall(future.get, future)
      return { kind = err.kind, type = err.type }
    end
    """)
    driver.start()
    assert result(driver.send(jobs.activity(1, failure=BROKEN))) == {"kind": "activity", "type": "BROKEN"}


def test_get_raises_the_same_error_each_time(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local future = ctx:start_activity("a")
      local _, first = pcall(future.get, future)
      local _, second = pcall(future.get, future)
      return rawequal(first, second)
    end
    """)
    driver.start()
    assert result(driver.send(jobs.activity(1, failure=BROKEN))) is True


def test_get_raises_the_table_that_a_spawned_function_raised(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local task = ctx:spawn(function() error({ code = 7 }) end)
      local _, err = pcall(task.get, task)
      return { code = err.code }
    end
    """)
    assert result(driver.start()) == {"code": 7}


def test_done_is_true_once_a_future_has_completed(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local futures = {
        activity = ctx:start_activity("a"),
        timer = ctx:start_timer(1),
        task = ctx:spawn(function() ctx:wait_signal("s") end),
      }
      local function done()
        return { activity = futures.activity:done(), timer = futures.timer:done(), task = futures.task:done() }
      end
      local before = done()
      ctx:wait_signal("look")
      return { before = before, after = done() }
    end
    """)
    driver.start()
    driver.send(jobs.activity(1), jobs.fire(1), jobs.signal("s"))
    assert result(driver.send(jobs.signal("look"))) == {
        "before": {"activity": False, "timer": False, "task": False},
        "after": {"activity": True, "timer": True, "task": True},
    }


def test_only_child_futures_have_a_workflow_id(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local activity, child = ctx:start_activity("a"), ctx:start_child_workflow("C", nil, { workflow_id = "c" })
      ctx:wait_signal("go")
      return { text = tostring(activity), activity = activity.workflow_id, child = child.workflow_id }
    end
    """)
    driver.start()
    assert result(driver.send(jobs.signal("go"))) == {"text": "Future", "child": "c"}


# await_all --------------------------------------------------------------------------------------------------------


def test_await_all_returns_the_results_of_all_kinds_of_futures(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local results = ctx:await_all({
        ctx:start_activity("a"),
        ctx:start_timer(1),
        ctx:spawn(function() return "spawned" end),
        ctx:start_local_activity("l"),
        ctx:start_child_workflow("Child"),
      })
      return { activity = results[1], timer = results[2], task = results[3], local_activity = results[4],
        child = results[5] }
    end
    """)
    driver.start()
    driver.send(jobs.activity(1, "remote"), jobs.fire(1), jobs.child_started(1))
    driver.send(jobs.local_activity(2, "local"))
    assert result(driver.send(jobs.child(1, "child"))) == {
        "activity": "remote",
        "task": "spawned",
        "local_activity": "local",
        "child": "child",
    }


def test_await_all_raises_the_first_error_and_cancels_the_others(drive: Drive) -> None:
    driver = drive(f"""{TRY}
    return function(ctx)
      local slow, timer = ctx:start_activity("slow"), ctx:start_timer(60)
      local ok, err = pcall(ctx.await_all, ctx, {{ slow, ctx:start_activity("a"), timer }})
      return {{ ok = ok, type = err.type, slow = try(slow.get, slow), timer = try(timer.get, timer) }}
    end
    """)
    driver.start()
    commands = driver.send(jobs.activity(2, failure=BROKEN))
    assert kinds(commands) == ["request_cancel_activity", "cancel_timer"]
    commands = driver.send(jobs.activity(1, failure=jobs.activity_failure(jobs.cancelled(), "slow")))
    assert result(commands) == {"ok": False, "type": "BROKEN", "slow": "err:cancelled", "timer": "err:cancelled"}


def test_await_all_raises_a_timeout_when_its_time_has_passed(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local futures = { ctx:start_timer(60), ctx:start_timer(1) }
      local ok, err = pcall(ctx.await_all, ctx, futures, { timeout = 2 })
      return { ok = ok, kind = err.kind, message = tostring(err) }
    end
    """)
    assert [command["start_timer"]["start_to_fire_timeout"] for command in driver.start()] == [2, 60, 1]
    driver.send(jobs.fire(3), after=1)
    ended, cancelled = driver.send(jobs.fire(1), after=1)
    assert cancelled == {"cancel_timer": {"seq": 2}}
    assert result([ended]) == {
        "ok": False,
        "kind": "timeout",
        "message": "ctx:await_all: timed out after 2 s",
    }


def test_await_all_of_no_futures_returns_an_empty_table(drive: Drive) -> None:
    driver = drive("return function(ctx) return #ctx:await_all({}) end")
    assert result(driver.start()) == 0


def test_await_all_accepts_what_table_pack_returns(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      return ctx:await_all(table.pack(ctx:spawn(function() return "packed" end)))
    end
    """)
    assert result(driver.start()) == ["packed"]


# await_any --------------------------------------------------------------------------------------------------------


def test_await_any_returns_the_index_and_results_of_the_first_to_complete(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local slow, quick = ctx:start_timer(60), ctx:spawn(function() ctx:sleep(1) return "quick", 2 end)
      return { first = { ctx:await_any({ slow, quick }) }, again = { ctx:await_any({ slow, quick }) } }
    end
    """)
    driver.start()
    assert result(driver.send(jobs.fire(2))) == {"first": [2, "quick", 2], "again": [2, "quick", 2]}


def test_await_any_returns_nothing_when_its_time_has_passed(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      return select("#", ctx:await_any({ ctx:start_timer(60) }, { timeout = 1 }))
    end
    """)
    assert [command["start_timer"]["start_to_fire_timeout"] for command in driver.start()] == [1, 60]
    assert result(driver.send(jobs.fire(1), after=1)) == 0


def test_await_any_raises_the_error_of_the_first_that_ends(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local ok, err = pcall(ctx.await_any, ctx, { ctx:start_timer(60), ctx:start_activity("a") })
      return { ok = ok, type = err.type }
    end
    """)
    driver.start()
    assert result(driver.send(jobs.activity(1, failure=BROKEN))) == {"ok": False, "type": "BROKEN"}


def test_await_any_raises_that_a_future_was_cancelled(drive: Drive) -> None:
    driver = drive(f"""{TRY}
    return function(ctx)
      local timer = ctx:start_timer(60)
      timer:cancel()
      timer:cancel()
      return try(ctx.await_any, ctx, {{ timer }})
    end
    """)
    assert result(driver.start()) == "err:cancelled"


# Failures that nothing waits for ----------------------------------------------------------------------------------


def test_failures_of_unawaited_tasks_are_logged(drive: Drive, caplog: pytest.LogCaptureFixture) -> None:
    driver = drive("""
    return function(ctx)
      local task = ctx:spawn(function() error("lost") end)
      ctx:wait_condition(function() return task:done() end)
      return "done"
    end
    """)
    with caplog.at_level(logging.WARNING):
        assert result(driver.start()) == "done"
    expected = (
        "workflow 'W' (the-workflow) ended with an unawaited failure of a function of ctx:spawn: workflow.lua:3: lost"
    )
    assert expected in caplog.text


def test_failures_of_unawaited_activities_are_logged(drive: Drive, caplog: pytest.LogCaptureFixture) -> None:
    driver = drive("""
    return function(ctx)
      local activity = ctx:start_activity("a")
      ctx:wait_condition(function() return activity:done() end)
      return "done"
    end
    """)
    driver.start()
    with caplog.at_level(logging.WARNING):
        assert result(driver.send(jobs.activity(1, failure=BROKEN))) == "done"
    assert "workflow 'W' (the-workflow) ended with an unawaited failure of activity 'a': " in caplog.text
