"""A cancelled step that completes nevertheless: the same result in every way to wait for it."""

from __future__ import annotations

import pytest
from temporalio.bridge.proto.workflow_activation import WorkflowActivationJob

from engine import jobs
from engine.driver import TRY, Commands, Drive, Driver, kinds, result

STEPS = {
    "activity": ("activity", '"act", nil, { cancellation_type = "wait_completed" }', jobs.activity),
    "local activity": ("local_activity", '"act", nil, { cancellation_type = "wait_completed" }', jobs.local_activity),
    "child": ("child_workflow", '"Child", nil, { workflow_id = "c" }', jobs.child),
    "nexus": ("nexus_operation", '{ endpoint = "end", service = "Service", operation = "op" }', jobs.nexus),
}

WAYS = {
    "execute": "ctx:execute_{0}({1})",
    "start and get": "ctx:start_{0}({1}):get()",
    "await_all": "ctx:await_all({{ ctx:start_{0}({1}) }})[1]",
    "await_any": "select(2, ctx:await_any({{ ctx:start_{0}({1}) }}))",
    "spawn": "ctx:spawn(function() return ctx:execute_{0}({1}) end):get()",
    "spawn of a future": "ctx:spawn(function() return ctx:start_{0}({1}):get() end):get()",
    "spawn in with_timeout": (
        "ctx:with_timeout(60, function() return ctx:spawn(function() return ctx:execute_{0}({1}) end):get() end)"
    ),
    "with_timeout": "ctx:with_timeout(60, function() return ctx:execute_{0}({1}) end)",
    "with_timeout of a future": "ctx:with_timeout(60, function() return ctx:start_{0}({1}):get() end)",
    "await_all with a time limit": "ctx:await_all({{ ctx:start_{0}({1}) }}, {{ timeout = 60 }})[1]",
}


def waiting(drive: Drive, step: str, way: str) -> Driver:
    """Start a workflow that waits for a step in a way, and then twice for a timer."""
    kind, arguments, _ = STEPS[step]
    driver = drive(f"""{TRY}
    return function(ctx)
      local first = try(function() return {WAYS[way].format(kind, arguments)} end)
      local second = try(ctx.sleep, ctx, 5)
      return {{ first, second, ctx:is_cancelled() }}
    end
    """)
    driver.start()
    if step == "child":
        driver.send(jobs.child_started(1))
    elif step == "nexus":
        driver.send(jobs.nexus_started(1))
    return driver


def end(driver: Driver, commands: Commands) -> object:
    """Fire the timer that commands start; returns the workflow's result."""
    assert kinds(commands)[-1] == "start_timer"
    return result(driver.send(jobs.fire(commands[-1]["start_timer"]["seq"])))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("step", STEPS)
def test_a_cancelled_step_that_completes_returns_its_result(drive: Drive, step: str, way: str) -> None:
    driver = waiting(drive, step, way)
    assert len(driver.send(jobs.cancel())) == 1  # the request
    commands = driver.send(STEPS[step][2](1, "all the same"))
    assert end(driver, commands) == ["ok:all the same", "ok:nil", True]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("step", STEPS)
def test_a_cancelled_step_that_ends_as_cancelled_raises_that(drive: Drive, step: str, way: str) -> None:
    driver = waiting(drive, step, way)
    driver.send(jobs.cancel())
    wrap = {"child": jobs.child_failure, "nexus": jobs.nexus_failure}.get(step, jobs.activity_failure)
    commands = driver.send(STEPS[step][2](1, failure=wrap(jobs.cancelled())))
    assert end(driver, commands) == ["err:cancelled", "ok:nil", True]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("step", STEPS)
def test_a_cancelled_step_that_fails_raises_its_failure(drive: Drive, step: str, way: str) -> None:
    driver = waiting(drive, step, way)
    driver.send(jobs.cancel())
    wrap = {"child": jobs.child_failure, "nexus": jobs.nexus_failure}.get(step, jobs.activity_failure)
    commands = driver.send(STEPS[step][2](1, failure=wrap(jobs.application("no"))))
    kind = {"child": "child_workflow", "nexus": "nexus"}.get(step, "activity")
    assert end(driver, commands) == [f"err:{kind}", "ok:nil", True]


