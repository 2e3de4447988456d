"""Failures of workflows: message, type and details."""

from __future__ import annotations

from typing import Any

import pytest

from engine import jobs
from engine.driver import Drive, failure, result

# Each is the body of a workflow, and the message and the type of its failure.
FAILURES = {
    "an error with a code": ('error("PERMISSION_DENIED: you")', "PERMISSION_DENIED: you", "PERMISSION_DENIED"),
    "a bug": ("local t = nil; return t.x", "attempt to index a nil value (local 't')", "LuaError"),
    "a bad argument": (
        "ctx:sleep(0 / 0)",
        "ctx:sleep: bad argument 'duration' (a number of seconds expected, got nan)",
        "LuaError",
    ),
    "an input that cannot be serialized": (
        'ctx:execute_activity("a", { print })',
        "ctx:execute_activity: bad argument 'input' (not JSON-serializable: a function at [1])",
        "LuaError",
    ),
    "an unknown option": (
        'ctx:execute_activity("a", nil, { start_to_clos_timeout = 1 })',
        "ctx:execute_activity: unknown option 'start_to_clos_timeout' (did you mean 'start_to_close_timeout'?)",
        "LuaError",
    ),
}


@pytest.mark.parametrize(("body", "message", "error_type"), FAILURES.values(), ids=FAILURES)
def test_an_error_fails_the_workflow_with_its_line_message_and_type(
    drive: Drive, body: str, message: str, error_type: str
) -> None:
    failed = failure(drive(f"return function(ctx) {body} end").start())
    assert failed["message"] == f"workflow.lua:1: {message}"
    assert failed["application_failure_info"]["type"] == error_type


def test_a_result_that_cannot_be_serialized_fails_the_workflow(drive: Drive) -> None:
    failed = failure(drive("return function() return print end").start())
    assert failed["message"] == "the result is not serializable: a function"


def test_the_stack_trace_names_lines_of_the_script_only(drive: Drive) -> None:
    failed = failure(drive("return function() local t = nil; return t.x end").start())
    assert "workflow.lua:1" in failed["stack_trace"]
    assert ".py" not in failed["stack_trace"]


def details(failed: dict[str, Any]) -> Any:
    """Return the details of an application failure."""
    return failed["application_failure_info"]["details"]["payloads"]


def test_a_table_without_a_message_becomes_the_details_of_the_failure(drive: Drive) -> None:
    failed = failure(drive("return function() error({ code = 7 }) end").start())
    assert failed["message"] == '(error object is a table value) {"code": 7}'
    assert details(failed) == [{"code": 7}]


def test_a_large_table_is_shortened_in_the_message_and_kept_in_the_details(drive: Drive) -> None:
    failed = failure(drive('return function() error({ text = ("x"):rep(5000) }) end').start())
    assert failed["message"].startswith('(error object is a table value) {"text": "xxx')
    assert failed["message"].endswith("x… (of 5044 characters)")
    assert details(failed) == [{"text": "x" * 5000}]


def test_a_failed_activity_fails_the_workflow_with_its_own_details(drive: Drive) -> None:
    driver = drive("return function(ctx) ctx:execute_activity('table') end")
    driver.start()
    cause = jobs.application('(error object is a table value) {"code": 5}', "LuaError", {"code": 5})
    failed = failure(driver.send(jobs.activity(1, failure=jobs.activity_failure(cause, "table"))))
    assert failed["activity_failure_info"]["activity_type"] == {"name": "table"}
    assert failed["cause"]["message"] == '(error object is a table value) {"code": 5}'
    assert details(failed["cause"]) == [{"code": 5}]


HANDLERS = {"raises an error": "local _ = err.x.y", "waits": "ctx:sleep(1)"}


@pytest.mark.parametrize("body", HANDLERS.values(), ids=HANDLERS)
def test_a_message_handler_of_xpcall_fails_as_everywhere_in_lua_when_it(drive: Drive, body: str) -> None:
    driver = drive(f"""
    return function(ctx)
      return {{ xpcall(error, function(err) {body} end, "x") }}
    end
    """)
    assert result(driver.start()) == [False, "error in error handling"]
