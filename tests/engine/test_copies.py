"""Copies of a run for query handlers and validators: shared until the run changes, with writes rolled back."""

from __future__ import annotations

import pytest

from assay.temporal.workflow.sandbox import copying
from assay.temporal.workflow.sandbox.copy_cache import MAX_COPIES, Copy, CopyCache
from assay.temporal.workflow.sandbox.host import WorkflowHost
from engine import jobs
from engine.driver import Drive, Driver

WRITES = """
return function(ctx)
  local count, list, state = 0, { 1, 2 }, setmetatable({ name = "run" }, { __index = { kind = "class" } })
  ctx:register_query("write", function()
    local before = { count = count, length = #list, raw_length = rawlen(list), name = state.name, kind = state.kind,
      global = added }
    count, added = count + 1, "global"
    list[#list + 1], list[1] = 3, nil
    state.name = nil
    setmetatable(state, nil)
    table.insert(list, {})
    return before
  end)
  ctx:register_query("read", function()
    return { count = count, length = #list, raw_length = rawlen(list), name = state.name, kind = state.kind,
      global = added }
  end)
  ctx:register_update("add", function(n) count = count + n return count end, { validator = function(n)
    count = 100
    if n > 10 then error("too much") end
  end })
  ctx:wait_signal("never")
end
"""

STATE = {"count": 0, "length": 2, "raw_length": 2, "name": "run", "kind": "class"}
"""The state of the run of `WRITES`, as its query handlers return it."""


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> list[WorkflowHost]:
    """The hosts of all copies that are made."""
    made: list[WorkflowHost] = []
    make = copying._make_copy

    def note(host: WorkflowHost, snapshot: bytes, *, live: bool) -> WorkflowHost:
        made.append(make(host, snapshot, live=live))
        return made[-1]

    monkeypatch.setattr(copying, "_make_copy", note)
    return made


def answer(driver: Driver, name: str) -> object:
    """Return the answer to a query."""
    (command,) = driver.send(jobs.query(name))
    return command["respond_to_query"]["succeeded"]["response"]


def test_queries_without_a_change_in_between_share_a_copy(drive: Drive, copies: list[WorkflowHost]) -> None:
    driver = drive(WRITES)
    driver.start()
    for name in ("read", "write", "read"):
        answer(driver, name)
    assert len(copies) == 1


def test_writes_of_a_query_handler_are_undone(drive: Drive, copies: list[WorkflowHost]) -> None:
    driver = drive(WRITES)
    driver.start()
    for _ in range(3):
        assert answer(driver, "write") == STATE
        assert answer(driver, "read") == STATE
    assert len(copies) == 1


def test_a_validator_that_writes_changes_nothing(drive: Drive) -> None:
    driver = drive(WRITES)
    driver.start()
    accepted = driver.send(jobs.update("add", 1))
    assert accepted[-1]["update_response"]["completed"] == 1
    assert answer(driver, "read") == {**STATE, "count": 1}


def test_a_new_copy_is_made_after_a_change(drive: Drive, copies: list[WorkflowHost]) -> None:
    driver = drive(WRITES)
    driver.start()
    answer(driver, "read")
    driver.send(jobs.update("add", 5))
    assert answer(driver, "read") == {**STATE, "count": 5}
    assert len(copies) == 2  # the validator used the first one, too


def test_a_rejected_update_keeps_the_copy(drive: Drive, copies: list[WorkflowHost]) -> None:
    driver = drive(WRITES)
    driver.start()
    for _ in range(3):
        driver.send(jobs.update("add", 11))
        answer(driver, "read")
    assert len(copies) == 1


def test_only_the_latest_copies_are_kept() -> None:
    class Closed:
        def __init__(self) -> None:
            self.is_closed = False

        def close_state(self) -> None:
            self.is_closed = True

    cache, hosts = CopyCache(), [Closed() for _ in range(MAX_COPIES + 1)]
    for host in hosts:
        cache.put(host, Copy(host, (1, 0.0), {}))
    assert [host.is_closed for host in hosts] == [True] + [False] * MAX_COPIES
    cache.drop(hosts[1])
    assert hosts[1].is_closed
