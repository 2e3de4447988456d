"""Local activities and side effects: the order of their ends, and waits between attempts."""

from __future__ import annotations

import json
from itertools import permutations

import pytest

from engine import jobs
from engine.driver import TRY, Drive, Driver, kinds, make_settings, result

THREE = """
return function(ctx)
  local log, tasks = {}, {}
  for i = 1, 3 do
    local future = ctx:start_local_activity("l", i)
    tasks[i] = ctx:spawn(function()
      local value = future:get() -- not in the assignment, whose index would be from before the wait
      log[#log + 1] = value
      ctx:wait_condition(function() return true end)
      log[#log + 1] = "after " .. i
    end)
  end
  ctx:await_all(tasks)
  return log
end
"""
IN_ORDER = [1, "after 1", 2, "after 2", 3, "after 3"]


@pytest.mark.parametrize("order", list(permutations([1, 2, 3])), ids=str)
def test_local_activities_end_in_the_order_of_their_starts(drive: Drive, order: tuple[int, ...]) -> None:
    driver = drive(THREE)
    driver.start()
    assert result(driver.send(*(jobs.local_activity(seq, seq) for seq in order))) == IN_ORDER


@pytest.mark.parametrize("order", list(permutations([1, 2, 3])), ids=str)
def test_local_activities_end_in_order_also_in_several_activations(drive: Drive, order: tuple[int, ...]) -> None:
    driver = drive(THREE)
    driver.start()
    first, second, third = order
    driver.send(jobs.local_activity(first, first))
    driver.send(jobs.local_activity(second, second))
    assert result(driver.send(jobs.local_activity(third, third))) == IN_ORDER


