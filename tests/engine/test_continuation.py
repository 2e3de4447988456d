"""continue-as-new: the input of the next run, and the places where it can be called."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.api.common.v1 import Memo

from engine import jobs
from engine.driver import Drive, failure, kinds

MEMO = Memo(fields={"kept": jobs.payload(1), "removed": jobs.payload(2), "changed": jobs.payload({"a": 1})})


def continued(commands: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the fields of the command that continues a workflow."""
    (command,) = (command for command in commands if "continue_as_new_workflow_execution" in command)
    fields: dict[str, Any] = command["continue_as_new_workflow_execution"]
    return fields


def test_the_memo_goes_along_by_itself(drive: Drive) -> None:
    driver = drive("return function(ctx) ctx:continue_as_new() end")
    assert "memo" not in continued(driver.start(memo=MEMO))


def test_a_changed_memo_goes_along_whole(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      ctx:upsert_memo({ changed = { b = 2 }, removed = json.null, added = "new" })
      ctx:continue_as_new()
    end
    """)
    assert continued(driver.start(memo=MEMO))["memo"] == {"added": "new", "changed": {"b": 2}, "kept": 1}


def test_a_memo_of_which_all_was_removed_goes_along_as_null(drive: Drive) -> None:
    """The server would replace an empty memo by that of the start."""
    driver = drive("return function(ctx) ctx:upsert_memo({ a = json.null }) ctx:continue_as_new() end")
    assert continued(driver.start(memo=Memo(fields={"a": jobs.payload(1)})))["memo"] == {"a": None}


def test_an_unreadable_value_stays_in_a_changed_memo(drive: Drive) -> None:
    driver = drive("return function(ctx) ctx:upsert_memo({ a = 1 }) ctx:continue_as_new() end")
    commands = driver.start(memo=Memo(fields={"secret": jobs.raw(b"x", b"binary/encrypted")}))
    assert continued(commands)["memo"] == {"a": 1, "secret": b"x"}


def test_an_explicit_memo_replaces_that_of_the_run(drive: Drive) -> None:
    driver = drive("return function(ctx) ctx:upsert_memo({ a = 1 }) ctx:continue_as_new(1, { memo = { b = 2 } }) end")
    assert continued(driver.start(memo=MEMO))["memo"] == {"b": 2}


def test_nothing_catches_it(drive: Drive) -> None:
    driver = drive("return function(ctx) pcall(ctx.continue_as_new, ctx, 1) ctx:sleep(1) return 'went on' end")
    assert kinds(driver.start()) == ["continue_as_new_workflow_execution"]


def test_a_query_of_the_closed_run_finds_nothing_left_to_run(drive: Drive) -> None:
    """The task that the condition woke continued as new while it was the only item of the queue."""
    driver = drive("""
    return function(ctx)
      local done = 0
      ctx:register_query("done", function() return done end)
      ctx:on_signal("s", function() done = done + 1 end)
      ctx:wait_condition(function() return done > 0 end)
      ctx:continue_as_new(done)
    end
    """)
    driver.start()
    assert continued(driver.send(jobs.signal("s"), jobs.signal("s")))["arguments"] == [2]
    answers = [driver.send(jobs.query("done")) for _ in range(2)]
    assert answers[0] == answers[1]
    assert kinds(answers[0]) == ["respond_to_query"]
    assert answers[0][0]["respond_to_query"]["succeeded"]["response"] == 2


def test_messages_after_it_are_not_handled(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local handled = 0
      ctx:register_query("handled", function() return handled end)
      ctx:on_signal("end", function() ctx:continue_as_new() end)
      ctx:on_signal("late", function() handled = handled + 1 end)
      ctx:wait_signal("never")
    end
    """)
    driver.start()
    driver.send(jobs.signal("end"), jobs.signal("late"))
    (answer,) = driver.send(jobs.query("handled"))
    assert answer["respond_to_query"]["succeeded"]["response"] == 0


PLACES = {
    "a task": "ctx:spawn(function() ctx:continue_as_new(1) end)",
    "a coroutine": "coroutine.wrap(function() ctx:continue_as_new(1) end)()",
    "a protected call": "pcall(function() pcall(ctx.continue_as_new, ctx, 1) end)",
    "a signal handler": 'ctx:on_signal("s", function() ctx:continue_as_new(1) end)',
    "a shield": "ctx:shield(function() ctx:continue_as_new(1) end)",
    "a deadline": "ctx:with_timeout(9, function() ctx:continue_as_new(1) end)",
}


@pytest.mark.parametrize("place", list(PLACES.values()), ids=PLACES)
def test_it_can_be_called_from(drive: Drive, place: str, caplog: pytest.LogCaptureFixture) -> None:
    driver = drive(f"return function(ctx) {place} ctx:wait_signal('never') end")
    commands = driver.start()
    if "on_signal" in place:
        commands = driver.send(jobs.signal("s"))
    assert continued(commands)["arguments"] == [1]
    assert caplog.text == ""


def test_the_handler_of_an_update_cannot_call_it(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      ctx:register_update("u", function() ctx:continue_as_new() end)
      ctx:wait_signal("never")
    end
    """)
    driver.start()
    rejected = driver.send(jobs.update("u"))[1]["update_response"]["rejected"]
    assert "not allowed in an update handler" in rejected["message"]


def test_an_input_that_is_too_large_is_an_error(drive: Drive) -> None:
    driver = drive("return function(ctx) ctx:continue_as_new(('x'):rep(3000000)) end")
    assert "the input has 3000002 bytes" in failure(driver.start())["message"]
