-- Snapshots: functions with everything that they reach, as bytes, to be made again in another state (`restore.lua`).
--
-- A snapshot holds a list of nodes (tables, functions, errors, builtins by name, handles, stubs) and of cells
-- (upvalues; functions that share a variable share its cell). Values inside nodes are scalars or references to nodes.
-- Table keys are written in order, so that the same script always gives the same bytes.
local host = ...

local pack, unpack_from = string.pack, string.unpack
local concat, sort = table.concat, table.sort
local getinfo, getmetatable, getupvalue, setmetatable, setupvalue, upvalueid, upvaluejoin =
  debug.getinfo,
  debug.getmetatable,
  debug.getupvalue,
  debug.setmetatable,
  debug.setupvalue,
  debug.upvalueid,
  debug.upvaluejoin
local dump, find = string.dump, string.find
local mathtype = math.type
local rawget, rawset, type = rawget, rawset, type

local G = host.globals

local LIBRARIES = host.LIBRARIES

-- What is Lua's own gets its name here; nothing that a script replaced is in this side's copy of the library.
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

-- Whether `value` is what stood under `name` (in a library, or in the globals) before the script ran: only what the
-- script added or changed comes along.
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

-- What the script added to the libraries, Lua's own and the builtins: library -> name -> value.
local function additions()
  local all = {}
  for library, value in next, G do
    if type(value) == "table" and host.names[value] == library then
      local added = {}
      for name, item in next, value do
        if type(name) == "string" and not is_original(item, name, library) then
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

-- The metatable of the globals, and what the script changed in that of strings.
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

-- How a key is told in a path. Of a table or a function only the type: its text is an address, or the script's own.
local function key_text(key)
  if type(key) == "string" then
    return "." .. key
  end
  return "[" .. (KEY_ORDER[type(key)] and tostring(key) or type(key)) .. "]"
end

-- The snapshot of the held function `id` and of the script's own globals and modules. `with_handles`: for a state that
-- knows them by the same ids; else they become stubs.
-- Returns its bytes, then the names and sizes of its parts (name, size, name, size, …), largest first.
function host.snapshot(id, with_handles)
  local nodes, ids, queue = {}, {}, {}
  local cells, cell_ids = {}, {}
  local sizes = {}

  local function reference(value, path)
    local node = ids[value]
    if not node then
      node = #queue + 1
      ids[value] = node
      queue[node] = { value, path }
    end
    return pack("<c1I4", "R", node)
  end

  local function write(value, path)
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
    return reference(value, path)
  end

  local function write_table(value, path)
    local keys, count = {}, 0
    for key in next, value do
      count = count + 1
      keys[count] = key
    end
    sort(keys, key_less)
    local out = { pack("<I4", count) }
    for i = 1, count do
      local key = keys[i]
      local inner = path .. key_text(key)
      out[#out + 1] = write(key, inner)
      out[#out + 1] = write(rawget(value, key), inner)
    end
    return concat(out)
  end

  local function write_function(value, path)
    local bytecode = dump(value)
    local out, count = { "f", pack("<s4", bytecode) }, 0
    while getupvalue(value, count + 1) do
      count = count + 1
      local name, item = getupvalue(value, count)
      local cell_key = upvalueid(value, count)
      local cell = cell_ids[cell_key]
      if not cell then
        cell = #cells + 1
        cell_ids[cell_key] = cell
        cells[cell] = write(item, name == "_ENV" and path or name)
      end
      out[#out + 1] = pack("<I4", cell)
    end
    out[2] = out[2] .. pack("<I2", count)
    return concat(out)
  end

  local function stub(path, what)
    return pack("<c1s4s4", "x", path, what)
  end

  local function write_node(value, path)
    local kind, name = type(value), host.names[value]
    if name then
      return pack("<c1s4", "b", name)
    elseif kind == "function" then
      local info = getinfo(value, "S")
      if info.what == "C" then
        return stub(path, "a C function")
      elseif host.is_private(info) then -- what `coroutine.wrap` has made, for one
        return stub(path, "a function made by a library")
      end
      return write_function(value, path)
    elseif kind ~= "table" then
      return stub(path, "a " .. kind)
    elseif with_handles and host.handle_ids[value] then
      return pack("<c1s4I4", "h", host.is_handle(value), host.handle_ids[value])
    elseif host.is_handle(value) then
      return stub(path, host.describe(value))
    elseif host.is_error(value) then
      return "e" .. write_table(value, path)
    end
    local metatable = getmetatable(value)
    return "t" .. write_table(value, path) .. write(metatable, path .. " (metatable)")
  end

  local roots = { write(host.held(id), "the workflow") }
  local own = {}
  for name, value in next, G do
    -- The command line is the worker's, not the workflow's.
    if type(name) == "string" and name ~= "arg" and not is_original(value, name) then
      own[name] = value
    end
  end
  roots[2] = write(own, "the globals")
  local modules = {}
  for name, value in next, host.loaded do
    if not host.names[value] then
      modules[name] = value
    end
  end
  roots[3] = write(modules, "the modules")
  roots[4] = write(additions(), "the libraries")
  roots[5] = write(metatables(), "the metatables")

  local at = 1
  while queue[at] do
    local value, path = queue[at][1], queue[at][2]
    local text = write_node(value, path)
    nodes[at] = text
    sizes[at] = { path, #text }
    at = at + 1
  end
  sort(sizes, function(a, b)
    return a[2] > b[2]
  end)
  local parts = {}
  for i = 1, #sizes < 5 and #sizes or 5 do
    parts[#parts + 1] = sizes[i][1]
    parts[#parts + 1] = sizes[i][2]
  end
  local bytes = pack("<I4I4", #nodes, #cells) .. concat(nodes) .. concat(cells) .. concat(roots)
  return bytes, table.unpack(parts)
end
