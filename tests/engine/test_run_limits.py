"""Limits of a run: CPU, memory, commands, sizes."""

from __future__ import annotations

import logging

import pytest

from assay.errors import BuiltinError
from assay.temporal.core.protos import WorkflowCommand
from assay.temporal.workflow.run import outbound
from assay.temporal.workflow.sandbox.limits import RunLimits, WorkflowLimits
from engine import jobs
from engine.driver import Commands, Drive, Driver, failure, kinds, make_settings, result

ROOM = 1024
"""Bytes of a payload's limit that are reserved for its metadata."""


def limited(source: str, **limits: float) -> Driver:
    """Return a driver of a run with limits."""
    return Driver(source, settings=make_settings(limits=WorkflowLimits(**limits)))


ENDLESS = {
    "the function": "while true do end",
    "a task": "ctx:spawn(function() while true do end end) ctx:sleep(1)",
    "pcall in a loop": "while true do pcall(error, 'x') end",
    "waits that end at once": "while true do ctx:wait_condition(function() return true end) end",
    "a condition": "ctx:wait_condition(function() while true do end end)",
}


@pytest.mark.parametrize("body", list(ENDLESS.values()), ids=ENDLESS)
def test_too_much_cpu_fails_the_workflow_task(body: str, caplog: pytest.LogCaptureFixture) -> None:
    driver = limited(f"return function(ctx) {body} end", cpu_seconds=0.1)
    with caplog.at_level(logging.WARNING):
        assert driver.start() == []
    assert "a workflow task took more than 0.1 s of CPU (workflow_limits.cpu_seconds)" in driver.failure
    assert "workflow 'W' (the-workflow): the workflow task failed: " in caplog.text
    driver.close()


def test_each_activation_has_its_own_cpu() -> None:
    spin = "for _ = 1, 20 do ctx:sleep(1) local t = 0 for i = 1, 400000 do t = t + i end end"
    driver = limited(f"return function(ctx) {spin} return 'done' end", cpu_seconds=0.2)
    commands = driver.start()
    for seq in range(1, 21):
        commands = driver.send(jobs.fire(seq))
        assert driver.failure == ""
    assert result(commands) == "done"
    driver.close()


def test_a_query_that_takes_too_long_fails_and_the_run_continues(caplog: pytest.LogCaptureFixture) -> None:
    driver = limited(
        """
        return function(ctx)
          ctx:register_query("q", function() while true do end end)
          return ctx:wait_signal("s")
        end
        """,
        cpu_seconds=0.1,
    )
    driver.start()
    (command,) = driver.send(jobs.query("q"))
    assert "0.1 s of CPU" in command["respond_to_query"]["failed"]["message"]
    assert "workflow 'W' (the-workflow): query 'q' failed: a workflow task took more than 0.1 s of CPU" in caplog.text
    assert result(driver.send(jobs.signal("s", 1))) == 1
    driver.close()


def test_a_validator_that_takes_too_long_rejects_its_update() -> None:
    driver = limited(
        """
        return function(ctx)
          ctx:register_update("u", print, { validator = function() while true do end end })
          return ctx:wait_signal("s")
        end
        """,
        cpu_seconds=0.1,
    )
    driver.start()
    (command,) = driver.send(jobs.update("u"))
    assert "0.1 s of CPU" in command["update_response"]["rejected"]["message"]
    assert result(driver.send(jobs.signal("s", 1))) == 1
    driver.close()


MEMORY = {
    "a table": "local t = {} while true do t[#t + 1] = {} end",
    "a string": "local s = 'x' while true do s = s .. s end",
    "caught": "local t = {} while true do pcall(function() while true do t[#t + 1] = {} end end) end",
}


@pytest.mark.parametrize("body", list(MEMORY.values()), ids=MEMORY)
def test_too_much_memory_fails_the_workflow_task(body: str) -> None:
    driver = limited(f"return function(ctx) {body} end", memory_mb=4, cpu_seconds=20)
    assert driver.start() == []
    assert driver.failure == "the workflow needs more than 4 MB (workflow_limits.memory_mb)"
    driver.close()


