"""Ways out of the sandbox: none may lead from Lua to Python, to C code or to the private side of the host."""

from __future__ import annotations

import pytest

from assay.errors import LuaError
from lua_host import CapturingHost, run

GONE = [
    "python",
    "io",
    "debug",
    "load",
    "loadstring",
    "loadfile",
    "dofile",
    "setfenv",
    "getfenv",
    "newproxy",
    "module",
    "jit",
    "ffi",
    "host",
    "string.dump",
    "os.execute",
    "os.remove",
    "os.rename",
    "os.tmpname",
    "os.setlocale",
    "package.loadlib",
    "package.searchers",
    "package.cpath",
    "coroutine.__class__",
    "__builtins__",
    "_G.python",
    "_ENV.io",
]


@pytest.mark.parametrize("name", GONE)
def test_unsafe_globals_are_removed(name: str) -> None:
    assert run(f"return {name} == nil") is True


REFUSED = {
    "python attributes of a builtin": "return fs.read.__globals__",
    "python attributes of a plain global": "return sleep.__class__",
    "python attributes of a string": "return (''):__class__()",
    "a file outside of the search path by require": "return require('../../../etc/passwd')",
    "string.dump through the metatable of strings": "return getmetatable('').__index.dump(print)",
    "string.dump through an error object": """
        local _, e = pcall(probe.fail, 'object')
        return e.dump(function() end)""",
    "the metatable of a handle": "return getmetatable(probe.box()).__index",
    "a new metatable for a handle": "return setmetatable(probe.box(), {})",
    "the metatable of an error object": "local _, e = pcall(probe.fail, 'object') return getmetatable(e).__index",
    "the metatable of json.null": "return getmetatable(json.null).__tostring",
    "a new metatable for json.null": "return setmetatable(json.null, {})",
    "the metatable of a library that is not loaded yet": "return getmetatable(crypto).__index",
    "a new metatable for a library that is not loaded yet": "return setmetatable(base64, {})",
    "the metatable of a callable library": "assert(true) return getmetatable(assert).__call",
    "bytecode as a chunk": "return require('bytecode')",
    "an upvalue by debug": "return debug.getupvalue(sleep, 1)",
    "a forged handle": "return probe.unbox({id = 1, __name = 'probe.Box'})",
    "another class's method": "return probe.box().get(probe.lid())",
}
"""Code that must raise an error."""

