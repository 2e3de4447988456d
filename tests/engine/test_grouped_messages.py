"""Messages in one activation have the same effect as in separate activations."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from temporalio.bridge.proto.workflow_activation import WorkflowActivationJob

from engine import jobs
from engine.driver import Drive, Driver, result


@dataclass(frozen=True)
class Case:
    """A workflow that logs its messages, the jobs that it receives and the log that it returns."""

    source: str
    jobs: list[WorkflowActivationJob]
    log: list[str]


CASES = {
    "a handler begins before a later signal is taken": Case(
        """
        ctx:on_signal("handled", note("handled"))
        ctx:wait_signal("go")
        ctx:wait_signal("waited")
        add("waited")
        """,
        [jobs.signal("go"), jobs.signal("handled"), jobs.signal("waited")],
        ["handled", "waited"],
    ),
    "a signal is taken before a later handler begins": Case(
        """
        ctx:on_signal("handled", note("handled"))
        ctx:wait_signal("go")
        ctx:wait_signal("waited")
        add("waited")
        ctx:wait_condition(function() return #log == 2 end)
        """,
        [jobs.signal("go"), jobs.signal("waited"), jobs.signal("handled")],
        ["waited", "handled"],
    ),
    "signals that a loop takes come before a later update": Case(
        """
        ctx:register_update("update", note("update"))
        for i = 1, 3 do
          add("signal " .. ctx:wait_signal("s"))
        end
        ctx:wait_condition(function() return #log == 4 end)
        """,
        [jobs.signal("s", 1), jobs.signal("s", 2), jobs.signal("s", 3), jobs.update("update")],
        ["signal 1", "signal 2", "signal 3", "update"],
    ),
    "an update comes before later signals that a loop takes": Case(
        """
        ctx:register_update("update", note("update"))
        for i = 1, 2 do
          add("signal " .. ctx:wait_signal("s"))
        end
        """,
        [jobs.signal("s", 1), jobs.update("update"), jobs.signal("s", 2)],
        ["signal 1", "update", "signal 2"],
    ),
    "the dynamic handler begins before a later update": Case(
        """
        ctx:on_dynamic_signal(note("dynamic"))
        ctx:register_update("update", note("update"))
        ctx:wait_condition(function() return #log == 2 end)
        """,
        [jobs.signal("other"), jobs.update("update")],
        ["dynamic", "update"],
    ),
    "the dynamic handler gets a signal that a task asks for after it came": Case(
        """
        ctx:on_dynamic_signal(note("dynamic"))
        ctx:wait_signal("go")
        add("asked " .. tostring((ctx:poll_signal("other"))))
        """,
        [jobs.signal("other"), jobs.signal("go")],
        ["dynamic", "asked false"],
    ),
    "a task gets a signal that it has asked for before it came": Case(
        """
        ctx:on_dynamic_signal(note("dynamic"))
        ctx:wait_signal("go")
        ctx:wait_signal("other")
        add("waited")
        """,
        [jobs.signal("go"), jobs.signal("other")],
        ["waited"],
    ),
    "a handler that is registered meanwhile begins before a later update": Case(
        """
        ctx:register_update("update", note("update"))
        ctx:wait_signal("go")
        ctx:on_signal("late", note("late"))
        ctx:wait_condition(function() return #log == 2 end)
        """,
        [jobs.signal("go"), jobs.signal("late"), jobs.update("update")],
        ["late", "update"],
    ),
}


def _run(driver: Driver, groups: list[list[WorkflowActivationJob]]) -> object:
    driver.start()
    commands = [command for group in groups for command in driver.send(*group)]
    return result(commands)


@pytest.mark.parametrize("case", list(CASES.values()), ids=CASES)
@pytest.mark.parametrize("together", [True, False], ids=["together", "one by one"])
def test_messages_take_effect_in_their_order(drive: Drive, case: Case, together: bool) -> None:
    driver = drive(f"""
    return function(ctx)
      local log = {{}}
      local function add(what) log[#log + 1] = what end
      local function note(what) return function() add(what) end end
      {case.source}
      return log
    end
    """)
    assert _run(driver, [case.jobs] if together else [[job] for job in case.jobs]) == case.log


def test_a_pending_handler_is_not_finished(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local handled = false
      ctx:wait_signal("go")
      ctx:on_signal("late", function() handled = true end)
      local finished = ctx:all_handlers_finished()
      ctx:wait_condition(function() return ctx:all_handlers_finished() end)
      return { finished, handled }
    end
    """)
    driver.start()
    assert result(driver.send(jobs.signal("go"), jobs.signal("late"))) == [False, True]


@pytest.mark.parametrize("wait", ['ctx:poll_signal("s")', 'ctx:wait_signal("s", { timeout = 0 })'])
def test_a_look_at_the_mailbox_sees_a_signal_before_its_turn(drive: Drive, wait: str) -> None:
    driver = drive(f"return function(ctx) ctx:wait_signal('go') return {{ {wait} }} end")
    driver.start()
    seen = result(driver.send(jobs.signal("go"), jobs.signal("s", 7)))
    assert 7 in (seen if isinstance(seen, list) else seen.values())


def test_a_polled_signal_reaches_no_handler(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local handled = 0
      ctx:on_dynamic_signal(function() handled = handled + 1 end)
      ctx:wait_signal("go")
      local found = ctx:poll_signal("s")
      ctx:sleep(1)
      return { found, handled }
    end
    """)
    driver.start()
    driver.send(jobs.signal("go"), jobs.signal("s"))
    assert result(driver.send(jobs.fire(1))) == [True, 0]