def test_an_input_beyond_the_memory_limit_fails_the_workflow_task() -> None:
    driver = limited("return function(ctx) return 1 end", memory_mb=4)
    assert driver.start("x" * 4_000_000) == []
    assert driver.failure == "the workflow needs more than 4 MB (workflow_limits.memory_mb)"
    driver.close()


def test_too_many_commands_are_refused(monkeypatch: pytest.MonkeyPatch, drive: Drive) -> None:
    monkeypatch.setattr(outbound, "MAX_COMMANDS", 3)
    driver = drive("""
    return function(ctx)
      local ok, problem
      for i = 1, 4 do ok, problem = pcall(ctx.start_activity, ctx, "a") end
      ctx:wait_signal("go")
      ctx:start_activity("a")
      return { ok = ok, message = problem }
    end
    """)
    assert kinds(driver.start()) == ["schedule_activity"] * 3
    refused = result(driver.send(jobs.signal("go")))
    assert not refused["ok"]
    assert "ctx:start_activity: a workflow task can send at most 3 commands" in refused["message"]


def test_commands_beyond_the_size_of_a_message_are_refused(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local text = ("x"):rep(1500000)
      local count = 0
      while pcall(ctx.start_activity, ctx, "a", text) do count = count + 1 end
      return count
    end
    """)
    assert result(driver.start()) == 2


# The boundary of the payload's limit ------------------------------------------------------------------------------

LIMIT = 10_000
FITS = LIMIT - ROOM - 2  # a string and its quotes

SIZED = {
    "a result": "return text",
    "an input": 'ctx:execute_activity("a", text)',
    "one of several inputs": 'ctx:execute_activity("a", nil, { args = { 1, text } })',
    "a child's input": 'ctx:execute_child_workflow("C", text)',
    "a signal": 'ctx:signal_workflow({ workflow_id = "w", signal_name = "s", input = text })',
    "a continuation": "ctx:continue_as_new(text)",
    "an operation's input": (
        'ctx:execute_nexus_operation({ endpoint = "e", service = "s", operation = "o", input = text })'
    ),
}


@pytest.mark.parametrize("body", list(SIZED.values()), ids=SIZED)
def test_exactly_the_limit_is_allowed(drive: Drive, body: str) -> None:
    for size, is_allowed in ((FITS, True), (FITS + 1, False)):
        source = f"return function(ctx, size) local text = ('x'):rep(size) {body} end"
        commands = drive(source, settings=make_settings(payload_limit=LIMIT)).start(size)
        assert ("fail_workflow_execution" not in commands[0]) == is_allowed
    message = failure(commands)["message"]
    assert f"has {LIMIT - ROOM + 1} bytes, the Temporal server accepts at most {LIMIT - ROOM}" in message


@pytest.mark.parametrize("size", [FITS, FITS + 1])
def test_exactly_the_limit_is_allowed_in_answers(drive: Drive, size: int) -> None:
    driver = drive(
        """
        return function(ctx, size)
          local text = ("x"):rep(size)
          ctx:register_query("q", function() return text end)
          ctx:register_update("u", function() return text end)
          ctx:wait_signal("never")
        end
        """,
        settings=make_settings(payload_limit=LIMIT),
    )
    driver.start(size)
    (queried,) = driver.send(jobs.query("q"))
    assert ("succeeded" in queried["respond_to_query"]) == (size == FITS)
    _, updated = driver.send(jobs.update("u"))
    assert ("completed" in updated["update_response"]) == (size == FITS)


def test_a_result_that_is_too_large_suspends_a_workflow_that_suspends(drive: Drive) -> None:
    driver = drive(
        "return function() return ('x'):rep(20000) end", suspend=True, settings=make_settings(payload_limit=LIMIT)
    )
    assert driver.start() == []
    assert "the workflow's result has 20002 bytes" in driver.failure


def test_an_error_suspends_a_workflow_that_suspends(drive: Drive) -> None:
    driver = drive("return function() error('no', 0) end", suspend=True)
    assert driver.start() == []
    assert driver.failure == "no"


# What Python holds ------------------------------------------------------------------------------------------------

HELD = {
    "names of queries": "for i = 1, 60 do ctx:register_query(text .. i, function() end) end",
    "names of signals": "for i = 1, 60 do ctx:on_signal(text .. i, function() end) end",
    "names that are polled": "for i = 1, 60 do ctx:poll_signal(text .. i) end",
    "descriptions": 'for i = 1, 60 do ctx:register_query("q" .. i, print, { description = text .. i }) end',
    "timers": "for i = 1, 100000 do ctx:start_timer(1000) if i % 5000 == 0 then ctx:wait_signal('go') end end",
    "summaries of timers": "for i = 1, 60 do ctx:start_timer(1000, { summary = text .. i }) ctx:wait_signal('go') end",
    "tasks": "local f = {} for i = 1, 30000 do f[i] = ctx:spawn(function() ctx:wait_signal('never') end) end",
}


@pytest.mark.parametrize("body", HELD.values(), ids=HELD)
def test_data_that_python_holds_for_a_run_counts_for_its_memory(body: str) -> None:
    source = f"return function(ctx) local text = ('x'):rep(1000000) {body} ctx:wait_signal('never') end"
    driver = limited(source, memory_mb=16, cpu_seconds=30)
    driver.start()
    for _ in range(60):
        if driver.failure:
            break
        driver.send(jobs.signal("go"))
    assert driver.failure == "the workflow needs more than 16 MB (workflow_limits.memory_mb)"
    driver.close()


@pytest.mark.parametrize("kind", ["signals", "results"])
def test_signals_and_results_that_wait_count_for_the_memory(kind: str) -> None:
    driver = limited(
        """
        return function(ctx)
          local futures = {}
          for i = 1, 30 do futures[i] = ctx:start_activity("a") end
          while true do ctx:wait_signal("go") end
        end
        """,
        memory_mb=16,
        cpu_seconds=30,
    )
    driver.start()
    text = "x" * 1_000_000
    for n in range(1, 31):
        driver.send(jobs.signal("kept", text) if kind == "signals" else jobs.activity(n, text), jobs.signal("go"))
        if driver.failure:
            break
    assert driver.failure == "the workflow needs more than 16 MB (workflow_limits.memory_mb)"
    driver.close()


def test_memory_that_is_freed_does_not_count(drive: Drive) -> None:
    driver = drive(
        """
        return function(ctx)
          local count = 0
          for i = 1, 60 do count = count + #ctx:wait_signal("s") end
          return count
        end
        """,
        settings=make_settings(limits=WorkflowLimits(memory_mb=16, cpu_seconds=30)),
    )
    commands = driver.start()
    for _ in range(60):
        commands = driver.send(jobs.signal("s", "x" * 1_000_000))
        assert driver.failure == ""
    assert result(commands) == 60_000_000


# What a workflow task sends ----------------------------------------------------------------------------------------

UPDATES = """
return function(ctx)
  local function big() return ("x"):rep(1000000) end
  ctx:register_update("get", big)
  local function no() error({ type = "NO", message = "m", details = { big() } }) end
  ctx:register_update("refuse", big, { validator = no })
  ctx:register_query("look", big)
  ctx:wait_signal("end")
  return big()
end
"""


def answered(commands: Commands) -> list[str]:
    """Return the updates that have an answer, in order."""
    responses = [command["update_response"] for command in commands if "update_response" in command]
    return [response["protocol_instance_id"] for response in responses if "completed" in response]


def test_answers_of_updates_are_spread_over_workflow_tasks(drive: Drive) -> None:
    driver = drive(UPDATES)
    driver.start()
    commands = driver.send(*(jobs.update("get", id=f"u{n}") for n in range(10)))
    assert answered(commands) == ["u0-p", "u1-p", "u2-p", "u3-p"]
    assert kinds(commands).count("start_timer") == 1
    commands = driver.send(jobs.fire(1))
    assert answered(commands) == ["u4-p", "u5-p", "u6-p", "u7-p"]
    assert answered(driver.send(jobs.fire(2))) == ["u8-p", "u9-p"]


def test_a_run_ends_after_the_answers_that_wait(drive: Drive) -> None:
    driver = drive(UPDATES)
    driver.start()
    commands = driver.send(*(jobs.update("get", id=f"u{n}") for n in range(6)), jobs.signal("end"))
    assert "complete_workflow_execution" not in kinds(commands)
    commands = driver.send(jobs.fire(1))
    assert answered(commands) == ["u4-p", "u5-p"]
    assert result(commands) == "x" * 1_000_000


def test_a_run_of_the_first_release_answers_at_once() -> None:
    driver = Driver(UPDATES)
    driver.send(jobs.initialize(), is_replaying=True)
    commands = driver.send(*(jobs.update("get", id=f"u{n}", run_validator=False) for n in range(6)), is_replaying=True)
    assert len(answered(commands)) == 6
    driver.close()


def test_rejections_and_answers_of_queries_are_cut_short() -> None:
    driver = Driver(UPDATES)
    driver.start()
    commands = driver.send(*(jobs.update("refuse", id=f"u{n}") for n in range(8)))
    messages = [command["update_response"]["rejected"]["message"] for command in commands]
    assert messages[:4] == ["m"] * 4
    assert set(messages[4:]) == {
        "rejected; the error is omitted: "
        "the responses of this workflow task exceed the size limit of the Temporal server"
    }
    commands = driver.send(*(jobs.query("look") for _ in range(8)))
    assert ["succeeded" in command["respond_to_query"] for command in commands] == [True] * 4 + [False] * 4
    driver.close()


def test_an_update_beyond_the_size_of_a_task_has_no_answer(drive: Drive, caplog: pytest.LogCaptureFixture) -> None:
    driver = drive("return function(ctx) ctx:register_update('u', function(t) return #t end) ctx:wait_signal('s') end")
    driver.start()
    commands = driver.send(*(jobs.update("u", "x" * 1_000_000, id=f"u{n}") for n in range(6)))
    assert answered(commands) == ["u0-p", "u1-p", "u2-p", "u3-p"]
    assert "cannot respond to update 'u': the workflow task has too many large updates" in caplog.text
    del driver.history[-1][0].jobs[4:]  # the server keeps none of those


def test_results_of_local_activities_count(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local text = ("x"):rep(1500000)
      ctx:execute_local_activity("a")
      ctx:execute_local_activity("a")
      local count = 0
      while pcall(ctx.start_activity, ctx, "b", text) do count = count + 1 end
      return count
    end
    """)
    driver.start()
    driver.send(jobs.local_activity(1, "x" * 1_500_000))
    assert result(driver.send(jobs.local_activity(2, "x" * 1_500_000))) == 0
    driver.close()


