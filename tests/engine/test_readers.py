"""Query handlers and validators see the current tables of a run, which are copied on access."""

from __future__ import annotations

import time

import pytest

from engine import jobs
from engine.driver import Drive, Driver

STATE = """
local Class = { kind = "class" }
Class.__index = Class
function Class:double() return self.n * 2 end
added, counter = { 1, 2 }, 0
string.shout = function(s) return s:upper() .. "!" end
return function(ctx)
  local large, list, keyed, shared = {}, {}, {}, 0
  for i = 1, 500 do large["k" .. i], list[i] = { i, name = "n" .. i }, i * 2 end
  large[1.5], large[true] = "float", "yes"
  for i = 1, 3 do keyed[{ i }] = i end
  local object = setmetatable({ n = 21, parts = { 1, 2, 3 } }, Class)
  local ring = { name = "ring" }
  ring.self = ring
  local function bump() shared = shared + 1 return shared end
  local function peek() return shared end
  local failed, problem = pcall(error, { type = "T", message = "m", details = { 1 } })
  local small = { a = 1, b = { c = { d = "deep" } }, 10, 20, 30 }
  local proxy = setmetatable({}, { __index = function(_, k) return "made " .. k end, __len = function() return 7 end })
  local function look() %s end
  ctx:register_query("look", look)
  ctx:register_update("look", look)
  ctx:register_query("small", function() return small end)
  ctx:wait_signal("never")
end
"""

LOOKS = {
    "a field": "return small.b.c.d",
    "a field of a large table": "return { large.k7[1], large.k7.name, large.k500[1], large[1.5], large[true] }",
    "what is not there": "return { large.no == nil, small.no == nil, large[small] == nil, large[0/0] == nil }",
    "the same twice": "return large.k1 == large.k1 and large.k1 == (function() return large.k1 end)()",
    "many fields": "local n = 0 for i = 1, 500 do n = n + large['k' .. i][1] end return n",
    "pairs": "local n = {} for k, v in pairs(small) do n[#n + 1] = tostring(k) .. type(v) end return n",
    "pairs of a large one": "local n = 0 for _, v in pairs(large) do n = n + (#v == 1 and v[1] or 1) end return n",
    "ipairs": "local n = 0 for i, v in ipairs(list) do n = n + v end return n",
    "next": "return { next(small), next(large) ~= nil, next({}) == nil }",
    "lengths": "return { #list, #small, #added, rawlen(list), #proxy, #object.parts }",
    "raw access": "return { rawget(small, 'a'), rawget(large, 'k3')[1], rawget(object, 'double') == nil }",
    "table functions": "return { table.concat(list, ',', 1, 5), table.unpack(added) }",
    "an unpacked list": "return { select('#', table.unpack(list)), (select(500, table.unpack(list))) }",
    "a sorted list": "table.sort(list, function(a, b) return a > b end) return { list[1], list[500] }",
    "an insertion": "table.insert(list, 1, 0) table.insert(small, 40) return { #list, list[2], small[4] }",
    "a removal": "return { table.remove(list), table.remove(list, 1), #list }",
    "a move": "return { table.unpack(table.move(list, 499, 500, 1, {})) }",
    "a write": "large.k9, large.new, small.a = nil, 5, 'x' return { large.k9 == nil, large.new, small.a }",
    "a raw write": "rawset(small, 'z', 26) rawset(large, 'k1', 1) return { small.z, small.a, large.k1, large.k2[1] }",
    "a cleared table": "for k in pairs(small) do small[k] = nil end return { next(small) == nil, #small }",
    "an object": "return { object.n, object:double(), object.kind, getmetatable(object) == Class, #object.parts }",
    "a class": "return { Class.kind, getmetatable(Class) == nil, Class.__index == Class }",
    "a proxy": "return { proxy.x, proxy[1] }",
    "a table as a metatable": "return { setmetatable({}, { __index = small }).a, setmetatable({}, Class).kind }",
    "a metatable for a table": "setmetatable(small, Class) return { small.kind, small.a, getmetatable(small).kind }",
    "no metatable": "return { getmetatable(small) == nil, getmetatable(large) == nil }",
    "a ring": "return { ring.self == ring, ring.self.self.name }",
    "a shared variable": "local a, b = bump(), bump() return { a, b, peek() }",
    "an error object": "return { problem.type, problem.message, problem.details[1] }",
    "tables as keys": "local n = 0 for k, v in pairs(keyed) do n = n * 10 + k[1] end return n",
    "globals": "counter = counter + 1 return { counter, added[2], _G.added == added }",
    "a library": "return { ('x'):shout(), string.shout('y') }",
    "JSON": "return json.encode({ small = small, added = added, large = large.k2 })",
    "text": "return { tostring(small):match('^table: ') , ('%s'):format(added):match('^table: '), type(large) }",
    "a nested result": "return { small, added, large.k4, object.parts }",
    "a large result": "return { n = large.k1, list = list }",
    "an error": "return { pcall(function() return small.nothing.x end) }",
    "an error with a table": "return { pcall(error, small) }",
    "a comparison": "return { select('#', pcall(function() return small < added end)), small == added }",
    "a replacement": "return (('a b'):gsub('a', small))",
    "a call of a table": "return (pcall(small))",
    "a coroutine": "return coroutine.wrap(function() return small.b.c.d end)()",
    "a copy": "local c = {} for k, v in pairs(large) do c[k] = v end return { c.k5[1], c.k5 == large.k5 }",
    "an assertion": "return { pcall(assert.eq, small, { a = 1 }) }",
    "an assertion that holds": "assert.eq(small, { a = 1, b = { c = { d = 'deep' } }, 10, 20, 30 }) return 1",
    "a marked array": "return json.encode(json.array(list))",
    "an array of tables": "local out = {} for i = 1, 40 do out[i] = large['k' .. i] end return out",
}


