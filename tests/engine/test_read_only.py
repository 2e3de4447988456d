"""Query handlers and validators are read-only: each call with an effect raises an error that names it."""

from __future__ import annotations

import pytest

from engine import jobs
from engine.driver import Drive, Driver

ACTIONS = {
    "ctx:sleep": "ctx:sleep(1)",
    "ctx:start_activity": 'ctx:start_activity("a")',
    "ctx:spawn": "ctx:spawn(print)",
    "ctx:poll_signal": 'ctx:poll_signal("s")',
    "future:get": "task:get()",
    "future:cancel": "child:cancel()",
}


def start(drive: Drive, call: str) -> Driver:
    """Start a workflow with a query handler and a validator that make a call."""
    driver = drive(f"""
    return function(ctx)
      local task = ctx:spawn(function() ctx:wait_signal("s") end)
      local child = ctx:start_child_workflow("Child")
      local function act() {call} end
      ctx:register_query("q", act)
      ctx:register_update("u", print, {{ validator = act }})
      ctx:wait_signal("never")
    end
    """)
    driver.start()
    return driver


@pytest.mark.parametrize(("name", "call"), ACTIONS.items(), ids=ACTIONS)
def test_a_query_that_acts_fails(drive: Drive, name: str, call: str) -> None:
    (command,) = start(drive, call).send(jobs.query("q"))
    message = f"{name}: not allowed in a query handler or a validator: they must be read-only"
    assert command["respond_to_query"]["failed"]["message"] == f"workflow.lua:5: {message}"


@pytest.mark.parametrize(("name", "call"), ACTIONS.items(), ids=ACTIONS)
def test_an_update_is_rejected_when_its_validator_acts(drive: Drive, name: str, call: str) -> None:
    (command,) = start(drive, call).send(jobs.update("u"))
    message = f"{name}: not allowed in a query handler or a validator: they must be read-only"
    assert command["update_response"]["rejected"]["message"] == f"workflow.lua:5: {message}"