def test_a_result_of_a_local_activity_is_counted_once(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      ctx:execute_local_activity("a")
      ctx:execute_local_activity("a")
    end
    """)
    driver.start()
    assert driver.run is not None
    outbound = driver.run.outbound
    assert outbound.reserve_local_result(1_500_000) is None
    driver.send(jobs.local_activity(1, "x" * 1_500_000))
    assert outbound.reserve_local_result(1_500_000) is None
    assert outbound.reserve_local_result(1_500_000) is not None


def test_each_activation_may_spend_the_cpu_limit_on_copying() -> None:
    limits = RunLimits(WorkflowLimits(cpu_seconds=1), keeps_old_values=False)
    for _ in range(2):
        limits.begin_activation()
        limits.exclude_copying(limits.began - 5, limits)  # five seconds, of which one is excluded
        assert -1 <= limits.cpu_used() < -0.5


def test_a_workflow_task_has_room_for_local_results_after_one_that_was_full() -> None:
    sent = outbound.Outbound()
    sent.begin([], 1)
    assert sent.reserve_local_result(4_000_000) is None
    assert sent.reserve_local_result(4_000_000) is not None
    sent.begin([], 2)
    assert sent.reserve_local_result(4_000_000) is None


def test_each_command_has_room_for_what_the_server_adds() -> None:
    sent = outbound.Outbound()
    sent.begin([], 1)
    for _ in range(7_500):
        sent.reserve(WorkflowCommand())  # empty: only what the server adds takes room
    with pytest.raises(BuiltinError, match="this workflow task would send"):
        sent.reserve_bytes(300_000)


def test_timers_count_as_commands(monkeypatch: pytest.MonkeyPatch, drive: Drive) -> None:
    monkeypatch.setattr(outbound, "MAX_COMMANDS", 3)
    driver = drive("""
    return function(ctx)
      local count = 0
      while pcall(ctx.start_timer, ctx, 10) do count = count + 1 if count == 3 then ctx:wait_signal("go") end end
      return count
    end
    """)
    assert kinds(driver.start()) == ["start_timer"] * 3
