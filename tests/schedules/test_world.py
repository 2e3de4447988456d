"""Runs of workflows in a simulated server under a given schedule."""

from __future__ import annotations

import pytest

from assay.simulation.choices import Unsupported
from assay.simulation.violation import Violation
from schedules.worlds import activity, make_plan, run, signal, update, value

TWO_STEPS = """
return function(ctx)
  ctx:execute_activity("act", 1)
  ctx:execute_activity("act", 2)
  return "done"
end
"""


def test_the_default_schedule_runs_to_the_end_without_deviations() -> None:
    world = run(make_plan(TWO_STEPS))
    assert world.main_run.status == "completed"
    assert value(world.main_run.result) == "done"
    assert world.choices.deviations == {}
    assert [(call.input, call.attempt, call.outcome) for call in world.calls] == [
        (b"1", 1, "completed"),
        (b"2", 1, "completed"),
    ]


def test_a_schedule_gives_the_same_history_again() -> None:
    source = """
    return function(ctx)
      local futures = {}
      for i = 1, 3 do futures[i] = ctx:start_activity("act", i, { start_to_close_timeout = 10 }) end
      local signal = ctx:wait_signal("go", { timeout = 5 })
      return { ctx:await_all(futures), signal }
    end
    """
    plan = make_plan(source, messages=[signal("go", 1, max_count=1)])
    different = set()
    for seed in range(20):
        first = run(plan, seed=seed)
        again = run(plan, first.choices.deviations)
        assert again.main_run.history.message() == first.main_run.history.message()
        different.add(first.main_run.history.message().SerializeToString(deterministic=True))
    assert len(different) > 3


def test_an_activity_whose_answer_is_lost_runs_again() -> None:
    runs: list[int] = []
    plan = make_plan(TWO_STEPS, activities={"act": activity(runs.append)})
    world = run(plan, {"activity act 1, attempt 1": "returns, but its result is lost"})
    assert runs == [1, 1, 2]
    assert [(call.attempt, call.outcome, call.at) for call in world.calls[:2]] == [
        (1, "lost", 0),
        (2, "completed", 301),
    ]


def test_an_activity_that_hangs_does_not_run() -> None:
    runs: list[int] = []
    run(make_plan(TWO_STEPS, activities={"act": activity(runs.append)}), {"activity act 1, attempt 1": "hangs"})
    assert runs == [1, 2]


def test_the_retry_policy_sets_the_times_of_attempts() -> None:
    source = """
    return function(ctx)
      return ctx:execute_activity("act", nil, {
        retry_policy = { initial_interval = 2, backoff_coefficient = 3, maximum_interval = 10 },
      })
    end
    """
    fails = {f"activity act 1, attempt {number}": "fails" for number in range(1, 4)}
    world = run(make_plan(source, activities={"act": activity(min_duration=0, max_duration=0)}), fails)
    assert [call.at for call in world.calls] == [0, 2, 8, 18]


def test_the_last_attempt_never_fails() -> None:
    source = """
    return function(ctx)
      return ctx:execute_activity("act", nil, { retry_policy = { maximum_attempts = 2 } })
    end
    """
    for seed in range(60):
        assert run(make_plan(source), seed=seed).main_run.status == "completed"


def test_a_schedule_chooses_when_a_signal_arrives() -> None:
    source = """
    return function(ctx)
      local first = ctx:wait_signal("go", { timeout = 10 })
      return first or "nothing came"
    end
    """
    plan = make_plan(source, messages=[signal("go", "it came")])
    results = {value(run(plan, {"signal go 1": moment}).main_run.result) for moment in range(10)}
    assert results == {"it came", "nothing came"}


def test_a_message_that_must_come_comes_when_nothing_else_can() -> None:
    plan = make_plan('return function(ctx) return ctx:wait_signal("go") end', messages=[signal("go", 1, min_count=1)])
    assert value(run(plan).main_run.result) == 1


def test_a_run_that_never_ends_is_reported_with_its_line() -> None:
    plan = make_plan('return function(ctx) return ctx:wait_signal("go") end', messages=[signal("go", 1)])
    with pytest.raises(Violation) as raised:
        run(plan)
    assert raised.value.kind == "stuck"
    assert "workflow.lua:1" in raised.value.traceback