@pytest.mark.parametrize("way", ["execute", "start and get"])
@pytest.mark.parametrize("step", STEPS)
def test_a_deadline_cancels_a_step_that_completes_anyway(drive: Drive, step: str, way: str) -> None:
    kind, arguments, job = STEPS[step]
    driver = drive(f"""{TRY}
    return function(ctx)
      local first = try(ctx.with_timeout, ctx, 1, function() return {WAYS[way].format(kind, arguments)} end)
      return {{ first, try(ctx.sleep, ctx, 5) }}
    end
    """)
    driver.start()
    if step == "child":
        driver.send(jobs.child_started(1))
    elif step == "nexus":
        driver.send(jobs.nexus_started(1))
    assert len(driver.send(jobs.fire(1), after=1)) == 1
    assert end(driver, driver.send(job(1, "all the same"))) == ["ok:all the same", "ok:nil"]


@pytest.mark.parametrize("step", STEPS)
def test_a_cancelled_future_that_completes_returns_its_result(drive: Drive, step: str) -> None:
    kind, arguments, job = STEPS[step]
    driver = drive(f"""{TRY}
    return function(ctx)
      local future = ctx:start_{kind}({arguments})
      ctx:wait_signal("go")
      future:cancel()
      return {{ try(future.get, future), try(future.get, future), future:done(), try(ctx.sleep, ctx, 5) }}
    end
    """)
    driver.start()
    if step == "child":
        driver.send(jobs.child_started(1))
    elif step == "nexus":
        driver.send(jobs.nexus_started(1))
    assert len(driver.send(jobs.signal("go"))) == 1
    given = ["ok:all the same", "ok:all the same", True, "ok:nil"]
    assert end(driver, driver.send(job(1, "all the same"))) == given


@pytest.mark.parametrize("step", STEPS)
def test_a_shielded_step_is_not_cancelled(drive: Drive, step: str) -> None:
    kind, arguments, job = STEPS[step]
    driver = drive(f"""{TRY}
    return function(ctx)
      local first = try(ctx.shield, ctx, function() return ctx:execute_{kind}({arguments}) end)
      return {{ first, try(ctx.sleep, ctx, 5), try(ctx.sleep, ctx, 5) }}
    end
    """)
    driver.start()
    if step == "child":
        driver.send(jobs.child_started(1))
    elif step == "nexus":
        driver.send(jobs.nexus_started(1))
    assert driver.send(jobs.cancel()) == []
    commands = driver.send(job(1, "done"))
    assert kinds(commands) == ["start_timer", "cancel_timer", "start_timer"]
    assert end(driver, commands) == ["ok:done", "err:cancelled", "ok:nil"]


def test_all_of_several_futures_end_in_their_own_way(drive: Drive) -> None:
    driver = drive(f"""{TRY}
    return function(ctx)
      local options = {{ cancellation_type = "wait_completed" }}
      local one, two = ctx:start_activity("a", nil, options), ctx:start_activity("b", nil, options)
      local futures = {{ one, two, ctx:start_timer(9) }}
      local all = try(ctx.await_all, ctx, futures)
      local each = {{}}
      for i, future in ipairs(futures) do each[i] = try(future.get, future) end
      return {{ all, each }}
    end
    """)
    driver.start()
    assert kinds(driver.send(jobs.cancel())) == [
        "request_cancel_activity", "request_cancel_activity", "cancel_timer"
    ]  # fmt: skip
    assert driver.send(jobs.activity(1, "a")) == []
    commands = driver.send(jobs.activity(2, failure=jobs.activity_failure(jobs.application("no"))))
    assert result(commands) == ["err:activity", ["ok:a", "err:activity", "err:cancelled"]]


