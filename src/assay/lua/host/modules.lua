-- Chunks and modules: the only file that compiles source code.
local host = ...

local G = host.globals
local find, gmatch, sub = string.find, string.gmatch, string.sub
local gsub = string.gsub
local concat = table.concat
local load, rawget, type = load, rawget, type

local loaded, package = host.loaded, host.package
local loading = {} -- stack of the modules that are being loaded

-- Compile source code; returns a function, or nil and a message. A first line that begins with # is skipped.
local function compile(text, name)
  if sub(text, 1, 3) == "\xEF\xBB\xBF" then
    text = sub(text, 4)
  end
  if sub(text, 1, 1) == "#" then
    text = "--" .. text
  end
  if find(text, "^\27") then
    return nil, sub(name, 2) .. ": precompiled chunks are not supported"
  end
  return load(text, name, "t", G)
end

-- Compile source code and hold the function; returns its id, or nil and a message.
function host.load_chunk(text, name)
  local fn, problem = compile(text, name)
  if not fn then
    return nil, problem
  end
  return host.hold(fn)
end

-- Hold the global function with a name, which may be dotted; returns its id, or nil if there is none.
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

function host.set_module_path(path)
  package.path = path
end

-- Pops the module when it has returned or failed.
local loading_guard = setmetatable({}, {
  __close = function()
    loading[#loading] = nil
  end,
})

-- Run the chunk, or the loader, of a module; returns the module and its origin.
local function run_module(name, from, fn)
  loading[#loading + 1] = name
  local guard <close> = loading_guard
  local value = fn(name, from)
  if value ~= nil then
    loaded[name] = value
  elseif loaded[name] == nil then
    loaded[name] = true
  end
  return loaded[name], from
end

-- Return a field of `package`. Raises an error if the script has set it to a value of another type.
local function setting(field, kind)
  local value = rawget(package, field)
  if type(value) ~= kind then
    host.raise("'package." .. field .. "' must be a " .. kind)
  end
  return value
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
  local preloaded = setting("preload", "table")[name]
  if preloaded ~= nil then
    return run_module(name, ":preload:", preloaded)
  end
  local tag, text, path = host.ask("find_module", name, setting("path", "string"))
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

-- Return the file of a module in a path of templates, or nil and the files that were tried.
host["package.searchpath"] = function(name, path, separator, directory)
  separator, directory = separator == nil and "." or separator, directory == nil and "/" or directory
  local given, names = { name, path, separator, directory }, { "name", "path", "sep", "rep" }
  for i = 1, 4 do
    if type(given[i]) ~= "string" then
      local got = type(given[i])
      host.raise("package.searchpath: bad argument '" .. names[i] .. "' (string expected, got " .. got .. ")")
    end
  end
  if separator ~= "" then
    name = gsub(name, (gsub(separator, "%p", "%%%0")), (gsub(directory, "%%", "%%%%")))
  end
  local function results(tag, file, ...)
    if tag == "found" then
      return file
    elseif tag == "f" then
      host.finish_other("package.searchpath", tag, file, ...)
    end
    local lines = { file, ... }
    return nil, "no file '" .. concat(lines, "'\n\tno file '") .. "'"
  end
  return results(host.ask("search_path", name, path))
end
