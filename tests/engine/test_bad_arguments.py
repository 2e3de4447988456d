"""Bad arguments of `ctx` and of futures: each is an error that names the argument."""

from __future__ import annotations

import pytest

from engine.driver import Drive, failure

# Each is a call, and its message. `f` is a future of a timer.
BAD_ARGUMENTS = {
    "spawn without a function": (
        'ctx:spawn("x")',
        "ctx:spawn: bad argument 'function' (function expected, got string)",
    ),
    "upsert_memo of bytes": (
        'ctx:upsert_memo("\\xff")',
        "ctx:upsert_memo: bad argument 'memo' (a table of named values expected)",
    ),
    "await_all of a number": (
        "ctx:await_all({ f, 7 })",
        "ctx:await_all: bad argument 'futures', item 2 (Future expected, got number)",
    ),
    "await_all with the timeout among the futures": (
        "ctx:await_all({ f, timeout = 1 })",
        "ctx:await_all: pass the timeout in a second table: ctx:await_all({…}, { timeout = seconds })",
    ),
    "await_all of a table with names": (
        "ctx:await_all({ one = f })",
        "ctx:await_all: bad argument 'futures' (array expected, got a table with other keys)",
    ),
    "await_any of nothing": (
        "ctx:await_any({})",
        "ctx:await_any: bad argument 'futures' (at least one expected)",
    ),
    "await_any with an unknown option": (
        "ctx:await_any({ f }, { time = 1 })",
        "ctx:await_any: unknown option 'time' (did you mean 'timeout'?)",
    ),
    "await_any of an array with a name": (
        "ctx:await_any({ f, two = f })",
        "ctx:await_any: bad argument 'futures' (array expected, got a table with other keys)",
    ),
    "get without a future": (
        "f.get(nil)",
        "future:get: bad argument 'self' (Future expected, got nil; methods are called with a colon)",
    ),
    "a signal to a timer": (
        'f:signal("x")',
        "future:signal: only futures of child workflows accept signals",
    ),
    "a child with a misspelled option": (
        'ctx:start_child_workflow("Child", nil, { parent_close_polcy = "abandon" })',
        "ctx:start_child_workflow: unknown option 'parent_close_polcy' (did you mean 'parent_close_policy'?)",
    ),
    "a continuation with a negative timeout": (
        "ctx:continue_as_new(1, { run_timeout = -1 })",
        "ctx:continue_as_new: bad option 'run_timeout' (a positive number of seconds expected, got -1)",
    ),
    "an activity with a hole in its arguments": (
        'ctx:execute_activity("any", nil, { args = { 1, nil, "three" } })',
        "ctx:execute_activity: bad option 'args' "
        "(array expected, got a table without item 2: use json.null instead of nil)",
    ),
    "a timer of no length": (
        "ctx:start_timer(0 / 0)",
        "ctx:start_timer: bad argument 'duration' (a number of seconds expected, got nan)",
    ),
    "an endless sleep": (
        "ctx:sleep(math.maxinteger)",
        "ctx:sleep: bad argument 'duration' (a number of seconds expected, got 9.22337e+18)",
    ),
    "an endless deadline": (
        "ctx:with_timeout(1e300, print)",
        "ctx:with_timeout: bad argument 'duration' (a number of seconds expected, got 1e+300)",
    ),
    "an endless wait for a signal": (
        'ctx:wait_signal("x", { timeout = math.maxinteger })',
        "ctx:wait_signal: bad option 'timeout' (a number of seconds expected, got 9.22337e+18)",
    ),
    "an endless heartbeat timeout": (
        'ctx:execute_activity("a", 1, { heartbeat_timeout = 1e18 })',
        "ctx:execute_activity: bad option 'heartbeat_timeout' (a positive number of seconds expected, got 1e+18)",
    ),
    "an activity without a name": (
        'ctx:execute_activity("", 1)',
        "ctx:execute_activity: bad argument 'name' (expected a non-empty string)",
    ),
    "an input and args": (
        'ctx:start_activity("a", 1, { args = { 1 } })',
        "ctx:start_activity: bad option 'args' ('args' and the input argument are mutually exclusive: pass nil)",
    ),
}


@pytest.mark.parametrize(("call", "message"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS)
def test_a_bad_argument(drive: Drive, call: str, message: str) -> None:
    driver = drive(f"return function(ctx) local f = ctx:start_timer(1); {call} end")
    assert failure(driver.start())["message"] == f"workflow.lua:1: {message}"
