"""Cancellation of the tree of tasks, futures, deadlines and shields."""

from __future__ import annotations

from engine import jobs
from engine.driver import TRY, Drive, kinds, result

SWALLOWS = f"""{TRY}
return function(ctx)
  local task = ctx:spawn(function()
    return {{ try(ctx.sleep, ctx, 600), try(ctx.sleep, ctx, 600), try(ctx.sleep, ctx, 600) }}
  end)
  ctx:wait_signal("cancel the task")
  task:cancel()
  pcall(ctx.wait_signal, ctx, "never")
  return ctx:shield(function() return task:get() end)
end
"""


def test_a_task_that_swallowed_a_cancellation_gets_the_workflows(drive: Drive) -> None:
    driver = drive(SWALLOWS)
    driver.start()
    assert kinds(driver.send(jobs.signal("cancel the task"))) == ["cancel_timer", "start_timer"]
    assert kinds(driver.send(jobs.cancel())) == ["cancel_timer", "start_timer"]
    assert result(driver.send(jobs.fire(3))) == ["err:cancelled", "err:cancelled", "ok:nil"]


def test_a_task_is_cancelled_once_however_often_it_is_asked(drive: Drive) -> None:
    driver = drive(f"""{TRY}
    return function(ctx)
      local task = ctx:spawn(function() return {{ try(ctx.sleep, ctx, 1), try(ctx.sleep, ctx, 2) }} end)
      for _ = 1, 2 do
        ctx:wait_signal("cancel")
        task:cancel()
        task:cancel()
      end
      return task:get()
    end
    """)
    driver.start()
    assert kinds(driver.send(jobs.signal("cancel"))) == ["cancel_timer", "start_timer"]
    assert driver.send(jobs.signal("cancel")) == []
    assert result(driver.send(jobs.fire(2))) == ["err:cancelled", "ok:nil"]


def test_a_swallowed_deadline_does_not_hide_the_workflows_cancellation(drive: Drive) -> None:
    driver = drive(f"""{TRY}
    return function(ctx)
      return {{ try(ctx.with_timeout, ctx, 1, function()
        return try(ctx.sleep, ctx, 600) .. " " .. try(ctx.sleep, ctx, 600)
      end) }}
    end
    """)
    driver.start()
    assert kinds(driver.send(jobs.fire(1), after=1)) == ["cancel_timer", "start_timer"]
    assert result(driver.send(jobs.cancel())) == ["ok:err:cancelled err:cancelled"]


def test_a_cancel_goes_down_the_tree_in_the_order_of_the_starts(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      ctx:start_timer(1)
      ctx:spawn(function()
        ctx:spawn(function() ctx:sleep(3) end)
        ctx:sleep(2)
      end)
      ctx:wait_signal("never")
    end
    """)
    started = driver.start()
    assert [command["start_timer"]["start_to_fire_timeout"] for command in started] == [1, 2, 3]
    # The function, which began first, lets the cancel through before it reaches the others.
    ended, *stopped = driver.send(jobs.cancel())
    assert ended == {"cancel_workflow_execution": {}}
    assert stopped == [{"cancel_timer": {"seq": seq}} for seq in (1, 2, 3)]


def test_a_cancelled_task_takes_what_it_started_with_it(drive: Drive) -> None:
    driver = drive(f"""{TRY}
    return function(ctx)
      local inner
      local outer = ctx:spawn(function()
        inner = ctx:spawn(function() ctx:sleep(600) end)
        ctx:sleep(600)
      end)
      ctx:sleep(1)
      outer:cancel()
      return {{ outer = try(outer.get, outer), inner = try(inner.get, inner) }}
    end
    """)
    driver.start()
    assert result(driver.send(jobs.fire(1))) == {"outer": "err:cancelled", "inner": "err:cancelled"}


def test_a_cancelled_future_leaves_the_others_alone(drive: Drive) -> None:
    driver = drive(f"""{TRY}
    return function(ctx)
      local one, two = ctx:start_timer(5), ctx:start_timer(6)
      one:cancel()
      return {{ one = try(one.get, one), two = try(two.get, two) }}
    end
    """)
    assert driver.start()[-1] == {"cancel_timer": {"seq": 1}}
    assert result(driver.send(jobs.fire(2))) == {"one": "err:cancelled", "two": "ok:nil"}


def test_a_task_that_has_not_begun_never_begins_when_it_is_cancelled(drive: Drive) -> None:
    driver = drive(f"""{TRY}
    return function(ctx)
      local began = false
      local task = ctx:spawn(function() began = true end)
      task:cancel()
      return {{ ended = try(task.get, task), began = began, is_done = task:done() }}
    end
    """)
    assert result(driver.start()) == {"ended": "err:cancelled", "began": False, "is_done": True}


def test_steps_started_in_a_shield_are_not_cancelled(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local inner
      ctx:shield(function() inner = ctx:start_activity("a") end)
      pcall(ctx.wait_signal, ctx, "never")
      return ctx:shield(function() return inner:get() end)
    end
    """)
    driver.start()
    assert driver.send(jobs.cancel()) == []
    assert result(driver.send(jobs.activity(1, "kept"))) == "kept"


