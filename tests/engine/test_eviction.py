"""Runs that are evicted from the cache and rebuilt."""

from __future__ import annotations

import gc
import logging
import weakref
from dataclasses import replace

import pytest
from temporalio.bridge.proto.workflow_activation import RemoveFromCache, WorkflowActivation, WorkflowActivationJob
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion

from assay.temporal.workflow.runs import COLLECT_ALL_EVERY, COLLECT_EVERY, Observer, Runs, UnknownRunError
from engine import jobs
from engine.driver import TRY, Commands, Drive, Driver, make_settings, result, shown

# Something of everything, in many activations.
LONG = f"""{TRY}
return function(ctx, input)
  local log, tags = {{}}, {{}}
  local function add(what) log[#log + 1] = what end
  ctx:on_signal("tag", function(tag) tags[tag] = (tags[tag] or 0) + 1 ctx:sleep(1) add("tagged " .. tag) end)
  ctx:on_dynamic_signal(function(name) add("other " .. name) end)
  ctx:register_update("set", function(x) ctx:execute_activity("set", x) return #log end)
  ctx:register_query("log", function() return log end)
  add(ctx:uuid())
  if ctx:patched("p") then add("patched") end
  local child = ctx:start_child_workflow("Child", input)
  local first = ctx:execute_activity("first", math.random(1000))
  add(first)
  local task = ctx:spawn(function()
    for i = 1, 2 do add(try(ctx.execute_local_activity, ctx, "local", i)) end
    return ctx:now()
  end)
  ctx:wait_condition(function() return tags.a end, {{ timeout = 60 }})
  child:signal("hello")
  add(child:get())
  add(task:get())
  add(try(ctx.with_timeout, ctx, 5, function() ctx:wait_signal("never") end))
  add(try(ctx.sleep, ctx, 600))
  ctx:shield(function() ctx:execute_activity("tidy") end)
  for tag, count in pairs(tags) do add(tag .. count) end
  return log
end
"""

STEPS: list[list[WorkflowActivationJob]] = [
    [jobs.initialize({"a": 1}), jobs.signal("early", 1)],
    [jobs.child_started(1)],
    [jobs.signal("tag", "b"), jobs.update("set", 1)],
    [jobs.activity(1, "first"), jobs.query("log")],
    [jobs.local_activity(3, 1)],
    [jobs.activity(2), jobs.fire(1)],
    [jobs.local_activity(4, 2)],
    [jobs.signal("tag", "a"), jobs.signal("tag", "c")],
    [jobs.signal_sent(1), jobs.child(1, "child")],
    [jobs.fire(5)],
    [jobs.cancel("enough")],
    [jobs.activity(5)],
]


def play(driver: Driver, evicted_before: set[int]) -> list[Commands]:
    """Play all steps, and evict the run before some of them; returns the commands of each."""
    answers = []
    for number, step in enumerate(STEPS):
        if number in evicted_before:
            driver.evict()
        answers.append(driver.send(*step, after=1))
        assert driver.failure == ""
    return answers


def test_a_run_continues_identically_after_any_eviction() -> None:
    kept = Driver(LONG)
    expected = play(kept, set())
    kept.close()
    assert len(result(expected[-1])) > 10
    for point in range(1, len(STEPS)):
        driver = Driver(LONG)
        assert play(driver, {point}) == expected
        driver.close()
    driver = Driver(LONG)
    assert play(driver, set(range(1, len(STEPS)))) == expected
    driver.close()


def activation(*given: WorkflowActivationJob) -> WorkflowActivation:
    """Return an activation of jobs."""
    return WorkflowActivation(run_id=jobs.RUN_ID, jobs=given)