def answers(driver: Driver) -> tuple[object, object]:
    """Return what a query sees, twice, and then what the run itself sees."""
    (queried,) = driver.send(jobs.query("look"))
    (again,) = driver.send(jobs.query("look"))
    assert queried == again
    _, updated = driver.send(jobs.update("look"))
    return queried["respond_to_query"]["succeeded"], updated["update_response"]["completed"]


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_a_query_sees_what_the_run_sees(drive: Drive, look: str) -> None:
    driver = drive(STATE % look)
    driver.start()
    queried, own = answers(driver)
    assert queried == {"response": own}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_a_query_changes_nothing_in_the_run(drive: Drive, look: str) -> None:
    driver, untouched = drive(STATE % look), drive(STATE % look)
    for each in (driver, untouched):
        each.start()
    driver.send(jobs.query("look"))
    assert driver.send(jobs.update("look")) == untouched.send(jobs.update("look"))
    assert driver.send(jobs.query("small")) == untouched.send(jobs.query("small"))


def test_a_query_sees_what_has_changed(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local state, count = {}, 0
      for i = 1, 200 do state["k" .. i] = { n = 0 } end
      ctx:register_query("read", function() return { written = state.k1.n, other = state.k2.n, count = count } end)
      ctx:register_update("write", function(n) state.k1.n, count = n, count + 1 end)
      ctx:wait_signal("never")
    end
    """)
    driver.start()
    for n in range(3):
        (answer,) = driver.send(jobs.query("read"))
        assert answer["respond_to_query"]["succeeded"]["response"] == {"written": n, "other": 0, "count": n}
        driver.send(jobs.update("write", n + 1))


def test_readers_of_a_large_state_take_little_cpu() -> None:
    driver = Driver("""
    return function(ctx)
      local state = {}
      for i = 1, 60000 do state["key" .. i] = { i, "v" .. i } end
      ctx:register_query("state", function() return state.key1 end)
      ctx:register_update("u", function(n) state.key1[1] = n return n end, { validator = function()
        if not state.key1 then error("no") end
      end })
      ctx:wait_signal("never")
    end
    """)
    driver.start()
    began = time.thread_time()
    for n in range(20):
        driver.send(*(jobs.update("u", n, id=f"{n}-{i}") for i in range(8)))
        (answer,) = driver.send(jobs.query("state"))
        assert answer["respond_to_query"]["succeeded"]["response"] == [n, "v1"]
    assert (time.thread_time() - began) / 180 < 0.05  # a copy of the whole state takes ten times as long
    driver.close()


def test_the_memory_of_a_query_is_freed_when_the_run_continues() -> None:
    driver = Driver("""
    return function(ctx)
      local state = {}
      for i = 1, 60000 do state[i] = { i } end
      ctx:register_query("sum", function() local n = 0 for _, v in pairs(state) do n = n + v[1] end return n end)
      ctx:wait_signal("go")
      return #state
    end
    """)
    driver.start()
    run = driver.run
    assert run is not None
    run.host.state.headroom()
    before = run.host.state._used()
    (answer,) = driver.send(jobs.query("sum"))
    assert answer["respond_to_query"]["succeeded"]["response"] == 60000 * 60001 // 2
    driver.send(jobs.signal("other"))
    driver.send(jobs.signal("go"))
    run.host.state._runtime.gccollect()
    assert run.host.state._used() < before * 1.2
    driver.close()