HARMLESS = {
    "python attributes of a library": "return fs.__class__ == nil and fs.__dict__ == nil or error('found')",
    "python attributes of a handle": "local b = probe.box() return not (b.__class__ or b.value) or error('found')",
    "python attributes of an error": """
        local _, e = pcall(probe.fail, 'object')
        return e.__class__ == nil and e.__traceback__ == nil and e.args == nil or error('found')""",
    "the standard libraries by require": """
        for _, name in ipairs{'io', 'debug', 'python', 'lupa', 'os.path', 'ffi', 'socket'} do
          assert(not pcall(require, name), name)
        end""",
    "the host's own libraries by require": """
        for _, name in ipairs{'_.workflow', 'assay', 'host', 'assay.lua.host', '..lua.host.init'} do
          assert(not pcall(require, name), name)
        end""",
    "a module's name with a NUL": """
        local ok, e = pcall(require, 'a\\0b')
        return type(e) == 'string' or error('userdata')""",
    "the io library through package.loaded": """
        for name, value in pairs(package.loaded) do
          assert(value ~= nil and name ~= 'io' and name ~= 'debug' and value ~= io, name)
        end""",
    "the metatable of the globals": "assert(getmetatable(_G) == nil) assert(getmetatable(_ENV) == nil)",
    "the globals of a builtin by another _ENV": """
        local function f() local _ENV = setmetatable({}, {__index = function(_, k) return k end}) return io end
        assert(f() == 'io')""",
    "a poisoned global that the host would use": """
        for name in pairs(_G) do if type(_G[name]) == 'function' then old = old or {} old[name] = _G[name] end end
        local seen
        local function spy(...) for _, v in old.ipairs({...}) do
          if old.type(v) == 'userdata' then seen = true end end return ... end
        for name in old.pairs(old) do _G[name] = spy end
        string.find, string.gsub, table.concat, table.unpack, coroutine.create = spy, spy, spy, spy, spy
        probe.echo({1, {2}}) old.pcall(probe.words, {{}}) fs.exists('/') json.encode({}) sleep(0)
        return not seen or error('seen')""",
    "an error of Python is a value of Lua": """
        for _, how in ipairs{'refused', 'object', 'unexpected', 'file', 'no words'} do
          local _, e = pcall(probe.fail, how)
          assert(type(e) == 'string' or type(e) == 'table', how)
        end""",
    "an error of Python through a coroutine": """
        local co = coroutine.create(function() probe.fail('unexpected') end)
        local _, e = coroutine.resume(co)
        assert(type(e) == 'string')""",
    "a Python error through xpcall": "xpcall(probe.fail, function(e) assert(type(e) == 'string') end, 'unexpected')",
    "a strange result of Python": "local _, e = pcall(probe.strange) assert(type(e) == 'string')",
    "a builtin as a coroutine": """
        local co = coroutine.create(probe.echo)
        local _, v = coroutine.resume(co, {1})
        assert(type(v) == 'table' and v[1] == 1)
        co = coroutine.create(sleep)
        local results = table.pack(coroutine.resume(co, 0))
        assert(results[1] == true and results[2] == nil)""",
    "what a waiting builtin yields": """
        local seen = {}
        local co = coroutine.wrap(function() sleep(0) end)
        for _, v in ipairs(table.pack(co())) do seen[#seen + 1] = v end
        assert(#seen == 0)""",
    "the token of a wait through __eq": """
        local caught
        local forged = setmetatable({}, {__eq = function(a, b) caught = a == forged and b or a return true end})
        local co = coroutine.create(function() return coroutine.yield(forged, 1) end)
        coroutine.resume(co)
        assert(caught == nil)""",
    "a forged wait": """
        local co = coroutine.create(function() return coroutine.yield({}, 1) end)
        local ok, a, b = coroutine.resume(co)
        assert(ok and type(a) == 'table' and b == 1)""",
    "an answer for a task that waits": """
        local root = coroutine.running()
        local task = async.spawn(function() return coroutine.resume(root, 'v', 'forged') end)
        sleep(0.001)
        assert(task.await()[1] == false)""",
    "the token of json.null through __eq": """
        local caught
        json.encode({setmetatable({}, {__eq = function(a, b) caught = true return true end})})
        probe.echo({setmetatable({}, {__eq = function(a, b) caught = true return true end})})
        assert(not caught)""",
    "an id in a handle": """
        local box = probe.box()
        assert(next(box) == nil and #box == 0)
        for _, key in ipairs{1, 'id', '_id', 'handle'} do assert(rawget(box, key) == nil) end""",
    "the address of a function": "assert(string.format('%p', probe.echo):match('^0x') or true)",
    "collectgarbage": """
        for _, option in ipairs{'collect', 'count', 'step', 'isrunning', 'generational', 'incremental'} do
          assert(type(collectgarbage(option)) ~= 'userdata')
        end""",
    "a finalizer that sees the host": """
        local seen
        setmetatable({}, {__gc = function(...) for _, v in ipairs{...} do
          if type(v) == 'userdata' then seen = true end end end})
        collectgarbage() collectgarbage()
        assert(not seen)""",
    "warn": "warn('@on') warn('x') warn('@off')",
    "the wire form in text": """
        local t = probe.echo({'\\0r1', '\\0f1', '\\0d', {['\\0r1'] = 1}})
        assert(t[1] == '\\0r1' and t[2] == '\\0f1' and t[4]['\\0r1'] == 1)
        assert(json.parse('"\\\\u0000f1"') == '\\0f1')""",
    "the private functions of a library": "assert(not (async._spawn or async._pause or async._failed))",
    "the frames of the host in a traceback": """
        local _, e = pcall(function() probe.call(function() error('x') end) end)
        assert(not tostring(e):find('[assay]', 1, true))""",
}
"""Code that must pass; it contains assertions."""

HARNESS = """
    local pcall, tostring, type, pack = pcall, tostring, type, table.pack
    local result = pack(pcall(function() %s end))
    for i = 1, result.n do
      if type(result[i]) == 'userdata' then error('userdata') end
    end
    return {result[1], tostring(result[2])}
"""


def check_attempt(code: str, passes: bool) -> None:
    ok, shown = CapturingHost().run(HARNESS % code)
    assert ok is passes, shown
    for trace in ("userdata", "<function", "object at 0x"):
        assert trace not in shown


