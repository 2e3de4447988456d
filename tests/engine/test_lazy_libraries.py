"""Libraries of a workflow's state are loaded at their first use, without visible effects."""

from __future__ import annotations

from typing import Any

import pytest

from assay.libraries import LIBRARIES
from assay.lua.host import Host
from assay.lua.loader import Finder
from assay.lua.values import Json
from assay.temporal.workflow.sandbox.errors import HostFailure
from assay.temporal.workflow.sandbox.host import WorkflowHost
from assay.temporal.workflow.sandbox.limits import WorkflowLimits
from engine.driver import Drive, result
from workflow_state import FixedClock


def run(drive: Drive, body: str) -> Any:
    """Run the body of a workflow function; returns its result."""
    return result(drive(f"return function() {body} end").start())


# Libraries are whole ----------------------------------------------------------------------------------------------


def test_rawget_finds_a_field_of_an_unused_library(drive: Drive) -> None:
    assert run(drive, "return rawget(math, 'pi') ~= nil") is True


def test_next_finds_fields_of_an_unused_library(drive: Drive) -> None:
    assert run(drive, "return next(table) ~= nil") is True


def test_an_unused_library_has_no_metatable(drive: Drive) -> None:
    assert run(drive, "return getmetatable(utf8) == nil") is True


def test_an_unused_library_has_no_array_part(drive: Drive) -> None:
    assert run(drive, "return rawlen(os)") == 0


def test_a_traversal_of_an_unused_library_finds_all_names_in_their_order(drive: Drive) -> None:
    names = run(
        drive,
        """
    local names = {}
    for name in next, coroutine do names[#names + 1] = name end
    return names
    """,
    )
    assert names == ["close", "create", "isyieldable", "resume", "running", "status", "wrap", "yield"]


# A script can change libraries ------------------------------------------------------------------------------------


def test_a_function_replaced_in_an_unloaded_library_stays_replaced(drive: Drive) -> None:
    assert run(drive, "rawset(string, 'upper', function() return 'mine' end) return ('x'):upper()") == "mine"


def test_a_function_added_to_an_unloaded_library_is_a_string_method(drive: Drive) -> None:
    assert run(drive, "function string.shout(s) return s .. '!' end return ('x'):shout()") == "x!"


def test_a_script_can_give_an_unused_library_a_metatable(drive: Drive) -> None:
    called = run(
        drive,
        """
    function math.half(n) return n / 2 end
    setmetatable(math, { __call = function(_, n) return math.half(n) end })
    return math(5)
    """,
    )
    assert called == 2.5


def test_a_function_of_a_library_is_the_same_as_the_method_of_strings(drive: Drive) -> None:
    assert run(drive, "return string.find == ('').find") is True


def test_a_function_that_was_kept_before_its_first_call_works(drive: Drive) -> None:
    assert run(drive, "local find = string.find return { find('abc', 'c') }") == [3, 3]


# The memory limit -------------------------------------------------------------------------------------------------

USES = (
    'string.format("%s", {})',
    'os.date("%Y", 0)',
    'json.encode({ a = 1, b = "x" })',
    "coroutine.wrap(print)",
    "table.sort({ 2, 1 })",
    'pcall(error, "x")',
    'pcall(ctx.execute_activity, ctx, "a", { x = { print } })',
    'pcall(ctx.patched, ctx, {}, "b")',
    'tostring(1):find("a-b")',
    "for _ in pairs(utf8) do end",
)


@pytest.mark.parametrize("use", USES)
def test_a_first_use_that_finds_no_memory_fails_with_the_limit(use: str) -> None:
    host = Host(LIBRARIES, Finder("."), lambda _: None)
    script = f"function W(ctx, size) kept = {{}} for i = 1, size do kept[i] = ('x'):rep(1000) .. i end {use} end"
    host.run_sync(host.load(script.encode(), "script.lua"), ())
    function = host.find_function("W")
    assert function is not None
    snapshot = host.snapshot(function, "a workflow")
    ends = [end_of_run(snapshot, size) for size in range(0, 1000, 20)]
    limit = "the workflow needs more than 1 MB (workflow_limits.memory_mb)"
    assert set(ends) == {"", limit}
    assert ends == sorted(ends)  # once there is no memory for one size, there is none for a larger one


def end_of_run(snapshot: bytes, size: int) -> Any:
    """Run a workflow with a limit of 1 MB; returns the message of its failure, or an empty string."""
    host = WorkflowHost(LIBRARIES, WorkflowLimits(memory_mb=1), FixedClock())
    task = host.begin(snapshot, object(), [Json(str(size).encode())])
    try:
        event = host.step(task)
    except HostFailure as failure:
        return str(failure.cause)
    finally:
        host.state.close()
    return "" if event[0] == b"done" else event