def test_a_local_activity_resolves_after_tasks_started_by_the_previous_one(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local log = {}
      local first, second = ctx:start_local_activity("l"), ctx:start_local_activity("l")
      local tasks = {
        ctx:spawn(function()
          first:get()
          -- A chain of tasks, each started by the one before.
          local function chain(n)
            log[#log + 1] = n
            if n < 5 then
              ctx:spawn(chain, n + 1):get()
            end
          end
          chain(1)
          log[#log + 1] = "first"
        end),
        ctx:spawn(function() second:get() log[#log + 1] = "second" end),
      }
      ctx:await_all(tasks)
      return log
    end
    """)
    driver.start()
    log = result(driver.send(jobs.local_activity(2), jobs.local_activity(1)))
    assert log == [1, 2, 3, 4, 5, "first", "second"]


def test_a_side_effect_waits_for_the_local_activity_before_it(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local log = {}
      local local_activity = ctx:start_local_activity("l")
      local tasks = {
        ctx:spawn(function() local value = local_activity:get() log[#log + 1] = value end),
        ctx:spawn(function() local value = ctx:side_effect(function() end) log[#log + 1] = value end),
      }
      ctx:await_all(tasks)
      return log
    end
    """)
    driver.start()
    assert driver.send(jobs.local_activity(2, "side effect")) == []
    assert result(driver.send(jobs.local_activity(1, "local activity"))) == ["local activity", "side effect"]


def test_a_side_effect_runs_on_a_copy_with_real_randomness(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local n = 0
      local given = ctx:side_effect(function()
        n = n + 1
        return { count = n, has_ctx = ctx ~= nil }
      end)
      return { count = n, given = given }
    end
    """)
    driver.start()
    assert driver.run is not None
    given = {"count": 1, "has_ctx": True}
    side_effect = driver.run.run_side_effect(1)
    assert side_effect is not None
    assert json.loads(side_effect) == given
    assert result(driver.send(jobs.local_activity(1, given))) == {"count": 0, "given": given}


def retried(drive: Drive) -> Driver:
    """Start a workflow with a local activity that is tried again."""
    driver = drive(f"""{TRY}
    return function(ctx)
      local other = ctx:start_timer(50)
      local first = try(ctx.execute_local_activity, ctx, "l", "in", {{ retry_policy = {{ maximum_attempts = 3 }} }})
      return {{ activity = first, timer = try(other.get, other) }}
    end
    """)
    driver.start()
    return driver


def test_a_long_wait_between_attempts_is_a_timer_of_the_server(drive: Drive) -> None:
    driver = retried(drive)
    assert driver.send(jobs.backoff(1, 90)) == [{"start_timer": {"seq": 2, "start_to_fire_timeout": 90.0}}]
    (command,) = driver.send(jobs.fire(2), after=90)
    schedule = command["schedule_local_activity"]
    assert (schedule["seq"], schedule["activity_id"], schedule["attempt"]) == (2, "2", 2)
    assert (schedule["original_schedule_time"], schedule["arguments"]) == (1000.0, ["in"])
    driver.send(jobs.local_activity(2, "done"))
    assert result(driver.send(jobs.fire(1))) == {"activity": "ok:done", "timer": "ok:nil"}


def test_a_local_activity_may_wait_several_times(drive: Drive) -> None:
    driver = retried(drive)
    for attempt in (2, 3):
        (timer,) = driver.send(jobs.backoff(attempt - 1, 90, attempt))
        assert timer["start_timer"]["seq"] == attempt
        (command,) = driver.send(jobs.fire(attempt), after=90)
        assert command["schedule_local_activity"]["attempt"] == attempt
    driver.send(jobs.local_activity(3, failure=jobs.application("no")))
    assert result(driver.send(jobs.fire(1))) == {"activity": "err:activity", "timer": "ok:nil"}


def test_a_named_activity_keeps_its_name_when_it_is_tried_again(drive: Drive) -> None:
    driver = drive('return function(ctx) ctx:execute_local_activity("l", nil, { activity_id = "mine" }) end')
    driver.start()
    driver.send(jobs.backoff(1, 90))
    (command,) = driver.send(jobs.fire(1))
    assert command["schedule_local_activity"]["activity_id"] == "mine"


def test_a_local_activity_that_waits_for_its_next_attempt_is_cancelled(drive: Drive) -> None:
    driver = retried(drive)
    driver.send(jobs.backoff(1, 90))
    commands = driver.send(jobs.cancel())
    assert kinds(commands) == ["cancel_timer", "cancel_timer", "complete_workflow_execution"]
    assert result(commands) == {"activity": "err:cancelled", "timer": "err:cancelled"}


def test_a_local_activity_is_cancelled_in_its_second_attempt(drive: Drive) -> None:
    driver = retried(drive)
    driver.send(jobs.backoff(1, 90))
    driver.send(jobs.fire(2), after=90)
    assert {"request_cancel_local_activity": {"seq": 2}} in driver.send(jobs.cancel())


def test_a_local_activity_that_has_ended_out_of_order_is_not_cancelled(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local futures = { ctx:start_local_activity("l"), ctx:start_local_activity("l") }
      ctx:await_all(futures)
    end
    """)
    driver.start()
    driver.send(jobs.local_activity(2, "second"))
    assert driver.send(jobs.cancel()) == [{"request_cancel_local_activity": {"seq": 1}}]


def test_a_local_activity_in_backoff_delays_later_ones(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local log, tasks = {}, {}
      for i = 1, 2 do
        local future = ctx:start_local_activity("l")
        tasks[i] = ctx:spawn(function() local value = future:get() log[#log + 1] = value end)
      end
      ctx:await_all(tasks)
      return log
    end
    """)
    driver.start()
    driver.send(jobs.backoff(1, 90), jobs.local_activity(2, "second"))
    driver.send(jobs.fire(1))
    assert result(driver.send(jobs.local_activity(3, "first"))) == ["first", "second"]


def test_a_failure_is_the_same_on_a_replay(drive: Drive) -> None:
    failed = []
    for given in (
        jobs.application("no", "OOPS", 1),  # from the marker on a replay
        jobs.activity_failure(jobs.application("no", "OOPS", 1), "l"),  # from Core while the run is live
    ):
        driver = drive("""
        return function(ctx)
          local ok, problem = pcall(ctx.execute_local_activity, ctx, "l")
          return { kind = problem.kind, type = problem.type, activity_type = problem.activity_type,
            message = tostring(problem), details = problem.details }
        end
        """)
        driver.start()
        failed.append(result(driver.send(jobs.local_activity(1, failure=given))))
    assert failed[0] == failed[1]
    assert failed[0] == {
        "kind": "activity",
        "type": "OOPS",
        "activity_type": "l",
        "message": "activity 'l' failed: no",
        "details": 1,
    }


def test_a_local_activity_that_is_not_registered_fails_the_workflow_task(drive: Drive) -> None:
    source = "return function(ctx) pcall(ctx.execute_local_activity, ctx, 'l') end"
    driver = drive(source, settings=make_settings(local_activities=frozenset({"other"})))
    assert driver.start() == []
    assert driver.failure == "local activity 'l' is not registered with this worker"
