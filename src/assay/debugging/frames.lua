-- Threads, stacks and variables of a state, for the debugger. A Lua coroutine is a thread for the editor. Everything
-- here runs in a separate coroutine, so that the levels of frames in the inspected coroutine do not shift.
local host = ...

local debugger = host.debugger

local getinfo, getlocal, getupvalue = debug.getinfo, debug.getlocal, debug.getupvalue
local setlocal, setupvalue = debug.setlocal, debug.setupvalue
local byte, format, sort = string.byte, string.format, table.sort
local next, rawequal, rawget, rawset = next, rawequal, rawget, rawset
local raw_status, setmetatable, tostring, type = coroutine.status, setmetatable, tostring, type
local utf8_length = utf8.len

local base_name, is_name, is_script, keys_of, place, printable, value_text, visible_metatable =
  debugger.base_name,
  debugger.is_name,
  debugger.is_script,
  debugger.keys_of,
  debugger.place,
  debugger.printable,
  debugger.value_text,
  debugger.visible_metatable

local MAX_LEVELS = 2000 -- of a stack
local MAX_CHILDREN = 1000 -- of a value
local OPENING = byte("(") -- first character of the names of temporaries

-- Threads ------------------------------------------------------------------------------------------------

local ids, last_id = setmetatable({}, host.WEAK_KEYS), 0 -- coroutine -> id, in order of creation
debugger.ids = ids

function debugger.register(co)
  if not ids[co] then
    last_id = last_id + 1
    ids[co] = last_id
  end
end

function debugger.find_thread(id)
  for co, thread_id in next, ids do
    if thread_id == id then
      return co
    end
  end
end

-- Return the number of levels on the stack of `co`.
function debugger.depth(co)
  if not getinfo(co, 0, "l") then
    return 0
  end
  local exists, missing = 0, 1
  while getinfo(co, missing, "l") do
    exists, missing = missing, missing * 2
  end
  while missing - exists > 1 do
    local middle = (exists + missing) // 2
    if getinfo(co, middle, "l") then
      exists = middle
    else
      missing = middle
    end
  end
  return missing
end

