"""Signals, updates and queries: which handler gets them, and when all have finished."""

from __future__ import annotations

import logging

import pytest

from assay.libraries import LIBRARIES
from assay.lua.objects import Objects
from assay.temporal.workflow.sandbox.host import WorkflowHost
from assay.temporal.workflow.sandbox.limits import WorkflowLimits
from engine import jobs
from engine.driver import TRY, Drive, Driver, kinds, result

FINISHED = "ctx:wait_condition(function() return ctx:all_handlers_finished() end)"


def test_a_dynamic_handler_beside_wait_signal_is_finished_in_the_end(drive: Drive) -> None:
    driver = drive(f"""
    return function(ctx)
      ctx:on_dynamic_signal(function() end)
      local value = ctx:wait_signal("go")
      {FINISHED}
      return value
    end
    """)
    driver.start()
    assert driver.send(jobs.signal("other")) == []
    assert result(driver.send(jobs.signal("go", 1))) == 1


def test_buffered_signals_of_an_expected_name_do_not_count_for_the_dynamic_handler(drive: Drive) -> None:
    driver = drive(f"""
    return function(ctx)
      ctx:on_dynamic_signal(function() error("not for me") end)
      ctx:wait_signal("go")
      {FINISHED}
      return ctx:all_handlers_finished()
    end
    """)
    driver.start()
    # Two of them: one is taken, one is kept.
    assert result(driver.send(jobs.signal("go"), jobs.signal("go"))) is True


def test_buffered_signals_count_until_the_dynamic_handler_has_them(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      ctx:execute_activity("a")
      ctx:on_dynamic_signal(function() ctx:sleep(1) end)
      local before = ctx:all_handlers_finished()
      ctx:wait_condition(function() return ctx:all_handlers_finished() end)
      return before
    end
    """)
    driver.start()
    driver.send(jobs.signal("s"))
    assert kinds(driver.send(jobs.activity(1))) == ["start_timer"]
    assert result(driver.send(jobs.fire(1))) is False


def test_the_dynamic_handler_gets_buffered_signals_in_order(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local log = {}
      ctx:execute_activity("a")
      ctx:on_dynamic_signal(function(name, value) log[#log + 1] = name .. value end)
      ctx:wait_condition(function() return #log == 4 end)
      return log
    end
    """)
    driver.start()
    driver.send(jobs.signal("b", 1), jobs.signal("a", 2), jobs.signal("b", 3))
    driver.send(jobs.signal("c", 4))
    assert result(driver.send(jobs.activity(1))) == ["b1", "a2", "b3", "c4"]