@pytest.mark.parametrize("code", REFUSED.values(), ids=REFUSED.keys())
def test_a_way_out_is_refused(code: str) -> None:
    check_attempt(code, passes=False)


@pytest.mark.parametrize("code", HARMLESS.values(), ids=HARMLESS.keys())
def test_a_way_out_leads_nowhere(code: str, capfd: pytest.CaptureFixture[str]) -> None:
    check_attempt(code, passes=True)
    capfd.readouterr()


def test_bytecode_is_not_loaded() -> None:
    from lupa.lua55 import LuaRuntime

    bytecode = LuaRuntime(encoding=None).execute(b"return string.dump(function() return 1 end)")
    lua = CapturingHost()
    for source in (bytecode, b"#!\n" + bytecode, b"\xef\xbb\xbf" + bytecode):
        with pytest.raises(LuaError):
            lua.host.load(source, "script.lua")


WALK = """
    -- Everything that can be reached from the globals, and from what calls return (not those of temporal and http).
    local seen, queue = {}, {}
    local function add(value, path)
      local kind = type(value)
      if kind == 'userdata' then
        error('userdata at ' .. path)
      end
      if (kind == 'table' or kind == 'function' or kind == 'thread' or kind == 'string') and not seen[value] then
        seen[value] = path
        queue[#queue + 1] = value
      end
    end
    local function results(path, ...)
      for i = 1, select('#', ...) do
        add((select(i, ...)), path .. '#' .. i)
      end
    end
    assert(true) json.encode({}) fs.exists('/') env.get('x') crypto.hash('') base64.encode('') log.debug('')
    os.hostname() time() async.spawn(print) http.get = http.get probe.echo(1)
    add(_G, '_G')
    add(_ENV, '_ENV')
    results('handle', probe.box(), probe.lid(), async.spawn(print))
    results('error', pcall(probe.fail, 'object'))
    results('error', pcall(probe.fail, 'unexpected'))
    results('running', coroutine.running())
    results('require', pcall(require, 'nothing'))
    local call = {'', 1, {}, print, json.null, probe.box(), true}
    local skip = {[os.exit] = true, [error] = true, [print] = true, [sleep] = true, [warn] = true,
      [fs.remove] = true, [fs.write] = true, [fs.write_bytes] = true, [fs.rename] = true, [fs.mkdir] = true,
      [fs.tempdir] = true, [fs.copy] = true, [fs.chmod] = true, [fs.readdir] = true, [fs.glob] = true,
      [env.set] = true, [log.error] = true, [log.info] = true, [log.warn] = true, [coroutine.close] = true,
      [coroutine.yield] = true, [collectgarbage] = true, [http.serve] = true, [rawset] = true, [table.insert] = true,
      [table.remove] = true, [table.sort] = true, [table.move] = true, [setmetatable] = true, [string.rep] = true,
      [process.kill] = true}
    local count = 0
    while #queue > 0 do
      local value = table.remove(queue)
      local path = seen[value]
      count = count + 1
      add(getmetatable(value), path .. ':meta')
      if type(value) == 'table' then
        for k, v in next, value do
          add(k, path .. ':key')
          add(v, path .. '.' .. tostring(k))
        end
      elseif type(value) == 'function' and not skip[value] and not path:find('^_G%.[th][et][mt]p') then
        results(path .. '()', pcall(value))
        for i, argument in ipairs(call) do
          results(path .. '(' .. i .. ')', pcall(value, argument))
        end
      end
      if count > 20000 then break end
    end
    return count
"""


def test_no_userdata_is_reachable(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(WALK) > 200
    capfd.readouterr()


def test_the_walk_would_find_userdata() -> None:
    lua = CapturingHost()
    lua.host.state.invoke(b"set_global", b"leak", {b"deep": object()})
    with pytest.raises(LuaError, match="userdata at"):
        lua.run(WALK)


def test_scripts_in_different_hosts_do_not_see_each_other() -> None:
    first, second = CapturingHost(), CapturingHost()
    first.run("shared = 1 string.mine = 2 getmetatable('').mine = 3 package.loaded.mine = 4 json.null = 5")
    assert second.run(
        "return shared == nil and string.mine == nil and getmetatable('').mine == nil and package.loaded.mine == nil "
        "and json.null ~= 5"
    )
