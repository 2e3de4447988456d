"""The Lua state of a run that waits is shrunk, without visible effects."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion

from assay.temporal.workflow.run.run import Run
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


def lua_memory(driver: Driver) -> int:
    """Return the bytes that the Lua state of a run uses."""
    gc.collect()
    assert driver.run is not None
    used: int = driver.run.host.state._runtime.get_memory_used()
    return used


def waiting(driver: Driver) -> Run:
    """Run a workflow until it waits for its approval; return the run."""
    driver.start(ORDER)
    driver.send(jobs.activity(1, {"by": "jane"}))
    assert driver.run is not None
    return driver.run


def test_a_run_that_waits_needs_less_memory(drive: Drive) -> None:
    driver = drive(APPROVED)
    run = waiting(driver)
    before = lua_memory(driver)
    run.shrink()
    assert lua_memory(driver) < 0.7 * before


def test_a_shrunk_run_continues(drive: Drive) -> None:
    driver = drive(APPROVED)
    waiting(driver).shrink()
    expected = {**ORDER, "checked": {"by": "jane"}, "approval": "yes"}
    assert result(driver.send(jobs.signal("approve", "yes"))) == expected


LOCAL = """
return function(ctx)
  ctx:execute_local_activity("check")
  ctx:wait_signal("approve")
end
"""

SIDE_EFFECT = """
return function(ctx)
  ctx:side_effect(function() return 1 end)
  ctx:wait_signal("approve")
end
"""


@pytest.mark.parametrize("source", [LOCAL, SIDE_EFFECT], ids=["local activity", "side effect"])
def test_a_run_whose_state_another_thread_may_use_is_not_shrunk(drive: Drive, source: str) -> None:
    driver = drive(source)
    driver.start()
    assert driver.run is not None
    before = lua_memory(driver)
    driver.run.shrink()
    assert lua_memory(driver) == before
    driver.send(jobs.local_activity(1, 1))
    driver.run.shrink()
    assert lua_memory(driver) < before


def test_a_run_continues_alike_however_often_it_is_shrunk(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = play(drive(CONVERSIONS))
    activate = Run.activate

    def activate_and_shrink(self: Run, act: WorkflowActivation) -> WorkflowActivationCompletion:
        completion = activate(self, act)
        self.shrink()
        return completion

    monkeypatch.setattr(Run, "activate", activate_and_shrink)
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
    run = waiting(driver)
    before = lua_memory(driver)
    monkeypatch.setattr(type(run.host.state), "headroom", lambda self: 0)
    run.shrink()
    assert run.host.callbacks.ending is None
    assert lua_memory(driver) == before
