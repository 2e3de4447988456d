"""The order in which the jobs of one activation take effect, as described at the top of `run.py`."""

from __future__ import annotations

from itertools import permutations

import pytest
from temporalio.bridge.proto.workflow_activation import WorkflowActivationJob

from engine import jobs
from engine.driver import TRY, Drive, kinds, result

# A workflow in which each kind of job lets another task note its name.
EVERYTHING = """
return function(ctx)
  local log = {}
  local function after(name, wait)
    ctx:spawn(function()
      wait()
      log[#log + 1] = name
    end)
  end
  local function note(name)
    return function()
      log[#log + 1] = name
    end
  end
  local nexus = { endpoint = "e", service = "s", operation = "o" }
  after("timer", function() ctx:sleep(1) end)
  after("second timer", function() ctx:sleep(1) end)
  after("activity", function() ctx:execute_activity("a") end)
  after("local activity", function() ctx:execute_local_activity("l") end)
  after("child", function() ctx:execute_child_workflow("C") end)
  after("sent signal", function() ctx:signal_workflow({ workflow_id = "w", signal_name = "s" }) end)
  after("sent cancel", function() ctx:cancel_workflow({ workflow_id = "w" }) end)
  after("nexus", function() ctx:execute_nexus_operation(nexus) end)
  after("awaited signal", function() ctx:wait_signal("awaited") end)
  ctx:on_signal("signal", note("signal"))
  ctx:on_dynamic_signal(note("dynamic signal"))
  ctx:register_update("update", note("update"))
  ctx:on_signal("end", function() end)
  ctx:register_query("log", function() return log end)
  ctx:wait_condition(function() return #log == 2 end)
  return log
end
"""

JOBS = {
    "timer": jobs.fire(1),
    "second timer": jobs.fire(2),
    "activity": jobs.activity(1),
    "child": jobs.child(1),
    "sent signal": jobs.signal_sent(1),
    "sent cancel": jobs.cancel_requested(1),
    "nexus": jobs.nexus(1),
    "awaited signal": jobs.signal("awaited"),
    "signal": jobs.signal("signal"),
    "dynamic signal": jobs.signal("other"),
    "update": jobs.update("update"),
}


@pytest.mark.parametrize("pair", list(permutations(JOBS, 2)), ids=" before ".join)
def test_two_jobs_take_effect_in_their_order(drive: Drive, pair: tuple[str, str]) -> None:
    driver = drive(EVERYTHING)
    driver.start()
    driver.send(jobs.child_started(1), jobs.nexus_started(1))
    assert result(driver.send(*(JOBS[name] for name in pair))) == list(pair)


@pytest.mark.parametrize("first", JOBS)
def test_a_local_activity_ends_when_all_has_settled(drive: Drive, first: str) -> None:
    for given in permutations([JOBS[first], jobs.local_activity(2)]):
        driver = drive(EVERYTHING)
        driver.start()
        driver.send(jobs.child_started(1), jobs.nexus_started(1))
        assert result(driver.send(*given)) == [first, "local activity"]


