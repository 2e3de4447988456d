-- Snapshots: functions with everything that they reach, serialized for another state (`restore.lua`).
--
-- A snapshot has a list of nodes (tables, functions, errors, builtins by name, handles, stubs) and a list of cells
-- (upvalues; functions that share a variable share its cell). Values inside nodes are scalars or references to nodes.
-- Table keys are sorted, so that the same script always gives the same bytes.
local host = ...

local pack, sub = string.pack, string.sub
local concat, insert, sort, unpack = table.concat, table.insert, table.sort, table.unpack
local getinfo, getmetatable, getupvalue, upvalueid =
  debug.getinfo, debug.getmetatable, debug.getupvalue, debug.upvalueid
local dump, find = string.dump, string.find
local mathtype = math.type
local rawequal, rawget, tostring, type = rawequal, rawget, tostring, type

local G = host.globals

local LIBRARIES = host.LIBRARIES

local MAX_STEPS, MAX_KEY = 16, 64 -- keys of a path in a message, and bytes of a key
local MAX_LARGEST = 5 -- nodes whose sizes are reported
local METATABLE, SAME = {}, {} -- steps of a path that are not keys

-- Add the names of standard functions. The private side has the originals, which scripts cannot replace.
for name, value in next, _ENV do
  if type(value) == "function" then
    host.names[value] = host.names[value] or name
  end
end
for _, library in ipairs(LIBRARIES) do
  for name, value in next, _ENV[library] do
    if type(value) == "function" then
      host.names[value] = host.names[value] or library .. "." .. name
    end
  end
end

-- Return true if `value` is the original value of `name` in a library or in the globals. Only values that the script
-- has added or changed are part of a snapshot.
local function is_original(value, name, library)
  local known = host.names[value]
  if known and library and not _ENV[library] then
    return find(known, library .. ".", 1, true) == 1 -- a builtin may have several names
  elseif known then
    return known == (library and library .. "." .. name or name)
  end
  local origin = library and _ENV[library] or not library and _ENV
  return rawequal(value, G) or origin and rawequal(value, origin[name])
end

-- Return the values that the script has added to libraries: library -> name -> value.
local function additions()
  local all = {}
  for library, value in next, G do
    if type(value) == "table" and host.names[value] == library then
      local added = {}
      for name, item in next, value do
        local is_local = library == "package" -- paths of this machine
        if type(name) == "string" and not is_local and not is_original(item, name, library) then
          added[name] = item
        end
      end
      if next(added) ~= nil then
        all[library] = added
      end
    end
  end
  return all
end

-- Return the metatable of the globals, and the fields that the script has set in that of strings.
local function metatables()
  local strings = {}
  for name, value in next, getmetatable("") do
    local is_lua = type(value) == "function" and (host.names[value] or getinfo(value, "S").what ~= "C")
    if is_lua or type(value) == "table" and not rawequal(value, G.string) then
      strings[name] = value
    end
  end
  return { globals = getmetatable(G), strings = strings }
end

-- Return the script's own values in this state: its globals and modules, and its additions to libraries and metatables.
function host.own()
  local globals, modules = {}, {}
  for name, value in next, G do
    -- `arg` is the command line of the worker.
    if type(name) == "string" and name ~= "arg" and not is_original(value, name) then
      globals[name] = value
    end
  end
  for name, value in next, host.loaded do
    if not host.names[value] then
      modules[name] = value
    end
  end
  return { globals = globals, libraries = additions(), metatables = metatables(), modules = modules }
end

local KEY_ORDER = { number = 1, string = 2, boolean = 3 }

local function key_less(a, b)
  local ta, tb = type(a), type(b)
  if ta ~= tb then
    return (KEY_ORDER[ta] or 4) < (KEY_ORDER[tb] or 4)
  elseif ta == "number" or ta == "string" then
    return a < b
  end
  return ta == "boolean" and not a and b
end