def test_a_completion_is_rejected_when_a_signal_has_arrived() -> None:
    source = """
    return function(ctx)
      ctx:sleep(1)
      local there, what = ctx:poll_signal("late")
      return there and what or "ended too early"
    end
    """
    plan = make_plan(source, messages=[signal("late", "in time")])
    refused = [
        world
        for world in (run(plan, {"signal late 1": moment}) for moment in range(1, 8))
        if "workflow_task_failed" in world.main_run.history.kinds()
    ]
    assert [value(world.main_run.result) for world in refused] == ["in time"]


def test_an_update_that_is_rejected_leaves_no_trace() -> None:
    source = """
    return function(ctx)
      ctx:register_update("set", function() return 1 end, { validator = function() error("no") end })
      ctx:sleep(10)
    end
    """
    plan = make_plan(source, messages=[update("set", 1)])
    world = run(plan, {"update set 1": 3})
    assert [each.update.state for each in world.arrivals.updates] == ["rejected"]
    assert world.main_run.history.kinds() == run(plan).main_run.history.kinds()


@pytest.mark.parametrize("worker", ["evicts the run", "restarts", "crashes during the task"])
def test_a_run_survives_eviction_restart_and_crash_of_its_worker(worker: str) -> None:
    world = run(make_plan(TWO_STEPS), {"task 2, worker": worker})
    assert value(world.main_run.result) == "done"


def test_a_task_whose_worker_crashes_times_out_and_is_repeated() -> None:
    world = run(make_plan(TWO_STEPS), {"task 1, worker": "crashes during the task"})
    assert world.main_run.history.kinds()[:6] == [
        "workflow_execution_started",
        "workflow_task_scheduled",
        "workflow_task_started",
        "workflow_task_timed_out",
        "workflow_task_scheduled",
        "workflow_task_started",
    ]
    assert len(world.calls) == 2


def test_a_run_that_differs_on_its_replay_is_reported() -> None:
    source = """
    local count = 0
    return function(ctx)
      ctx:sleep(ctx:is_replaying() and 2 or 1)
    end
    """
    with pytest.raises(Violation, match="replay of workflow task 1 differs: recorded start timer"):
        run(make_plan(source))


def test_unsupported_features_are_errors() -> None:
    source = """
    return function(ctx)
      ctx:execute_nexus_operation({ endpoint = "end", service = "Service", operation = "op" })
    end
    """
    with pytest.raises(Unsupported, match="schedule nexus operation is not simulated"):
        run(make_plan(source))


def test_an_unknown_activity_is_refused() -> None:
    with pytest.raises(Unsupported, match="activity 'act' is not in 'activities'"):
        run(make_plan(TWO_STEPS, activities={}))


def test_a_workflow_without_an_end_is_reported() -> None:
    source = "return function(ctx) while true do ctx:sleep(1) end end"
    with pytest.raises(Violation, match="the workflow did not complete within 50 workflow tasks"):
        run(make_plan(source, task_limit=50))


def test_an_invariant_is_checked_after_each_task() -> None:
    source = """
    return function(ctx)
      local at = 0
      ctx:register_query("at", function() return at end)
      for i = 1, 3 do at = i ctx:sleep(1) end
    end
    """
    seen = []
    run(make_plan(source, always=lambda view: seen.append(view.query("at", None))))
    assert seen == [b"1", b"2", b"3", b"3"]


def test_children_are_workflows_of_the_script() -> None:
    source = """
    return function(ctx)
      local child = ctx:start_child_workflow("Child", 3, { workflow_id = "child" })
      child:signal("add", 4)
      return child:get()
    end
    """
    child = 'return function(ctx, number) return number + ctx:wait_signal("add") end'
    assert value(run(make_plan(source, others={"Child": child})).main_run.result) == 7


def test_a_run_is_continued_as_new() -> None:
    source = """
    return function(ctx, count)
      if count < 3 then ctx:continue_as_new(count + 1) end
      return count
    end
    """
    world = run(make_plan(source, 1))
    assert len(world.executions) == 3
    assert value(world.main_run.result) == 3


def test_a_run_timeout_ends_a_run() -> None:
    world = run(make_plan("return function(ctx) ctx:sleep(100) end", run_timeout=50))
    assert world.main_run.status == "timed out"
    assert world.seconds == 50


def test_an_update_that_comes_during_a_task_comes_with_the_next_one() -> None:
    source = """
    return function(ctx)
      local got
      ctx:register_update("set", function(value) got = value end)
      ctx:wait_condition(function() return got end)
      return got
    end
    """
    plan = make_plan(source, messages=[update("set", 5)])
    world = run(plan, {"update set 1": 2})  # in the first task
    assert value(world.main_run.result) == 5
    assert [each.update.state for each in world.arrivals.updates] == ["completed"]
