-- Restores a snapshot in another state (`snapshot.lua` describes the format).
local host = ...

local sub, unpack_from = string.sub, string.unpack
local getmetatable, setmetatable, setupvalue, upvaluejoin =
  debug.getmetatable, debug.setmetatable, debug.setupvalue, debug.upvaluejoin
local rawset = rawset

local G = host.globals

local NOT_IN_WORKFLOWS = "cannot be used in a workflow: use it in an activity"

-- Return the builtin with a name, or nil.
function host.builtin(name)
  if name == "json.null" then
    return host.null
  elseif name == "json.array_metatable" then
    return host.array_metatable
  end
  local library, field = string.match(name, "^([^.]+)%.(.+)$")
  if not library then
    return rawget(G, name)
  end
  return G[library] and G[library][field]
end

-- Return a placeholder for a value that cannot be in a snapshot. Using it raises an error.
function host.stub(path, what)
  local function refuse()
    host.raise("'" .. path .. "' is " .. what .. ", which " .. (host.stub_advice or NOT_IN_WORKFLOWS))
  end
  local stub = {}
  host.handle_classes[stub] = "stub of '" .. path .. "'" -- described like a handle, and never encoded as a table
  return setmetatable(stub, {
    __name = "stub of '" .. path .. "'",
    __metatable = false,
    __call = refuse,
    __concat = refuse,
    __index = refuse,
    __len = refuse,
    __newindex = refuse,
    __pairs = refuse,
    __tostring = function()
      return "stub of '" .. path .. "'"
    end,
  })
end

-- Set the metatables of tables (table -> metatable). A workflow's state has no finalizers and no weak tables, so `__gc`
-- and `__mode` are removed first. Metatables are closed once all are set.
function host.set_metatables(metatables)
  for _, metatable in next, metatables do
    rawset(metatable, "__gc", nil)
    rawset(metatable, "__mode", nil)
  end
  for t, metatable in next, metatables do
    setmetatable(t, metatable)
  end
  for _, metatable in next, metatables do
    host.close_metatable(metatable)
  end
end

-- Read a scalar or the globals (`host.pack_scalar`) whose tag is before `pos`; returns it and the position after it.
function host.unpack_scalar(bytes, tag, pos)
  if tag == "S" then
    return unpack_from("<s4", bytes, pos)
  elseif tag == "I" then
    return unpack_from("<i8", bytes, pos)
  elseif tag == "D" then
    return unpack_from("<d", bytes, pos)
  elseif tag == "G" then
    return G, pos
  elseif tag == "N" then
    return nil, pos
  end
  return tag == "T", pos
end

local unpack_scalar = host.unpack_scalar

-- State of the current call.
local bytes -- the snapshot
local nodes, kinds, starts -- objects, the kind of each, and the positions of the contents of tables
local owners -- cell -> { function, upvalue index } that already has it

local function skip_value(pos)
  local tag = sub(bytes, pos, pos)
  if tag == "S" then
    local length = unpack_from("<I4", bytes, pos + 1)
    return pos + 5 + length
  elseif tag == "I" or tag == "D" then
    return pos + 9
  elseif tag == "R" then
    return pos + 5
  end
  return pos + 1
end

local function read(pos)
  local tag = sub(bytes, pos, pos)
  if tag == "R" then
    return nodes[unpack_from("<I4", bytes, pos + 1)], pos + 5
  end
  return unpack_scalar(bytes, tag, pos + 1)
end

-- Create a function without the values of its upvalues. Returns it and the position after it.
local function create_function(at)
  local bytecode, count
  bytecode, count, at = unpack_from("<s4I2", bytes, at)
  local fn = assert(load(bytecode, "=?", "b", G))
  for i = 1, count do
    local cell
    cell, at = unpack_from("<I4", bytes, at)
    local owner = owners[cell]
    if owner then
      upvaluejoin(fn, i, owner[1], owner[2])
    else
      owners[cell] = { fn, i }
    end
  end
  return fn, at
end

-- Create a node; tables stay empty. Returns the position after it.
local function create_node(node, kind, at)
  if kind == "f" then
    nodes[node], at = create_function(at)
  elseif kind == "b" then
    local name
    name, at = unpack_from("<s4", bytes, at)
    nodes[node] = host.builtin(name) or host.stub(name, "a builtin")
  elseif kind == "h" then
    local class, id
    class, id, at = unpack_from("<s4I4", bytes, at)
    nodes[node] = host.handle(class, id)
  elseif kind == "x" then
    local path, what
    path, what, at = unpack_from("<s4s4", bytes, at)
    nodes[node] = host.stub(path, what)
  else
    nodes[node], starts[node] = {}, at
    local count
    count, at = unpack_from("<I4", bytes, at)
    for _ = 1, count * 2 + (kind == "t" and 1 or 0) do
      at = skip_value(at)
    end
  end
  return at
end

-- Fill the tables, once all nodes exist. Returns their metatables: table -> metatable.
local function fill_tables(node_count)
  local metatables = {}
  for node = 1, node_count do
    local pos = starts[node]
    if pos then
      local target, count = nodes[node], nil
      count, pos = unpack_from("<I4", bytes, pos)
      for _ = 1, count do
        local key, value
        key, pos = read(pos)
        value, pos = read(pos)
        rawset(target, key, value)
      end
      if kinds[node] == "e" then
        host.make_error(target)
      else
        metatables[target] = read(pos)
      end
    end
  end
  return metatables
end

-- Add the script's globals, modules, and additions to libraries and metatables to this state. Returns the function.
local function install(at, metatables)
  local fn, globals, modules, libraries, own_metatables
  fn, at = read(at)
  globals, at = read(at)
  modules, at = read(at)
  libraries, at = read(at)
  own_metatables = read(at)
  for name, value in next, globals do
    G[name] = value
  end
  for name, value in next, modules do
    host.loaded[name] = value
  end
  for library, added in next, libraries do
    for name, value in next, added do
      G[library][name] = value
    end
  end
  metatables[G] = own_metatables.globals
  host.set_metatables(metatables)
  for name, value in next, own_metatables.strings do
    rawset(getmetatable(""), name, value)
  end
  return fn
end

-- Restore a snapshot in this state; returns the function and an array of all objects.
function host.restore(snapshot)
  bytes, nodes, kinds, starts, owners = snapshot, {}, {}, {}, {}
  local node_count, cell_count, at = unpack_from("<I4I4", bytes)
  for node = 1, node_count do
    local kind = sub(bytes, at, at)
    kinds[node] = kind
    at = create_node(node, kind, at + 1)
  end
  for cell = 1, cell_count do
    local value
    value, at = read(at)
    setupvalue(owners[cell][1], owners[cell][2], value)
  end
  local fn, objects = install(at, fill_tables(node_count)), nodes
  bytes, nodes, kinds, starts, owners = nil, nil, nil, nil, nil
  return fn, objects
end