def test_a_named_handler_gets_signals_that_came_before_it(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local log = {}
      ctx:execute_activity("a")
      ctx:on_signal("s", function(value) log[#log + 1] = value end)
      ctx:wait_condition(function() return #log == 3 end)
      return log
    end
    """)
    driver.start()
    driver.send(jobs.signal("s", 1), jobs.signal("s", 2))
    assert result(driver.send(jobs.activity(1), jobs.signal("s", 3))) == [1, 2, 3]


def test_a_named_handler_with_kept_signals_has_not_finished(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      ctx:execute_activity("a")
      ctx:on_signal("s", function() end)
      local at_once = ctx:all_handlers_finished()
      ctx:wait_condition(function() return ctx:all_handlers_finished() end)
      return { at_once = at_once }
    end
    """)
    driver.start()
    driver.send(jobs.signal("s"))
    assert result(driver.send(jobs.activity(1))) == {"at_once": False}


def test_signals_go_to_those_that_wait_in_the_order_of_their_waits(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local log, tasks = {}, {}
      for i = 1, 3 do
        tasks[i] = ctx:spawn(function()
          local value = ctx:wait_signal("s")
          log[#log + 1] = i .. value
        end)
      end
      ctx:await_all(tasks)
      return log
    end
    """)
    driver.start()
    driver.send(jobs.signal("s", "a"))
    assert result(driver.send(jobs.signal("s", "b"), jobs.signal("s", "c"))) == ["1a", "2b", "3c"]


def test_a_wait_that_timed_out_leaves_signals_to_those_that_still_wait(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local log, tasks = {}, {}
      for i = 1, 3 do
        tasks[i] = ctx:spawn(function()
          local value = ctx:wait_signal("s", { timeout = i == 3 and 1 or 60 })
          log[#log + 1] = "task " .. i .. ": " .. (value or "timed out")
        end)
      end
      ctx:await_all(tasks)
      return log
    end
    """)
    timer_of_the_third = 3
    driver.send(jobs.initialize(), jobs.signal("s", "a"))
    driver.send(jobs.fire(timer_of_the_third), after=1)
    assert result(driver.send(jobs.signal("s", "b"))) == ["task 1: a", "task 3: timed out", "task 2: b"]


def test_a_named_handler_takes_precedence_over_the_dynamic_one(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local named, dynamic = {}, {}
      ctx:on_signal("named", function(value) named[#named + 1] = value end)
      ctx:on_dynamic_signal(function(name) dynamic[#dynamic + 1] = name end)
      ctx:wait_signal("end")
      return { named = named, dynamic = dynamic }
    end
    """)
    driver.start()
    for name in ("named", "other", "named"):
        driver.send(jobs.signal(name, name))
    assert result(driver.send(jobs.signal("end"))) == {"named": ["named", "named"], "dynamic": ["other"]}


def test_the_dynamic_handler_does_not_get_signals_of_a_polled_name(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local dynamic = {}
      local at_first = ctx:poll_signal("polled")
      ctx:wait_signal("begin")
      ctx:on_dynamic_signal(function(name) dynamic[#dynamic + 1] = name end)
      ctx:sleep(1)
      local later, value = ctx:poll_signal("polled")
      return { at_first = at_first, later = later, value = value, dynamic = dynamic }
    end
    """)
    driver.start()
    driver.send(jobs.signal("polled", "p"), jobs.signal("other"))
    driver.send(jobs.signal("begin"))
    expected = {"at_first": False, "later": True, "value": "p", "dynamic": ["other"]}
    assert result(driver.send(jobs.fire(1), after=1)) == expected


def test_a_signal_and_the_end_of_its_time_in_one_activation(drive: Drive) -> None:
    source = """
    return function(ctx)
      local waited = ctx:wait_signal("s", { timeout = 1 })
      local is_kept, kept = ctx:poll_signal("s")
      return { waited = waited, is_kept = is_kept, kept = kept }
    end
    """
    signal_first, timer_first = drive(source), drive(source)
    for driver in (signal_first, timer_first):
        driver.start()
    assert result(signal_first.send(jobs.signal("s", 5), jobs.fire(1), after=1)) == {"waited": 5, "is_kept": False}
    # Too late, and not lost.
    assert result(timer_first.send(jobs.fire(1), jobs.signal("s", 5), after=1)) == {"is_kept": True, "kept": 5}


def test_a_signal_whose_waiter_is_cancelled_goes_to_the_next_one(drive: Drive) -> None:
    driver = drive(f"""{TRY}
    return function(ctx)
      local first = ctx:spawn(function() return try(function() return (ctx:wait_signal("s")) end) end)
      local second = ctx:spawn(function() return try(function() return (ctx:wait_signal("s")) end) end)
      ctx:wait_signal("cancel")
      first:cancel()
      return {{ first:get(), second:get() }}
    end
    """)
    driver.start()
    driver.send(jobs.signal("cancel"))
    assert result(driver.send(jobs.signal("s", 1))) == ["err:cancelled", "ok:1"]


def test_a_message_counts_as_running_from_its_arrival(drive: Drive) -> None:
    driver = drive(f"""
    return function(ctx)
      local n = 0
      ctx:on_signal("s", function() n = n + 1 end)
      ctx:sleep(1)
      {FINISHED}
      return n
    end
    """)
    driver.start()
    assert result(driver.send(jobs.fire(1), jobs.signal("s"))) == 1


@pytest.mark.parametrize("policy", ["warn_and_abandon", "abandon"])
def test_handlers_that_run_at_the_end_are_warned_of(
    drive: Drive, policy: str, caplog: pytest.LogCaptureFixture
) -> None:
    driver = drive(f"""
    return function(ctx)
      ctx:on_signal("s", function() ctx:sleep(9) end, {{ unfinished_policy = "{policy}" }})
      ctx:wait_signal("end")
    end
    """)
    driver.start()
    driver.send(jobs.signal("s"))
    with caplog.at_level(logging.WARNING):
        driver.send(jobs.signal("end"))
    assert ("ended while handlers were running: signal 's' (1)" in caplog.text) == (policy == "warn_and_abandon")


def test_a_failure_that_nothing_waited_for_is_warned_of(drive: Drive, caplog: pytest.LogCaptureFixture) -> None:
    driver = drive("return function(ctx) ctx:start_activity('a') ctx:wait_signal('end') end")
    driver.start()
    driver.send(jobs.activity(1, failure=jobs.activity_failure(jobs.application("lost"), "a")))
    with caplog.at_level(logging.WARNING):
        driver.send(jobs.signal("end"))
    assert "ended with an unawaited failure of activity 'a': activity 'a' failed: lost" in caplog.text


@pytest.mark.parametrize("end", ["return 1", "error('no')", "ctx:continue_as_new()"])
def test_signals_that_nothing_took_are_warned_of(drive: Drive, caplog: pytest.LogCaptureFixture, end: str) -> None:
    driver = drive(f"return function(ctx) ctx:wait_signal('go') {end} end")
    driver.start()
    driver.send(jobs.signal("goo"), jobs.signal("goo"), jobs.signal("go"))
    assert "ended with unreceived signals: 'goo' (2)" in caplog.text


def test_no_signal_is_warned_of_when_all_were_taken(drive: Drive, caplog: pytest.LogCaptureFixture) -> None:
    driver = drive("return function(ctx) ctx:wait_signal('go') ctx:wait_signal('go') end")
    driver.start()
    driver.send(jobs.signal("go"), jobs.signal("go"))
    assert "signals" not in caplog.text


def test_an_error_in_a_signal_handler_fails_the_workflow(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      ctx:on_signal("s", function() error("no", 0) end)
      ctx:wait_signal("never")
    end
    """)
    driver.start()
    (command,) = driver.send(jobs.signal("s"))
    assert command["fail_workflow_execution"]["failure"]["message"] == "no"


def test_an_update_knows_itself(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local function who() local info = ctx:current_update_info() return info and info.name .. " " .. info.id end
      local validated
      ctx:register_update("u", function()
        local inner = ctx:spawn(who)
        return { who(), inner:get(), outside }
      end, { validator = function() assert(who() == "u u1") end })
      outside = who()
      ctx:wait_signal("never")
    end
    """)
    driver.start()
    assert driver.send(jobs.update("u"))[1]["update_response"]["completed"] == ["u u1", "u u1"]


def test_the_workflow_function_is_in_no_update_after_one(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      ctx:register_update("u", function() end, { validator = function() end })
      ctx:wait_signal("go")
      return ctx:current_update_info() == nil
    end
    """)
    driver.start()
    driver.send(jobs.update("u"))
    assert result(driver.send(jobs.signal("go"))) is True


# Queries run on a copy --------------------------------------------------------------------------------------------


def test_a_query_sees_effects_of_signals_in_its_activation(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local n = 0
      ctx:on_signal("add", function() n = n + 1 end)
      ctx:register_query("n", function() n = n + 100 return n end)
      ctx:wait_signal("end")
      return n
    end
    """)
    driver.start()
    for expected in (101, 102):
        driver.send(jobs.signal("add"))
        for _ in range(2):
            (command,) = driver.send(jobs.query("n"))
            assert command["respond_to_query"]["succeeded"]["response"] == expected
    assert result(driver.send(jobs.signal("end"))) == 2


def test_a_copy_leaves_the_handles_of_the_run_alone(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local future = ctx:start_activity("a")
      local task = ctx:spawn(function() return "task" end)
      ctx:register_query("done", function()
        local ended = { future:done(), task:done() }
        future, task, ctx = nil, nil, nil
        collectgarbage()
        collectgarbage()
        return ended
      end)
      ctx:wait_signal("go")
      return { future:get(), task:get() }
    end
    """)
    driver.start()
    for _ in range(3):
        (command,) = driver.send(jobs.query("done"))
        assert command["respond_to_query"]["succeeded"]["response"] == [False, True]
    driver.send(jobs.signal("go"))
    assert result(driver.send(jobs.activity(1, "result"))) == ["result", "task"]


def test_a_copy_releases_nothing_of_the_run() -> None:
    class Item:
        is_released = False

        def release(self) -> None:
            self.is_released = True

    driver = Driver("return function(ctx) ctx:wait_signal('never') end")
    driver.start()
    assert driver.run is not None
    copy = WorkflowHost(
        LIBRARIES, WorkflowLimits(), driver.run, is_copy=True, objects=Objects(lent=driver.run.host.objects)
    )
    item = Item()
    identity = copy.objects.keep(item)
    copy.callbacks.release_handle(identity)
    copy._stepped()
    assert not item.is_released
    copy.close_state()
    driver.close()


READ_ONLY = {
    "a command": "ctx:start_activity('a')",
    "a wait": "ctx:sleep(1)",
    "a patch": "ctx:patched('p')",
    "a continuation": "ctx:continue_as_new()",
}


@pytest.mark.parametrize("body", list(READ_ONLY.values()), ids=READ_ONLY)
def test_a_query_and_a_validator_only_read(drive: Drive, body: str) -> None:
    driver = drive(f"""
    return function(ctx)
      local function bad() {body} end
      ctx:register_query("q", bad)
      ctx:register_update("u", function() end, {{ validator = bad }})
      ctx:wait_signal("never")
    end
    """)
    driver.start()
    (queried,) = driver.send(jobs.query("q"))
    assert "must be read-only" in queried["respond_to_query"]["failed"]["message"]
    (updated,) = driver.send(jobs.update("u"))
    assert "must be read-only" in updated["update_response"]["rejected"]["message"]
