"""`os.time` in a workflow, compared with Lua's own in a script."""

from __future__ import annotations

from temporal_script import Script

SCRIPT = r"""
local day = { month = 1, day = 1 }
local function with(fields)
  return setmetatable(fields, { __index = day })
end
local function tables()
  local huge, int = math.maxinteger, 1 << 31
  return {
    with({ year = 2026 }), with({ year = 2026, hour = 0 }), with({ year = "2026", hour = 1.0 }), with({ year = 0 }),
    with({ year = -5, month = -30, day = 400, hour = -1, min = 1e6, sec = -1 }), with({ year = 2026, sec = int - 1 }),
    with({ year = 2026, month = int, day = int - 1 }), with({ year = 2026, month = -int + 1, day = -int }),
    with({ year = int - 1, month = 12, day = 31 }), with({ year = int + 1899, month = 12, day = 31, hour = 23 }),
    with({ year = int + 1899, month = 13 }), with({ year = int + 1900 }), with({ year = -int + 1900 }),
    with({ year = -int + 1899 }), with({ year = huge }), with({ year = -huge }), with({ year = 2026, day = huge }),
    with({ year = 2026, day = int }), with({ year = 2026, hour = int }), with({ year = 2026, min = -int - 1 }),
    with({ year = 2026, sec = 1e300 }), with({ year = 1.5 }), with({ year = {} }), with({ year = "x" }), with({}),
    { year = 2026, month = 1 }, { year = 2026, day = 1 }, 5, "2026", true,
  }
end
local function results()
  local out = {}
  for i, t in ipairs(tables()) do
    local ok, value = pcall(function() return os.time(t) end)
    out[i] = ok and { value, t.year, t.month, t.day, t.hour, t.min, t.sec, t.wday, t.yday, t.isdst }
      or value:gsub("^.-:%d+: ", ""):gsub("'os%.time'", "'time'")
  end
  return out
end
local worker = temporal.worker({ task_queue = arg[1], workflows = { Times = results } })
local client = temporal.connect()
local inside = client:execute_workflow({ task_queue = arg[1], workflow_type = "Times" })
print(json.encode({ inside, results() }))
worker:shutdown()
"""


def test_dates_that_make_no_sense_are_refused_as_in_a_script(lua: Script, name: str) -> None:
    lua.command.environment["TZ"] = "UTC"
    inside, outside = lua.value(SCRIPT, name)
    assert len(inside) == 30
    for index, (workflow, script) in enumerate(zip(inside, outside, strict=True), 1):
        assert (index, workflow) == (index, script)
    assert inside[14] == "field 'year' is out-of-bound"