-- Return the script's frames on the stack of `co`, innermost first, at most `max`.
local function stack(co, max)
  local frames, level = {}, 0
  local info = getinfo(co, level, "Slnf")
  while info and level < MAX_LEVELS and #frames ~= max do
    if is_script(info) then
      frames[#frames + 1] = { co = co, level = level, info = info }
    end
    level = level + 1
    info = getinfo(co, level, "Slnf")
  end
  return frames
end

debugger.stack = stack

local function thread_name(co, id)
  if id == 1 then
    return "main"
  end
  local kind = host.roots[co] and "task " or "coroutine "
  local frames = stack(co)
  local last = frames[#frames]
  return kind .. id .. (last and " (" .. place(last.info, last.info.linedefined) .. ")" or "")
end

function debugger.threads()
  local list = {}
  for co, id in next, ids do
    if raw_status(co) ~= "dead" then
      list[#list + 1] = { id = id, name = thread_name(co, id) }
    end
  end
  sort(list, function(a, b)
    return a.id < b.id
  end)
  return list
end

-- Frames ------------------------------------------------------------------------------------------------

local frames, references = {}, {} -- of the current stop, by id
local owner -- the frame whose variables are being listed; nested variables belong to it too

function debugger.forget()
  frames, references, owner = {}, {}, nil
end

function debugger.frame(id)
  return frames[id]
end

local function function_name(info)
  if info.what == "main" then
    return base_name(info.source)
  end
  return info.name or "function <" .. place(info, info.linedefined) .. ">"
end

function debugger.stack_trace(id, first, count)
  local co = debugger.find_thread(id)
  local all, list = co and stack(co) or {}, {}
  for i = first + 1, count > 0 and first + count < #all and first + count or #all do
    local frame = all[i]
    frames[#frames + 1] = frame
    local source = frame.info.source
    list[#list + 1] = {
      id = #frames,
      name = function_name(frame.info),
      line = frame.info.currentline,
      column = 1,
      source = {
        name = base_name(source),
        path = byte(source) == byte("@") and debugger.file(source) or nil,
      },
    }
  end
  return { stackFrames = list, totalFrames = #all }
end

-- Return the local variables of a frame; an inner one hides an outer one with the same name. Each is an item with a
-- name, a value, an expression for it (`path`), and a function that sets it.
local function locals(frame)
  local items, positions, i = {}, {}, 1
  local name, value = getlocal(frame.co, frame.level, i)
  while name do
    if byte(name) ~= OPENING then
      local index = i
      local at = positions[name] or #items + 1
      positions[name] = at
      items[at] = {
        name = name,
        value = value,
        path = name,
        set = function(new)
          setlocal(frame.co, frame.level, index, new)
        end,
      }
    end
    i = i + 1
    name, value = getlocal(frame.co, frame.level, i)
  end
  i = 1
  name, value = getlocal(frame.co, frame.level, -i)
  while name do
    items[#items + 1] = { name = "(... " .. i .. ")", value = value, path = "(select(" .. i .. ", ...))" }
    i = i + 1
    name, value = getlocal(frame.co, frame.level, -i)
  end
  return items
end

local function upvalues(fn, has_path)
  local items, i = {}, 1
  local name, value = getupvalue(fn, i)
  while name do
    if name ~= "_ENV" and name ~= "" then
      local index = i
      items[#items + 1] = {
        name = name,
        value = value,
        path = has_path and name or nil,
        set = function(new)
          setupvalue(fn, index, new)
        end,
      }
    end
    i = i + 1
    name, value = getupvalue(fn, i)
  end
  return items
end

-- Return the globals of a function.
function debugger.globals(fn)
  local i = 1
  local name, value = getupvalue(fn, i)
  while name do
    if name == "_ENV" and type(value) == "table" then
      return value
    end
    i = i + 1
    name, value = getupvalue(fn, i)
  end
  return host.globals
end

local predefined = {} -- set of the globals that exist before the script runs
for name in next, host.globals do
  predefined[name] = true
end

local children

local function has_children(value)
  if type(value) == "table" then
    return not (host.names[value] or host.is_handle(value) or rawequal(value, host.null))
      and (next(value) ~= nil or visible_metatable(value) ~= nil)
  end
  return type(value) == "function" and not host.names[value] and is_script(getinfo(value, "S")) and #upvalues(value) > 0
end

local function refer(items)
  references[#references + 1] = { items = items, frame = owner }
  return #references
end

-- Return a variable of the protocol, or the result of an expression with its value under `key`.
function debugger.variable(name, value, path, key)
  return {
    name = name and printable(name) or nil,
    [key or "value"] = value_text(value),
    type = type(value),
    evaluateName = path and utf8_length(path) and path or nil,
    variablesReference = has_children(value) and refer(children(value, path)) or 0,
  }
end

-- Return a function that lists the children of a value.
function children(value, path)
  return function()
    if type(value) == "function" then
      return upvalues(value)
    end
    local keys, rest = keys_of(value, MAX_CHILDREN)
    local items = {}
    for i = 1, #keys do
      local key = keys[i]
      local inner
      if path and is_name(key) then
        inner = path .. "." .. key
      elseif path and (type(key) == "string" or type(key) == "number") then
        inner = path .. "[" .. (type(key) == "string" and format("%q", key) or tostring(key)) .. "]"
      end
      items[i] = {
        name = is_name(key) and key or "[" .. value_text(key, 100) .. "]",
        value = rawget(value, key),
        path = inner,
        set = function(new)
          rawset(value, key, new)
        end,
      }
    end
    if rest > 0 then
      items[#items + 1] = { name = "…", text = rest .. " more" }
    end
    local metatable = visible_metatable(value)
    if metatable then
      items[#items + 1] = { name = "(metatable)", value = metatable }
    end
    return items
  end
end

-- Return a function that lists the globals created by the script.
local function globals(fn)
  return function()
    local items = {}
    for _, item in ipairs(children(debugger.globals(fn), "_G")()) do
      if item.text or not (predefined[item.name] or item.name == "arg" or host.names[item.value] == item.name) then
        item.path = item.set and is_name(item.name) and item.name or item.path
        items[#items + 1] = item
      end
    end
    return items
  end
end

function debugger.scopes(id)
  local frame = frames[id]
  local fn = frame.info.func
  owner = frame
  local function scope(name, items, is_expensive, hint)
    return { name = name, presentationHint = hint, variablesReference = refer(items), expensive = is_expensive }
  end
  return {
    scopes = {
      scope("Locals", function()
        return locals(frame)
      end, false, "locals"),
      scope("Upvalues", function()
        return upvalues(fn, true)
      end, false),
      scope("Globals", globals(fn), true),
    },
  }
end

local function items_of(reference)
  local list = references[reference]
  if not list then
    error("these variables belong to an earlier stop", 0)
  end
  owner = list.frame
  return list.items()
end

function debugger.variables(reference)
  local items = items_of(reference)
  local list = {}
  for i = 1, #items do
    local item = items[i]
    list[i] = item.text and { name = item.name, value = item.text, variablesReference = 0 }
      or debugger.variable(item.name, item.value, item.path)
  end
  return { variables = list }
end

-- Return the variable `name` of a reference, as an item that can be set, and the frame that it belongs to.
function debugger.settable(reference, name)
  for _, item in ipairs(items_of(reference)) do
    if item.name == name and item.set then
      return item, owner
    end
  end
  error("'" .. name .. "' cannot be set", 0)
end