def test_a_condition_is_asked_before_a_local_activity_ends(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local log, ready = {}, false
      ctx:on_signal("go", function() ready = true end)
      local tasks = {
        ctx:spawn(function() ctx:execute_local_activity("l") log[#log + 1] = "local activity" end),
        ctx:spawn(function() ctx:wait_condition(function() return ready end) log[#log + 1] = "condition" end),
      }
      ctx:await_all(tasks)
      return log
    end
    """)
    driver.start()
    assert result(driver.send(jobs.local_activity(1), jobs.signal("go"))) == ["condition", "local activity"]


def test_a_local_activity_resolves_after_woken_conditions_have_run(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local log, ready = {}, false
      ctx:on_signal("go", function() ready = true end)
      local tasks = {
        ctx:spawn(function() ctx:execute_local_activity("l") log[#log + 1] = "local activity" end),
        ctx:spawn(function()
          ctx:wait_condition(function() return ready end)
          ctx:spawn(function() log[#log + 1] = "what the condition set going" end)
        end),
      }
      ctx:await_all(tasks)
      return log
    end
    """)
    driver.start()
    log = result(driver.send(jobs.local_activity(1), jobs.signal("go")))
    assert log == ["what the condition set going", "local activity"]


def test_conditions_are_asked_in_the_order_in_which_they_began_to_wait(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local log, ready, tasks = {}, false, {}
      for i = 1, 3 do
        tasks[i] = ctx:spawn(function() ctx:wait_condition(function() return ready end) log[#log + 1] = i end)
      end
      ctx:on_signal("go", function() ready = true end)
      ctx:await_all(tasks)
      return log
    end
    """)
    driver.start()
    assert result(driver.send(jobs.signal("go"))) == [1, 2, 3]


def test_a_condition_guards_a_lock_for_one_task_at_a_time(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local holder, most, tasks = 0, 0, {}
      for i = 1, 3 do
        tasks[i] = ctx:spawn(function()
          ctx:wait_condition(function() return holder == 0 end)
          holder = holder + 1
          most = math.max(most, holder)
          ctx:sleep(1)
          holder = holder - 1
        end)
      end
      ctx:await_all(tasks)
      return most
    end
    """)
    assert kinds(driver.start()) == ["start_timer"]
    assert kinds(driver.send(jobs.fire(1))) == ["start_timer"]
    assert kinds(driver.send(jobs.fire(2))) == ["start_timer"]
    assert result(driver.send(jobs.fire(3))) == 1


def test_tasks_that_a_job_wakes_run_before_the_next_job(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local log = {}
      local function add(what) log[#log + 1] = what end
      local tasks = {
        ctx:spawn(function() ctx:sleep(1) ctx:spawn(add, "spawned by the first") add("first") ctx:sleep(9) end),
        ctx:spawn(function() ctx:sleep(1) add("second") end),
      }
      ctx:wait_condition(function() return #log == 3 end)
      return log
    end
    """)
    driver.start()
    commands = driver.send(jobs.fire(1), jobs.fire(2))
    assert result(commands) == ["first", "spawned by the first", "second"]


def test_queries_are_answered_when_all_else_is_done(drive: Drive) -> None:
    driver = drive(EVERYTHING)
    driver.start()
    commands = driver.send(jobs.query("log"), jobs.fire(1))
    assert commands[-1]["respond_to_query"]["succeeded"]["response"] == ["timer"]


def test_patches_and_seeds_are_noted_before_all_else(drive: Drive) -> None:
    driver = drive("return function(ctx) return { ctx:patched('p'), ctx:random(1000000) } end")
    first = result(driver.send(jobs.initialize(), jobs.new_seed(7), jobs.has_patch("p"), is_replaying=True))
    driver = drive("return function(ctx) return { ctx:patched('p'), ctx:random(1000000) } end")
    assert result(driver.send(jobs.has_patch("p"), jobs.new_seed(7), jobs.initialize(), is_replaying=True)) == first
    assert first[0] is True


def test_a_validator_sees_what_a_signal_before_it_did(drive: Drive) -> None:
    source = """
    return function(ctx)
      local limit = 10
      ctx:on_signal("limit", function(v) limit = v end)
      local validator = function(x) assert(x <= limit, "too much") end
      ctx:register_update("take", function(x) return x end, { validator = validator })
      ctx:sleep(9)
    end
    """
    driver = drive(source)
    driver.start()
    commands = driver.send(jobs.signal("limit", 20), jobs.update("take", 15))
    assert [list(command["update_response"])[1] for command in commands] == ["accepted", "completed"]
    driver = drive(source)
    driver.start()
    (command,) = driver.send(jobs.update("take", 15), jobs.signal("limit", 20))
    assert "rejected" in command["update_response"]


# A cancel ---------------------------------------------------------------------------------------------------------

RESOLVED = {
    "timer": ("ctx:sleep(1)", jobs.fire(1)),
    "activity": ('ctx:execute_activity("a")', jobs.activity(1)),
    "child": ('ctx:execute_child_workflow("C")', jobs.child(1)),
    "sent signal": ('ctx:signal_workflow({ workflow_id = "w", signal_name = "s" })', jobs.signal_sent(1)),
    "sent cancel": ('ctx:cancel_workflow({ workflow_id = "w" })', jobs.cancel_requested(1)),
    "nexus": ('ctx:execute_nexus_operation({ endpoint = "e", service = "s", operation = "o" })', jobs.nexus(1)),
    "awaited signal": ('ctx:wait_signal("s")', jobs.signal("s")),
    "future": ('ctx:start_activity("a"):get()', jobs.activity(1)),
    "any future": ('ctx:await_any({ ctx:start_activity("a") })', jobs.activity(1)),
    "all futures": ('ctx:await_all({ ctx:start_activity("a") })', jobs.activity(1)),
}


@pytest.mark.parametrize(("wait", "job"), list(RESOLVED.values()), ids=RESOLVED)
@pytest.mark.parametrize("is_first", [True, False], ids=["after a cancel", "before a cancel"])
def test_a_result_wins_over_a_cancel_of_the_same_activation(
    drive: Drive, wait: str, job: WorkflowActivationJob, is_first: bool
) -> None:
    driver = drive(f"""{TRY}
    return function(ctx)
      local first = try(function() {wait} end)
      return {{ first, try(ctx.sleep, ctx, 9), try(ctx.sleep, ctx, 9) }}
    end
    """)
    driver.start()
    if "child" in wait:
        driver.send(jobs.child_started(1))
    commands = driver.send(*([jobs.cancel(), job] if is_first else [job, jobs.cancel()]))
    # The next wait meets the cancel, and only that.
    assert commands[-1]["start_timer"]["seq"] > 0
    seq = commands[-1]["start_timer"]["seq"]
    assert result(driver.send(jobs.fire(seq))) == ["ok:nil", "err:cancelled", "ok:nil"]


def test_a_result_wins_over_a_cancel_of_the_same_turn(drive: Drive) -> None:
    driver = drive(f"""{TRY}
    return function(ctx)
      local step = ctx:start_activity("a")
      local inner = ctx:spawn(function() step:get() return "result" end)
      local outer = ctx:spawn(function() return {{ try(inner.get, inner), try(ctx.sleep, ctx, 9) }} end)
      ctx:sleep(1)
      step:get()
      outer:cancel()
      return outer:get()
    end
    """)
    driver.start()
    driver.send(jobs.fire(1))
    assert result(driver.send(jobs.activity(1))) == ["ok:result", "err:cancelled"]


def test_a_cancel_takes_effect_before_the_next_job(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local log = {}
      local cancelled = ctx:spawn(function() pcall(ctx.sleep, ctx, 9) log[#log + 1] = "cancelled" end)
      local other = ctx:spawn(function() ctx:sleep(1) log[#log + 1] = "next job" end)
      ctx:sleep(1)
      cancelled:cancel()
      ctx:await_all({ cancelled, other })
      return log
    end
    """)
    driver.start()
    assert result(driver.send(jobs.fire(1), jobs.fire(3))) == ["cancelled", "next job"]


@pytest.mark.parametrize("message", [jobs.signal("m"), jobs.update("m")], ids=["signal", "update"])
@pytest.mark.parametrize("is_first", [True, False], ids=["after a cancel", "before a cancel"])
def test_a_handler_runs_also_beside_a_cancel(drive: Drive, message: WorkflowActivationJob, is_first: bool) -> None:
    driver = drive("""
    return function(ctx)
      local handled = 0
      local function handler() handled = handled + 1 end
      ctx:on_signal("m", handler)
      ctx:register_update("m", handler)
      pcall(ctx.sleep, ctx, 9)
      pcall(ctx.shield, ctx, function() ctx:sleep(1) end)
      return handled
    end
    """)
    driver.start()
    driver.send(*([jobs.cancel(), message] if is_first else [message, jobs.cancel()]))
    assert result(driver.send(jobs.fire(2))) == 1


def test_a_buffered_signal_reaches_its_handler_despite_a_cancellation(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local handled = 0
      ctx:execute_activity("a")
      ctx:on_signal("s", function() handled = handled + 1 end)
      pcall(ctx.sleep, ctx, 9)
      ctx:shield(function() ctx:sleep(1) end)
      return handled
    end
    """)
    driver.start()
    driver.send(jobs.signal("s"), jobs.signal("s"))
    driver.send(jobs.activity(1), jobs.cancel())
    assert result(driver.send(jobs.fire(2))) == 2


def test_a_cancelled_wait_leaves_the_signal_to_the_next_wait(drive: Drive) -> None:
    driver = drive(f"""{TRY}
    return function(ctx)
      local other = ctx:spawn(function() return ctx:shield(function() return (ctx:wait_signal("s")) end) end)
      local first = try(ctx.sleep, ctx, 9)
      return {{ first, other:get() }}
    end
    """)
    driver.start()
    driver.send(jobs.cancel())
    assert result(driver.send(jobs.signal("s", 5))) == ["err:cancelled", 5]
