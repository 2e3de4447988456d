-- Copies of a run: a state beside it, in which functions that only read run (query handlers, validators) or a side effect
-- does. What a function writes in a copy is taken back before the next one runs.
local host = ...

local getmetatable, getupvalue, setmetatable, setupvalue =
  debug.getmetatable, debug.getupvalue, debug.setmetatable, debug.setupvalue
local next, rawequal, rawset, type = next, rawequal, rawset, type
local pack, unpack = table.pack, table.unpack

-- `is_live`: with the real clock and randomness.
function host.be_copy(is_live)
  host.is_live = is_live
  host.stub_advice = "stays in the workflow: "
    .. (is_live and "read before the side effect what it needs of it" or "query handlers and validators only read")
end

-- In the run: hold an array of the held functions `…`; returns its id.
function host.bundle(...)
  local functions = pack(...)
  for i = 1, functions.n do
    functions[i] = host.held(functions[i])
  end
  functions.n = nil
  return host.hold(functions)
end

-- Restore the snapshot of a function and hold it; returns the id.
function host.restore_held(snapshot)
  return host.hold((host.restore(snapshot)))
end

local tables, upvalues = {}, {} -- of the copy, as they were when it was made

local function remember_table(t)
  local contents = {}
  for key, value in next, t do
    contents[key] = value
  end
  tables[t] = { contents, getmetatable(t) }
end

local function remember_function(fn)
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

-- Restore the snapshot of an array of `count` functions and hold them; returns their ids.
function host.restore_bundle(snapshot, count)
  local bundle, nodes = host.restore(snapshot)
  local ids = {}
  for i = 1, count do
    ids[i] = host.hold(bundle[i])
  end
  for i = 1, #nodes do
    local node = nodes[i]
    local kind = type(node)
    if kind == "function" and not host.names[node] then
      remember_function(node)
    elseif kind == "table" and not host.names[node] and not host.is_handle(node) then
      remember_table(node)
    end
  end
  remember_table(host.globals)
  return unpack(ids, 1, count)
end

local function is_as_it_was(t, contents)
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

-- Take back what was written in the copy.
function host.roll_back()
  for t, was in next, tables do
    local contents = was[1]
    if not is_as_it_was(t, contents) then
      for key in next, t do
        rawset(t, key, nil)
      end
      for key, value in next, contents do
        rawset(t, key, value)
      end
    end
    if not rawequal(getmetatable(t), was[2]) then
      setmetatable(t, was[2])
    end
  end
  for fn, was in next, upvalues do
    for i = 1, was[2] do
      local _, value = getupvalue(fn, i)
      if not rawequal(value, was[1][i]) then
        setupvalue(fn, i, was[1][i])
      end
    end
  end
end
