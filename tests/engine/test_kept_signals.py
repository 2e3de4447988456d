"""Signals that arrive before a workflow waits for them are buffered in order."""

from __future__ import annotations

from engine import jobs
from engine.driver import Drive, result

COLLECTS = """
return function(ctx)
  local values = {}
  for i = 1, 5 do values[i] = ctx:wait_signal("n") end
  return values
end
"""


def test_signals_that_come_with_the_start_are_kept_in_order(drive: Drive) -> None:
    driver = drive(COLLECTS)
    signals = [jobs.signal("n", value) for value in range(1, 6)]
    assert result(driver.send(jobs.initialize(), *signals)) == [1, 2, 3, 4, 5]


def test_signals_of_another_name_are_buffered_in_order(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      ctx:wait_signal("collect")
      local values = {}
      for i = 1, 5 do values[i] = ctx:wait_signal("n") end
      return values
    end
    """)
    driver.start()
    for value in range(1, 6):
        driver.send(jobs.signal("n", value))
    assert result(driver.send(jobs.signal("collect"))) == [1, 2, 3, 4, 5]


def test_a_wait_for_a_signal_that_does_not_come_returns_nil(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      return { is_nil = ctx:wait_signal("n", { timeout = 1 }) == nil }
    end
    """)
    driver.start()
    assert result(driver.send(jobs.fire(1), after=1)) == {"is_nil": True}
