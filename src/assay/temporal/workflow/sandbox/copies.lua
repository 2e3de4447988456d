-- In the copy of a run: runs query handlers, validators and side effects, which must not change the run itself. The
-- writes of a function are rolled back before the next one runs.
local host = ...

local getmetatable, getupvalue, setmetatable, setupvalue =
  debug.getmetatable, debug.getupvalue, debug.setmetatable, debug.setupvalue
local next, rawequal, rawset = next, rawequal, rawset

-- Mark this state as a copy; `is_live` if it has the real clock and real randomness.
function host.be_copy(is_live)
  host.is_live = is_live
  host.stub_advice = is_live and "cannot be used in a side effect: read the values it needs before the side effect"
    or "cannot be used here: query handlers and validators are read-only"
end

-- Restore the snapshot of a function; returns the id under which it is held.
function host.restore_held(snapshot)
  return host.hold((host.restore(snapshot)))
end

local tables, metatables, upvalues = {}, {}, {} -- original contents, as lent by the run

-- Remember `contents` as the original entries of a table.
function host.remember_table(t, contents)
  tables[t] = contents
end

function host.remember_metatable(t)
  metatables[t] = getmetatable(t)
end

function host.remember_function(fn)
  local values = {}
  local i = 1
  local name, value = getupvalue(fn, 1)
  while name do
    values[i] = value
    i = i + 1
    name, value = getupvalue(fn, i)
  end
  upvalues[fn] = { values, i - 1 }
end

local function is_unchanged(t, contents)
  local count = 0
  for key, value in next, t do
    if not rawequal(contents[key], value) then
      return false
    end
    count = count + 1
  end
  for _ in next, contents do
    count = count - 1
  end
  return count == 0
end

-- Restore the original contents of all tables, metatables and upvalues.
function host.roll_back()
  for t, contents in next, tables do
    if not is_unchanged(t, contents) then
      for key in next, t do
        rawset(t, key, nil)
      end
      for key, value in next, contents do
        rawset(t, key, value)
      end
    end
    if not rawequal(getmetatable(t), metatables[t]) then
      setmetatable(t, metatables[t])
    end
  end
  for fn, original in next, upvalues do
    for i = 1, original[2] do
      local _, value = getupvalue(fn, i)
      if not rawequal(value, original[1][i]) then
        setupvalue(fn, i, original[1][i])
      end
    end
  end
end
