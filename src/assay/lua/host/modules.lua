-- Chunks and modules: the only places where source text becomes Lua code.
local host = ...

local G = host.globals
local find, gmatch, sub = string.find, string.gmatch, string.sub
local load, type = load, type

local loaded = host.loaded
local loading = {} -- stack of the modules that are being loaded

-- The function of a source text, or nil and a message. A first line that begins with # is no Lua.
local function compile(text, name)
  if sub(text, 1, 3) == "\xEF\xBB\xBF" then
    text = sub(text, 4)
  end
  if sub(text, 1, 1) == "#" then
    text = "--" .. text
  end
  if find(text, "^\27") then
    return nil, sub(name, 2) .. ": precompiled chunks are not loaded"
  end
  return load(text, name, "t", G)
end

-- Hold the function of a source text; returns its id, or nil and a message.
function host.load_chunk(text, name)
  local fn, problem = compile(text, name)
  if not fn then
    return nil, problem
  end
  return host.hold(fn)
end

-- Hold the global function with a name, in which dots lead into tables; returns its id, or nil when there is none.
function host.find_function(name)
  local ok, value = pcall(function()
    local item = G
    for key in gmatch(name, "[^.]+") do
      item = item[key]
    end
    return item
  end)
  return ok and type(value) == "function" and host.hold(value) or nil
end

-- Set the global `arg`: the script's name at index 0, then its arguments.
function host.set_arguments(script, ...)
  G.arg = { [0] = script, ... }
end

-- Popped when the module has ended, also by an error.
local loading_guard = setmetatable({}, {
  __close = function()
    loading[#loading] = nil
  end,
})

local function run_module(name, path, fn)
  loading[#loading + 1] = name
  local guard <close> = loading_guard
  local value = fn(name, path)
  if value ~= nil then
    loaded[name] = value
  elseif loaded[name] == nil then
    loaded[name] = true
  end
  return loaded[name], path
end

host["_G.require"] = function(name)
  if type(name) ~= "string" then
    host.raise("require: bad argument 'name' (string expected, got " .. type(name) .. ")")
  end
  if loaded[name] ~= nil then
    return loaded[name]
  end
  for i = 1, #loading do
    if loading[i] == name then
      host.raise("require: '" .. name .. "' requires itself: " .. table.concat(loading, " -> ", i) .. " -> " .. name)
    end
  end
  local tag, text, path = host.ask("find_module", name)
  if tag == "e" then
    host.raise(text)
  elseif tag == "f" then
    host.finish_other(name, tag, text, path)
  elseif tag == "library" then
    loaded[name] = host.library(name)
    return loaded[name]
  end
  local fn, problem = compile(text, "@" .. path)
  if not fn then
    host.raise("require: module '" .. name .. "': " .. problem)
  end
  return run_module(name, path, fn)
end
