"""What a workflow finds of the script around it: its classes, what it made of the libraries, its odd keys."""

from __future__ import annotations

from temporal_script import Script
from workflow_session import worker

SNAPSHOT = """
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

function json.short(value) return #json.encode(value) end
log.info = print
local schedules, loaded = temporal.schedules, package.loaded
getmetatable("").__mod = function(text, value) return text:format(value) end
setmetatable(_G, {
  __eq = function() error("compared") end,
  __index = function(_, name) return name == "unheard_of" and "no " .. name or error("undeclared " .. name, 2) end,
  __newindex = function(_, name) error("undeclared " .. name, 2) end,
})

local mute = setmetatable({}, { __tostring = function() error("it has no text") end })
local mutes = { [mute] = "found" }

temporal.worker({
  task_queue = arg[1] or "replay",
  workflows = {
    Classes = function()
      local made = Derived:new()
      local before = { rawget(Base, "__gc") == nil, rawget(Base, "__mode") == nil }
      Derived.__add = function() return "added" end
      return { object:is(Derived), object:is(Base), other:is(Derived), made:is(Base),
        rawequal(getmetatable(made), Derived), getmetatable(itself) == itself, object + 1, before,
        rawequal(object, _G), pairs(object)(object) == nil, next(object) == nil }
    end,
    Libraries = function()
      return { json.short({ 1 }), log.info == print, ("%d!") % 5, unheard_of, schedules == temporal.schedules,
        loaded == package.loaded, loaded.string == string, mutes[mute],
        "10" + 1, select(2, pcall(function() return undeclared end)), os.date("%Y", 0) }
    end,
    Query = function(ctx) -- its copy is one of a copy
      ctx:register_query("again", function()
        return { object:is(Base), json.short({ 1 }), ("%d!") % 5, unheard_of, mutes[mute] }
      end)
      ctx:wait_signal("end")
    end,
  },
})
print("polling")
"""


async def test_what_a_script_has_made_comes_along(lua: Script, name: str) -> None:
    async with worker(lua, name, SNAPSHOT) as session:
        classes = await session.run("Classes")
        assert classes == [True, True, False, True, True, True, "added", [True, True], False, True, True]
        libraries = await session.run("Libraries")
        assert libraries == [
            3,
            True,
            "5!",
            "no unheard_of",
            True,
            True,
            True,
            "found",
            11,
            "worker.lua:45: undeclared undeclared",
            "1970",
        ]
        handle = await session.start("Query")
        assert await handle.query("again") == [True, 3, "5!", "no unheard_of", "found"]
        await handle.signal("end")
        assert await session.end(handle) is None