class Seen(Observer):
    """An observer that records its notifications."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def mismatch(self, run: object, message: str, where: str) -> None:
        self.notes.append(f"mismatch: {message} {where}")

    def activated(self, run: object, act: WorkflowActivation, completion: WorkflowActivationCompletion) -> None:
        self.notes.append(f"activated: {len(act.jobs)} -> {len(completion.successful.commands)}")

    def removed(self, run: object) -> None:
        self.notes.append("removed")


WAITS = "return function(ctx) ctx:wait_signal('go') end"


def test_an_evicted_run_frees_its_lua_state_at_once() -> None:
    runs = Runs([Driver(WAITS).definition], make_settings())
    runs.activate(activation(jobs.initialize()))
    run = runs.find(jobs.RUN_ID)
    assert run is not None
    assert run.host.traceback() != ""
    runs.activate(activation(jobs.remove()))
    assert runs.find(jobs.RUN_ID) is None
    with pytest.raises(AttributeError):  # the state is gone
        run.host.traceback()


def test_closed_runs_free_their_lua_states_at_once() -> None:
    runs = Runs([Driver(WAITS).definition], make_settings())
    runs.activate(activation(jobs.initialize()))
    run = runs.find(jobs.RUN_ID)
    assert run is not None
    runs.close()
    assert len(runs) == 0
    with pytest.raises(AttributeError):  # the state is gone
        run.host.traceback()


def test_nothing_keeps_an_evicted_run() -> None:
    runs = Runs([Driver(LONG).definition], make_settings())
    for number, step in enumerate(STEPS[:8]):
        assert runs.activate(activation(*step)).HasField("successful"), number
    run = weakref.ref(runs.find(jobs.RUN_ID))
    runs.activate(activation(jobs.remove()))
    gc.collect()
    assert run() is None


@pytest.mark.parametrize(
    ("count", "old"), [(COLLECT_EVERY, False), (COLLECT_ALL_EVERY, True)], ids=["short runs", "long runs"]
)
def test_evicted_runs_are_freed_without_pythons_garbage_collector(count: int, old: bool) -> None:
    gc.collect()
    gc.disable()
    try:
        runs = Runs([Driver(WAITS).definition], make_settings())
        left = []
        for number in range(count):
            runs.activate(activation(jobs.initialize()))
            left.append(weakref.ref(runs.find(jobs.RUN_ID)))
            if old and number % COLLECT_EVERY == 0:
                gc.collect(1)  # it lives on, and is not looked at again
                gc.collect(1)
            runs.activate(activation(jobs.remove()))
        assert sum(run() is not None for run in left) <= 1  # the one that is leaving
    finally:
        gc.enable()


def test_finished_tasks_leave_nothing_behind(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      while true do
        local activity, local_activity = ctx:start_activity("a"), ctx:start_local_activity("l")
        local child, timer = ctx:start_child_workflow("C"), ctx:start_timer(1)
        local task = ctx:spawn(function() ctx:sleep(1) end)
        ctx:await_all({ activity, local_activity, child, timer, task })
        ctx:with_timeout(9, function() ctx:shield(function() ctx:sleep(1) end) end)
        ctx:side_effect(function() end)
        ctx:wait_signal("again")
      end
    end
    """)
    driver.start()
    sizes = []
    for _ in range(3):
        run = driver.run
        assert run is not None
        counts = run.outbound._last
        activities, children, timers = counts["activity"], counts["child_workflow"], counts["timer"]
        driver.send(jobs.child_started(children))
        driver.send(
            jobs.activity(activities - 1), jobs.local_activity(activities), jobs.child(children),
            jobs.fire(timers - 1), jobs.fire(timers),
        )  # fmt: skip
        driver.send(jobs.fire(counts["timer"]))
        run.host.state._runtime.gccollect()  # values that Lua has released, which the next step reports
        driver.send(jobs.local_activity(counts["activity"]))
        assert run.outbound.pending == 0
        host = run.host
        sizes.append(
            [
                len(members)
                for members in (
                    run.scope._members, run.conditions, run.unawaited, run.local_activities, run.side_effects,
                    host.callbacks.operations, host.objects.by_id, host.waits, run.mailbox._queues,
                )
            ]
        )  # fmt: skip
        driver.send(jobs.signal("again"))
    assert sizes[1] == sizes[2]
    driver.history.clear()  # its replay is that of the other tests


def test_an_activation_of_a_run_that_is_not_there_fails() -> None:
    runs = Runs([Driver(WAITS).definition], make_settings())
    assert runs.activate(activation(jobs.signal("go"))).failed.failure.message == "the run is not in the cache"


def test_an_unregistered_type_fails_the_task_and_lists_the_registered_ones() -> None:
    runs = Runs([Driver(WAITS).definition], make_settings())
    failed = runs.activate(activation(jobs.initialize(workflow_type="Other"))).failed.failure
    assert failed.message == "workflow 'Other' is not registered (registered: W)"


def test_a_misspelled_type_is_logged_with_the_nearest_one_and_the_workflow(caplog: pytest.LogCaptureFixture) -> None:
    """The log line is the only report: a worker with the intended type never receives the workflow."""
    runs = Runs([replace(Driver(WAITS).definition, name="Release")], make_settings())
    runs.activate(activation(jobs.initialize(workflow_type="Relaese", workflow_id="train-7")))
    assert caplog.messages == [
        "workflow 'Relaese' (train-7): the workflow task failed: "
        "workflow 'Relaese' is not registered; did you mean 'Release'? (registered: Release)"
    ]


def test_the_removal_of_an_unknown_run_is_answered() -> None:
    answer = Runs([], make_settings()).activate(activation(jobs.remove()))
    assert answer.HasField("successful")


def test_an_observer_is_notified() -> None:
    seen = Seen()
    runs = Runs([Driver(WAITS).definition], make_settings(), seen)
    runs.activate(activation(jobs.initialize()))
    runs.activate(activation(jobs.remove(RemoveFromCache.EvictionReason.NONDETERMINISM, 'x { message: "not alike" }')))
    assert seen.notes[0] == "activated: 1 -> 0"
    assert seen.notes[1].startswith("mismatch: not alike stack traceback:")
    assert "workflow.lua:1" in seen.notes[1]
    assert seen.notes[2] == "removed"


def test_a_mismatch_is_logged_with_the_line(caplog: pytest.LogCaptureFixture) -> None:
    runs = Runs([Driver(WAITS).definition], make_settings())
    runs.activate(activation(jobs.initialize()))
    with caplog.at_level(logging.ERROR):
        runs.activate(activation(jobs.remove(RemoveFromCache.EvictionReason.NONDETERMINISM, "not alike")))
    assert "workflow 'W' (the-workflow) does not match its history: not alike" in caplog.text
    assert "workflow.lua:1" in caplog.text


def test_a_side_effect_of_an_evicted_run_is_refused() -> None:
    runs = Runs([Driver(WAITS).definition], make_settings())
    with pytest.raises(UnknownRunError, match="evicted"):
        runs.side_effect(jobs.RUN_ID, 1)


def test_closing_frees_all_runs() -> None:
    runs = Runs([Driver(WAITS).definition], make_settings())
    runs.activate(activation(jobs.initialize()))
    runs.close()
    assert len(runs) == 0


def test_runs_do_not_see_each_other() -> None:
    source = "count = 0 return function(ctx) count = count + 1 string.mine = count return { count, string.mine } end"
    runs = Runs([Driver(source).definition], make_settings())
    for number in range(3):
        act = activation(jobs.initialize())
        act.run_id = f"run-{number}"
        assert result(shown(runs.activate(act))) == [1, 1]
    runs.close()
