-- Loading of library tables on first use: the standard libraries, without unsafe functions, and the builtins.
local host = ...

local G, LAZY = host.globals, host.LAZY
local getmetatable, setmetatable = debug.getmetatable, debug.setmetatable -- they work on protected metatables
local next, pairs, rawequal, rawget, rawset = next, pairs, rawequal, rawget, rawset

local UNSAFE = {
  os = { execute = true, exit = true, getenv = true, remove = true, rename = true, setlocale = true, tmpname = true },
  string = { dump = true },
}

-- Fill the table of a standard library. Fields that a script has set before are kept.
local function fill_standard(target, name)
  local more = host.unfilled[name]
  host.unfilled[name] = nil
  local set_before = {}
  for key, value in next, target do
    set_before[key] = value
  end
  local hidden = UNSAFE[name] or {}
  for key, value in next, _ENV[name] do
    if not hidden[key] then
      rawset(target, key, value)
    end
  end
  setmetatable(target, nil)
  host.replace(target, name .. ".", host.ask("replaced", name))
  for key, value in next, set_before do
    rawset(target, key, value)
  end
  if more then
    setmetatable(target, LAZY) -- a builtin extends this library
  end
  host.restart_watch()
end

local function load_now(target)
  if host.borrower and host.borrower.fill(target) then
    return
  end
  local name = host.names[target]
  if host.unfilled[name] ~= nil then
    fill_standard(target, name)
  else
    host.load_library(target, name)
  end
end

-- Load the library of a table before it is accessed raw, past its metatable.
function host.load_lazy(value)
  while rawequal(getmetatable(value), LAZY) do
    load_now(value)
  end
end

-- Fill all standard libraries.
function host.fill_all()
  for _, name in next, host.LIBRARIES do
    fill_standard(G[name], name)
  end
end

function host.lazy_index(target, key)
  if host.borrower then
    local is_field, value = host.borrower.index(target, key)
    if is_field then
      return value
    end
  end
  host.load_lazy(target)
  return target[key]
end

function host.lazy_len(target)
  local length = host.borrower and host.borrower.length(target)
  if length then
    return length
  end
  host.load_lazy(target)
  return #target
end

function host.lazy_newindex(target, key, value)
  load_now(target)
  target[key] = value
end

function host.lazy_pairs(target)
  host.load_lazy(target)
  return pairs(target)
end

function host.lazy_call(target, ...)
  host.load_lazy(target)
  return target(...)
end
