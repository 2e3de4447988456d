"""The script's classes, changed libraries and unusual keys as a run sees them.

A run works on a copy of the script's state, and a query on a copy of that: both are tested.
"""

from __future__ import annotations

import pytest

from engine import jobs
from engine.driver import Drive, result

CLASSES = """
local Base = {}
Base.__index = Base
Base.__gc, Base.__mode, Base.__eq = print, "k", function() return true end
function Base.new(class) return setmetatable({}, class) end
function Base.is(object, class)
  local metatable = getmetatable(object)
  while metatable and not rawequal(metatable, class) do metatable = getmetatable(metatable) end
  return rawequal(metatable, class)
end
local Derived = setmetatable({}, Base)
Derived.__index = Derived
local object, other = Derived:new(), Base:new()
Derived.__eq = Base.__eq
local itself = {}
setmetatable(itself, itself)
"""

LIBRARIES = """
function json.short(value) return #json.encode(value) end
log.info = print
local schedules, loaded = temporal.schedules, package.loaded
getmetatable("").__mod = function(text, value) return text:format(value) end
"""

GLOBALS = """
setmetatable(_G, {
  __eq = function() error("compared") end,
  __index = function(_, name) return name == "unheard_of" and "no " .. name or error("undeclared " .. name, 2) end,
  __newindex = function(_, name) error("undeclared " .. name, 2) end,
})
"""

KEYS = """
local mute = setmetatable({}, { __tostring = function() error("it has no text") end })
local mutes = { [mute] = "found" }
"""

# Each is a part of the script, an expression and its value.
STATE = {
    "an object is of its class": (CLASSES, "object:is(Derived)", True),
    "an object is of the class's base": (CLASSES, "object:is(Base)", True),
    "an object of the base is not of the class": (CLASSES, "other:is(Derived)", False),
    "a new object is of the base": (CLASSES, "Derived:new():is(Base)", True),
    "a new object has its class as metatable": (CLASSES, "rawequal(getmetatable(Derived:new()), Derived)", True),
    "a table can be its own metatable": (CLASSES, "getmetatable(itself) == itself", True),
    "a class without its finalizer": (CLASSES, 'object and rawget(Base, "__gc")', None),
    "a class without its weak mode": (CLASSES, 'object and rawget(Base, "__mode")', None),
    "an object that is not _G, although its __eq returns true": (CLASSES, "rawequal(object, _G)", False),
    "pairs of an object of an empty class": (CLASSES, "pairs(object)(object) == nil", True),
    "next of an object of an empty class": (CLASSES, "next(object) == nil", True),
    "a function added to a library": (LIBRARIES, "json.short({ 1 })", 3),
    "a replaced function of a library": (LIBRARIES, "log.info == print", True),
    "an operator added to strings": (LIBRARIES, '("%d!") % 5', "5!"),
    "a library in a local": (LIBRARIES, "schedules == temporal.schedules", True),
    "package.loaded in a local": (LIBRARIES, "loaded == package.loaded", True),
    "a library in package.loaded": (LIBRARIES, "loaded.string == string", True),
    "arithmetic on a string": (LIBRARIES, '"10" + 1', 11),
    "a date": (LIBRARIES, 'os.date("%Y", 0)', "1970"),
    "a global made by a metatable": (GLOBALS, "unheard_of", "no unheard_of"),
    "a key whose __tostring fails": (KEYS, "mutes[mute]", "found"),
}


@pytest.mark.parametrize(("script", "expression", "expected"), STATE.values(), ids=STATE)
def test_a_run_finds(drive: Drive, script: str, expression: str, expected: object) -> None:
    driver = drive(f"{script} return function() return {expression} end")
    assert result(driver.start()) == expected


@pytest.mark.parametrize(("script", "expression", "expected"), STATE.values(), ids=STATE)
def test_a_query_finds(drive: Drive, script: str, expression: str, expected: object) -> None:
    driver = drive(f"""{script}
    return function(ctx)
      ctx:register_query("look", function() return {expression} end)
      ctx:wait_signal("end")
    end
    """)
    driver.start()
    (command,) = driver.send(jobs.query("look"))
    assert command["respond_to_query"]["succeeded"] == {"response": expected}


def test_all_parts_of_a_script_come_along_together(drive: Drive) -> None:
    driver = drive(f"""{CLASSES} {LIBRARIES} {GLOBALS} {KEYS}
    return function()
      return {{ class = object:is(Base), library = json.short({{ 1 }}), global = unheard_of, key = mutes[mute],
        is_globals = rawequal(object, _G) }}
    end
    """)
    assert result(driver.start()) == {
        "class": True,
        "library": 3,
        "global": "no unheard_of",
        "key": "found",
        "is_globals": False,
    }


def test_an_operator_added_by_a_run_works_on_the_scripts_objects(drive: Drive) -> None:
    driver = drive(f"""{CLASSES}
    return function()
      Derived.__add = function() return "added" end
      return object + 1
    end
    """)
    assert result(driver.start()) == "added"


def test_an_error_of_the_globals_metatable_has_the_scripts_line(drive: Drive) -> None:
    driver = drive(f"""{GLOBALS}
    return function()
      return select(2, pcall(function() return undeclared end))
    end
    """)
    line = GLOBALS.count("\n") + 3
    assert result(driver.start()) == f"workflow.lua:{line}: undeclared undeclared"