def test_await_any_of_cancelled_futures_returns_the_first_to_end(drive: Drive) -> None:
    driver = drive(f"""{TRY}
    return function(ctx)
      local options = {{ cancellation_type = "wait_completed" }}
      local futures = {{ ctx:start_activity("a", nil, options), ctx:start_activity("b", nil, options) }}
      local i, value = ctx:await_any(futures)
      return {{ i, value, try(futures[1].get, futures[1]) }}
    end
    """)
    driver.start()
    driver.send(jobs.cancel())
    assert driver.send(jobs.activity(2, "b")) == []
    assert result(driver.send(jobs.activity(1, "a"))) == [2, "b", "ok:a"]


CANCELLED_AT_ONCE: dict[str, tuple[str, WorkflowActivationJob]] = {
    "activity": ('activity("act")', jobs.activity(1, failure=jobs.activity_failure(jobs.cancelled()))),
    "local activity": (
        'local_activity("act")', jobs.local_activity(1, failure=jobs.activity_failure(jobs.cancelled()))
    ),
    "child": (
        'child_workflow("Child", nil, { cancellation_type = "try_cancel" })',
        jobs.child(1, failure=jobs.child_failure(jobs.cancelled())),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("call", "job"), list(CANCELLED_AT_ONCE.values()), ids=CANCELLED_AT_ONCE)
def test_core_ends_a_step_that_is_cancelled_at_once(drive: Drive, call: str, job: WorkflowActivationJob) -> None:
    driver = drive(f"{TRY} return function(ctx) return try(function() ctx:execute_{call} end) end")
    driver.start()
    if "child" in call:
        driver.send(jobs.child_started(1))
    assert len(driver.send(jobs.cancel())) == 1
    assert result(driver.send(job)) == "err:cancelled"


def test_a_step_that_is_cancelled_in_the_activation_of_its_start(drive: Drive) -> None:
    driver = drive(f"""{TRY}
    return function(ctx)
      local future = ctx:start_child_workflow("Child")
      local timer = ctx:start_timer(9)
      future:cancel()
      timer:cancel()
      return {{ try(timer.get, timer), try(future.get, future), future.run_id }}
    end
    """)
    assert kinds(driver.start()) == [
        "start_child_workflow_execution", "start_timer", "cancel_child_workflow_execution", "cancel_timer"
    ]  # fmt: skip
    assert result(driver.send(jobs.child_cancelled_before_start(1))) == ["err:cancelled", "err:cancelled"]


def test_a_child_that_was_cancelled_before_it_started(drive: Drive) -> None:
    driver = drive(f'{TRY} return function(ctx) return try(ctx.execute_child_workflow, ctx, "Child") end')
    driver.start()
    driver.send(jobs.cancel())
    assert result(driver.send(jobs.child_cancelled_before_start(1))) == "err:cancelled"


def test_a_second_cancel_asks_core_only_once(drive: Drive) -> None:
    driver = drive(f"""{TRY}
    return function(ctx)
      local future = ctx:start_activity("a", nil, {{ cancellation_type = "wait_completed" }})
      ctx:spawn(function() future:cancel() end)
      return try(future.get, future)
    end
    """)
    assert kinds(driver.start()) == ["schedule_activity", "request_cancel_activity"]
    assert driver.send(jobs.cancel()) == []
    assert result(driver.send(jobs.activity(1, "all the same"))) == "ok:all the same"


def test_a_signal_sent_before_the_cancellation_reaches_core(drive: Drive) -> None:
    driver = drive(f"""{TRY}
    return function(ctx)
      local first = try(ctx.signal_workflow, ctx, {{ workflow_id = "w", signal_name = "s" }})
      return {{ first, try(ctx.sleep, ctx, 5) }}
    end
    """)
    driver.start()
    driver.send(jobs.cancel())
    assert result(driver.send(jobs.signal_sent(1))) == ["ok:nil", "err:cancelled"]


def test_a_side_effect_completes_and_the_next_wait_is_cancelled(drive: Drive) -> None:
    driver = drive(f"""{TRY}
    return function(ctx)
      return {{ try(ctx.side_effect, ctx, function() return 1 end), try(ctx.sleep, ctx, 5) }}
    end
    """)
    driver.start()
    assert driver.send(jobs.cancel()) == []
    assert result(driver.send(jobs.local_activity(1, 1))) == ["ok:1", "err:cancelled"]
