"""The arguments of a signal, for each way to receive it."""

from __future__ import annotations

import pytest

from engine import jobs
from engine.driver import Drive, result

RECEIVED = {
    "by a handler": """
      local arguments
      ctx:on_signal("s", function(...) arguments = table.pack(...) end)
      ctx:wait_condition(function() return arguments end)
    """,
    "by a wait": 'local arguments = table.pack(ctx:wait_signal("s"))',
    "by a poll": """
      ctx:sleep(1)
      local arguments = table.pack(select(2, ctx:poll_signal("s")))
    """,
}


@pytest.mark.parametrize("receive", list(RECEIVED.values()), ids=RECEIVED)
def test_all_arguments_are_received(drive: Drive, receive: str) -> None:
    driver = drive(f"return function(ctx) {receive} return {{ count = arguments.n, table.unpack(arguments) }} end")
    driver.start()
    commands = driver.send(jobs.signal("s", 1, {"two": []}, False, "four"))
    if "poll_signal" in receive:
        commands = driver.send(jobs.fire(1), after=1)
    assert result(commands) == {"count": 4, "1": 1, "2": {"two": []}, "3": False, "4": "four"}


def test_a_handler_gets_one_nil_for_a_signal_without_arguments(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local received
      ctx:on_signal("s", function(...) received = { count = select("#", ...), is_nil = (...) == nil } end)
      ctx:wait_condition(function() return received end)
      return received
    end
    """)
    driver.start()
    assert result(driver.send(jobs.signal("s"))) == {"count": 1, "is_nil": True}
