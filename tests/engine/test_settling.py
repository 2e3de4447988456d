"""The Lua state of a run that begins to wait is shrunk, without visible effects."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from assay.temporal.workflow.run.run import SETTLING_FACTOR, Run
from assay.temporal.workflow.sandbox.host import WorkflowHost
from assay.temporal.workflow.sandbox.parts import CONVERTING, STARTING
from engine import jobs
from engine.driver import Commands, Drive, Driver, result

ORDER = {"id": "o-1", "lines": [{"article": "tea", "count": 2}], "paid": True}

APPROVED = """
return function(ctx, order)
  order.checked = ctx:execute_activity("check", order)
  order.approval = ctx:wait_signal("approve", { timeout = 86400 })
  return order
end
"""

MESSAGES = """
return function(ctx)
  local sum = 0
  repeat
    local message = ctx:wait_signal("message")
    sum = sum + message.number
  until message.is_last
  return sum
end
"""

# Values of all kinds, small and large, in both directions, and the parts that a script loads late.
CONVERSIONS = """
return function(ctx, input)
  local rows, log = {}, {}
  for i = 1, 1500 do
    rows[i] = { id = i, name = "row " .. i, tags = { "a", "ä" }, price = i / 4 }
    rows[i].note = i % 400 == 0 and "\\n\\\\" or nil
  end
  for i = 1, 3 do
    local answer = ctx:execute_activity("rows", { rows = rows, number = i, nothing = json.null })
    log[#log + 1] = json.encode(answer)
    rows = ctx:wait_signal("rows").rows
    log[#log + 1] = #rows .. " " .. tostring(rows[1].name)
    log[#log + 1] = tostring(select(2, pcall(ctx.execute_activity, ctx, "bad", { f = print })))
  end
  return { input = input, log = log, parsed = json.parse("[1, 2.5, null, \\"x\\"]") }
end
"""


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, ...]]:
    """Record what runs free, as the names of each call."""
    calls = []
    settle = WorkflowHost.settle

    def record(self: WorkflowHost, *names: bytes) -> None:
        calls.append(names)
        settle(self, *names)

    monkeypatch.setattr(WorkflowHost, "settle", record)
    return calls


def lua_memory(driver: Driver) -> int:
    """Return the bytes that the Lua state of a run uses."""
    gc.collect()
    assert driver.run is not None
    used: int = driver.run.host.state._runtime.get_memory_used()
    return used


def waiting(driver: Driver) -> int:
    """Run a workflow until it waits for its approval; return the bytes of its Lua state."""
    driver.start(ORDER)
    driver.send(jobs.activity(1, {"by": "jane"}))
    return lua_memory(driver)


def test_a_run_that_waits_for_a_message_needs_less_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    small = waiting(Driver(APPROVED))
    monkeypatch.setattr(WorkflowHost, "settle", lambda self, *names: None)
    assert small < 0.7 * waiting(Driver(APPROVED))


def test_a_run_that_waits_for_an_activity_frees_only_what_its_start_needed(
    drive: Drive, settled: list[tuple[bytes, ...]]
) -> None:
    driver = drive(APPROVED)
    driver.start(ORDER)
    assert settled == [STARTING]
    driver.send(jobs.activity(1, {"by": "jane"}))
    assert settled == [STARTING, (*STARTING, *CONVERTING)]
    assert result(driver.send(jobs.signal("approve", "yes"))) == {
        **ORDER,
        "checked": {"by": "jane"},
        "approval": "yes",
    }
    assert len(settled) == 2  # the run is over


def test_a_run_that_ends_at_once_is_not_shrunk(drive: Drive, settled: list[tuple[bytes, ...]]) -> None:
    assert result(drive("return function(ctx, n) return n end").start(5)) == 5
    assert settled == []


def test_a_run_with_many_messages_is_shrunk_ever_less_often(drive: Drive, settled: list[tuple[bytes, ...]]) -> None:
    driver = drive(MESSAGES)
    driver.start()
    counts = []
    for number in range(1, 40):
        before = len(settled)
        driver.send(jobs.signal("message", {"number": number}))
        counts += [number + 1] * (len(settled) - before)  # with the start
    assert counts == [SETTLING_FACTOR, SETTLING_FACTOR**2]
    assert result(driver.send(jobs.signal("message", {"number": 0, "is_last": True}))) == sum(range(40))


def test_a_replay_is_not_shrunk_before_it_has_caught_up(settled: list[tuple[bytes, ...]]) -> None:
    driver = Driver(APPROVED)
    waiting(driver)
    settled.clear()
    driver.evict()
    assert settled == []
    driver.send(jobs.query("__stack_trace"))
    assert len(settled) == 1
    driver.close()


@pytest.mark.parametrize("always", [True, False], ids=["after each activation", "never"])
def test_a_run_continues_alike_however_often_it_is_shrunk(
    drive: Drive, monkeypatch: pytest.MonkeyPatch, *, always: bool
) -> None:
    expected = play(drive(CONVERSIONS))

    def settle(self: Run) -> None:
        if always:
            self.host.settle(*STARTING, *CONVERTING)

    monkeypatch.setattr(Run, "_settle", settle)
    assert play(drive(CONVERSIONS)) == expected


def play(driver: Driver) -> list[Commands]:
    """Run the conversions; return all commands."""
    rows: list[Any] = [{"id": i, "name": f"new {i}", "text": "ü" * 20} for i in range(1000)]
    commands = [driver.start(ORDER)]
    for number in range(1, 4):
        commands.append(driver.send(jobs.activity(number, {"rows": rows, "ok": True, "none": None})))
        commands.append(driver.send(jobs.signal("rows", {"rows": rows[number:]})))
    assert len(result(commands[-1])["log"]) == 9
    return commands


def test_a_state_without_memory_stays_as_it_is(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = drive(APPROVED)
    driver.start(ORDER)
    run = driver.run
    assert run is not None
    before = lua_memory(driver)
    monkeypatch.setattr(type(run.host.state), "headroom", lambda self: 0)
    run.host.settle(*STARTING, *CONVERTING)
    assert run.host.callbacks.ending is None
    assert lua_memory(driver) == before