def test_a_shield_runs_to_its_end_before_the_cancel_continues(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      ctx:shield(function() ctx:sleep(1) end)
      ctx:sleep(2)
    end
    """)
    driver.start()
    assert driver.send(jobs.cancel()) == []
    assert kinds(driver.send(jobs.fire(1))) == ["start_timer", "cancel_timer", "cancel_workflow_execution"]


def test_the_result_of_a_function_counts_if_a_cancel_interrupts_no_wait(drive: Drive) -> None:
    driver = drive("return function(ctx) ctx:sleep(1) return 'done' end")
    driver.start()
    assert driver.send(jobs.fire(1), jobs.cancel()) == [{"complete_workflow_execution": {"result": "done"}}]


def test_a_second_cancel_of_the_workflow_reaches_what_waits_then(drive: Drive) -> None:
    driver = drive(TRY + "return function(ctx) return { try(ctx.sleep, ctx, 1), try(ctx.sleep, ctx, 2) } end")
    driver.start()
    driver.send(jobs.cancel())
    assert result(driver.send(jobs.cancel())) == ["err:cancelled", "err:cancelled"]


def test_a_late_deadline_raises_a_timeout(drive: Drive) -> None:
    driver = drive(TRY + "return function(ctx) return try(ctx.with_timeout, ctx, 1, function() ctx:sleep(9) end) end")
    driver.start()
    commands = driver.send(jobs.fire(1), after=1)
    assert kinds(commands) == ["cancel_timer", "complete_workflow_execution"]
    assert result(commands) == "err:timeout"


def test_a_deadline_within_a_deadline(drive: Drive) -> None:
    driver = drive(f"""{TRY}
    return function(ctx)
      local inner
      local outer = try(ctx.with_timeout, ctx, 1, function()
        inner = try(ctx.with_timeout, ctx, 9, function() ctx:sleep(99) end)
        ctx:sleep(5)
      end)
      return {{ outer = outer, inner = inner }}
    end
    """)
    driver.start()
    driver.send(jobs.fire(1), after=1)
    assert result(driver.send(jobs.fire(4), after=5)) == {"outer": "ok:nil", "inner": "err:cancelled"}


def test_a_workflow_cancel_within_a_deadline_is_a_cancel(drive: Drive) -> None:
    driver = drive(TRY + "return function(ctx) return try(ctx.with_timeout, ctx, 9, function() ctx:sleep(99) end) end")
    driver.start()
    assert result(driver.send(jobs.cancel())) == "err:cancelled"


def test_a_cancelled_handler_does_not_fail_the_workflow(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      ctx:on_signal("s", function() ctx:sleep(600) end)
      pcall(ctx.wait_signal, ctx, "never")
      return "handled"
    end
    """)
    driver.start()
    driver.send(jobs.signal("s"))
    assert driver.send(jobs.cancel())[0] == {"complete_workflow_execution": {"result": "handled"}}


def test_a_cancelled_update_says_so(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      ctx:register_update("u", function() ctx:sleep(600) end)
      pcall(ctx.wait_signal, ctx, "never")
      return ctx:shield(function() return (ctx:wait_signal("end")) end)
    end
    """)
    driver.start()
    driver.send(jobs.update("u"))
    commands = driver.send(jobs.cancel())
    assert kinds(commands) == ["cancel_timer", "update_response"]
    rejected = commands[1]["update_response"]["rejected"]
    assert rejected == {"message": "the update was cancelled", "canceled_failure_info": {}}
