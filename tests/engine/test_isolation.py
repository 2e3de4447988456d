"""A run's copy of the script's variables, with stubs for values that cannot be copied."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.driver import Drive, failure, result


def twice(drive: Drive, source: str) -> tuple[object, object]:
    """Return the results of two runs of a workflow."""
    return result(drive(source).start()), result(drive(source).start())


# Copies -----------------------------------------------------------------------------------------------------------


def test_a_run_does_not_see_another_runs_globals(drive: Drive) -> None:
    source = """
    count = 0
    return function()
      count = count + 1
      return count
    end
    """
    assert twice(drive, source) == (1, 1)


def test_a_run_does_not_see_another_runs_writes_to_a_shared_local(drive: Drive) -> None:
    source = """
    local count = 0
    local function increment() count = count + 1 return count end
    return function()
      count = count + 10
      return increment()
    end
    """
    assert twice(drive, source) == (11, 11)


def test_a_run_has_its_own_copy_of_an_object(drive: Drive) -> None:
    source = """
    local methods = { add = function(self) self.n = self.n + 1 return self.n end }
    local object = setmetatable({ n = 0 }, { __index = methods })
    object.itself = object
    return function()
      return { object:add(), object.itself:add() }
    end
    """
    assert twice(drive, source) == ([1, 2], [1, 2])


def test_a_run_has_its_own_copy_of_a_module(drive: Drive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "counter.lua").write_text("local n = 0 return { next = function() n = n + 1 return n end }")
    monkeypatch.chdir(tmp_path)
    source = """
    local counter = require("counter")
    counter.next()
    return function()
      return { counter.next(), require("counter").next() }
    end
    """
    assert twice(drive, source) == ([2, 3], [2, 3])


def test_functions_that_call_each_other_can_be_used(drive: Drive) -> None:
    driver = drive("""
    local function even(n) if n == 0 then return true end return odd(n - 1) end
    function odd(n) if n == 0 then return false end return even(n - 1) end
    return function() return { ten_is_even = even(10), seven_is_odd = odd(7) } end
    """)
    assert result(driver.start()) == {"ten_is_even": True, "seven_is_odd": True}


STRING_METHODS = {
    "a function of the script": ("function string.shout(s) return s:upper() .. '!' end", "('hey'):shout()", "HEY!"),
    "an alias": ("string.has = string.find", "(('hey'):has('y'))", 3),
    "a function of a library": ("string.parse = json.parse", "('[1]'):parse()", [1]),
}


@pytest.mark.parametrize(("definition", "call", "expected"), STRING_METHODS.values(), ids=STRING_METHODS)
def test_a_string_method_that_the_script_added_can_be_used(
    drive: Drive, definition: str, call: str, expected: object
) -> None:
    driver = drive(f"{definition} return function() return {call} end")
    assert result(driver.start()) == expected


# Stubs ------------------------------------------------------------------------------------------------------------

STUBS = """
local client = http.client()
local thread = coroutine.create(function() end)
local iterator = coroutine.wrap(function() coroutine.yield(1) end)
"""
OUTSIDE = "which cannot be used in a workflow: use it in an activity"

USES = {
    "a method of a handle": ('client:get("x")', f"'client' is a http.Client, {OUTSIDE}"),
    "a loop over a handle": ("for _ in pairs(client) do end", f"'client' is a http.Client, {OUTSIDE}"),
    "a field of a coroutine": ("local _ = thread.x", f"'thread' is a thread, {OUTSIDE}"),
    "a call of a library's function": (
        "for _ in iterator do end",
        f"'iterator' is a function made by a library, {OUTSIDE}",
    ),
    "a stub in place of a coroutine": (
        "coroutine.resume(client)",
        "bad argument #1 to 'resume' (thread expected, got stub of 'client')",
    ),
    "JSON": ("json.encode(client)", "json.encode: not JSON-serializable: a stub of 'client'"),
    "the input of an activity": (
        'ctx:execute_activity("a", { deep = { client } })',
        "ctx:execute_activity: bad argument 'input' (not JSON-serializable: a stub of 'client' at .deep[1])",
    ),
}


@pytest.mark.parametrize(("use", "message"), USES.values(), ids=USES)
def test_using_a_stub_is_an_error_that_names_the_variable(drive: Drive, use: str, message: str) -> None:
    driver = drive(f"{STUBS} return function(ctx) {use} end")
    assert failure(driver.start())["message"] == f"workflow.lua:5: {message}"


def test_a_stub_cannot_be_the_result_of_a_workflow(drive: Drive) -> None:
    driver = drive(f"{STUBS} return function() return client end")
    assert failure(driver.start())["message"] == "the result is not serializable: a stub of 'client'"
