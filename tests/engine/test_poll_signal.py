"""`ctx:poll_signal` returns a buffered signal, and never waits."""

from __future__ import annotations

from engine import jobs
from engine.driver import Drive, result


def test_without_a_signal_it_returns_false(drive: Drive) -> None:
    driver = drive("return function(ctx) return { ctx:poll_signal('s') } end")
    assert result(driver.start()) == [False]


def test_it_returns_true_and_the_input_of_a_signal_that_came_early(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      ctx:wait_signal("look")
      local found, input = ctx:poll_signal("s")
      return { found = found, input = input }
    end
    """)
    driver.start()
    driver.send(jobs.signal("s", [1.5]))
    assert result(driver.send(jobs.signal("look"))) == {"found": True, "input": [1.5]}


def test_it_returns_each_signal_once(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local first = ctx:wait_signal("s")
      ctx:wait_signal("look")
      local _, second = ctx:poll_signal("s")
      return { first = first, second = second, third = { ctx:poll_signal("s") } }
    end
    """)
    driver.start()
    driver.send(jobs.signal("s", 1))
    driver.send(jobs.signal("s", 2))
    assert result(driver.send(jobs.signal("look"))) == {"first": 1, "second": 2, "third": [False]}