-- Format a key of a path. For a table or a function only the type: `tostring` would give an address or run the script.
local function key_text(key)
  if rawequal(key, METATABLE) then
    return " (metatable)"
  elseif rawequal(key, SAME) then
    return ""
  elseif type(key) == "string" then
    return "." .. (#key > MAX_KEY and sub(key, 1, MAX_KEY) .. "…" or key)
  end
  return "[" .. (KEY_ORDER[type(key)] and tostring(key) or type(key)) .. "]"
end

-- Return the sorted keys of a table, and their number.
local function sorted_keys(t)
  local keys, count, in_order, first = {}, 0, true, nil
  for key in next, t do
    count = count + 1
    keys[count] = key
    in_order = in_order and key == count
    local kind = type(key)
    first = first or kind
    if kind ~= first then
      first = "mixed"
    end
  end
  if in_order then
    return keys, count
  elseif first == "string" or first == "number" then
    sort(keys)
  else
    sort(keys, key_less)
  end
  return keys, count
end

-- Serialize a scalar or the globals; returns nil for a value that is a node.
function host.pack_scalar(value)
  local kind = type(value)
  if kind == "string" then
    return pack("<c1s4", "S", value)
  elseif kind == "number" then
    return mathtype(value) == "integer" and pack("<c1i8", "I", value) or pack("<c1d", "D", value)
  elseif kind == "boolean" then
    return value and "T" or "F"
  elseif kind == "nil" then
    return "N"
  elseif rawequal(value, G) then
    return "G"
  end
end

local pack_scalar = host.pack_scalar

-- State of the current snapshot. Nothing here calls a script, so snapshots do not overlap.
local values, count, ids -- node -> value, the number of nodes, and value -> node
local origins, parents, steps, depths -- how each node was first reached: name of the root, parent, key, and depth
local cells, cell_count, cell_ids -- serialized cells, their number, and upvalue -> cell
local has_handles -- true if the other state has the same handles

local function path_of(node)
  local path = {}
  for i = depths[node] < MAX_STEPS and depths[node] or MAX_STEPS, 1, -1 do
    path[i] = key_text(steps[node])
    node = parents[node]
  end
  return origins[node] .. (depths[node] > 0 and "…" or "") .. concat(path)
end

-- Serialize a value that was reached from the node `parent` by the key `step`. Without a parent, `step` is its name.
local function write(value, parent, step)
  local scalar = pack_scalar(value)
  if scalar then
    return scalar
  end
  local node = ids[value]
  if not node then
    count = count + 1
    node = count
    ids[value], values[node] = node, value
    if parent then
      origins[node], parents[node], steps[node], depths[node] = origins[parent], parent, step, depths[parent] + 1
    else
      origins[node], depths[node] = step, 0
    end
  end
  return pack("<c1I4", "R", node)
end

local function write_table(value, node)
  local keep_out = rawget(host, "keep_out") -- an internal value of `metatables.lua`
  local keys, n = sorted_keys(value)
  local out, size = {}, 1
  for i = 1, n do
    local key = keys[i]
    local item = rawget(value, key)
    if not (keep_out and rawequal(item, keep_out)) then
      out[size + 1], out[size + 2] = write(key, node, key), write(item, node, key)
      size = size + 2
    end
  end
  out[1] = pack("<I4", size // 2)
  return concat(out)
end

local function write_function(value, node)
  local bytecode = dump(value)
  local out, n = { "f", pack("<s4", bytecode) }, 0
  while getupvalue(value, n + 1) do
    n = n + 1
    local name, item = getupvalue(value, n)
    local cell_key = upvalueid(value, n)
    local cell = cell_ids[cell_key]
    if not cell then
      cell_count = cell_count + 1
      cell = cell_count
      cell_ids[cell_key] = cell
      cells[cell] = name == "_ENV" and write(item, node, SAME) or write(item, nil, name)
    end
    out[#out + 1] = pack("<I4", cell)
  end
  out[2] = out[2] .. pack("<I2", n)
  return concat(out)
end

-- Return the metatable of a table, without the one of `metatables.lua`.
function host.visible_metatable(t)
  local metatable, guard = getmetatable(t), rawget(host, "GUARD")
  if not (guard and rawequal(metatable, guard)) then
    return metatable
  end
end

-- Describe a value that cannot be serialized, for its stub; returns nil for other values.
function host.stub_reason(value, with_handles)
  local kind = type(value)
  if kind == "function" then
    local info = getinfo(value, "S")
    if info.what == "C" then
      return "a C function"
    end
    -- A result of `coroutine.wrap`, for example, is private code.
    return host.is_private(info) and "a function made by a library" or nil
  elseif kind ~= "table" then
    return "a " .. kind
  elseif host.is_handle(value) and not (with_handles and host.handle_ids[value]) then
    return host.describe(value)
  end
end

local function write_node(value, node)
  if host.names[value] then
    return pack("<c1s4", "b", host.names[value])
  end
  local reason = host.stub_reason(value, has_handles)
  if reason then
    return pack("<c1s4s4", "x", path_of(node), reason)
  elseif type(value) == "function" then
    return write_function(value, node)
  elseif host.is_handle(value) then
    return pack("<c1s4I4", "h", host.is_handle(value), host.handle_ids[value])
  elseif host.is_error(value) then
    return "e" .. write_table(value, node)
  end
  return "t" .. write_table(value, node) .. write(host.visible_metatable(value), node, METATABLE)
end

-- Serialize all nodes, including those that this adds. Returns their text and the largest nodes, largest first.
local function write_nodes()
  local nodes, largest = {}, {}
  local node = 1
  while node <= count do
    local text = write_node(values[node], node)
    nodes[node] = text
    local last = largest[MAX_LARGEST]
    if not last or #text > last.size then
      local at = 1
      while largest[at] and largest[at].size >= #text do
        at = at + 1
      end
      insert(largest, at, { node = node, size = #text })
      largest[MAX_LARGEST + 1] = nil
    end
    node = node + 1
  end
  return concat(nodes), largest
end

-- Create a snapshot of the held function `id` and of the script's own globals and modules. `with_handles`: the other
-- state has the same handles by the same ids; else they become stubs.
-- Return the bytes, then the paths and sizes of the largest nodes (path, size, path, size, …), largest first.
function host.snapshot(id, with_handles)
  values, count, ids = {}, 0, {}
  origins, parents, steps, depths = {}, {}, {}, {}
  cells, cell_count, cell_ids = {}, 0, {}
  has_handles = with_handles
  local own = host.own()
  local roots = {
    write(host.held(id), nil, "the workflow"),
    write(own.globals, nil, "the globals"),
    write(own.modules, nil, "the modules"),
    write(own.libraries, nil, "the libraries"),
    write(own.metatables, nil, "the metatables"),
  }
  local nodes, largest = write_nodes()
  local sizes = {}
  for i = 1, #largest do
    sizes[2 * i - 1], sizes[2 * i] = path_of(largest[i].node), largest[i].size
  end
  local bytes = concat({ pack("<I4I4", count, cell_count), nodes, concat(cells), concat(roots) })
  values, ids, origins, parents, steps, depths, cells, cell_ids = nil, nil, nil, nil, nil, nil, nil, nil
  return bytes, unpack(sizes)
end
