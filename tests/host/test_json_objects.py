"""JSON with similar objects: generated readers and writers change only the speed."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from assay.lua.state import LAZY_PARTS, LazyParts
from json_values import is_equal, json_trees, keys, without_nulls
from lua_host import CapturingHost

GENERATING = CapturingHost()
PLAIN = CapturingHost()
"""A host without generated readers and writers."""

_NO_READERS = str(Path(__file__).parent.parent / "support" / "no_object_readers")
PLAIN.host.state.lazy = LazyParts(
    {**LAZY_PARTS, _NO_READERS: (*LAZY_PARTS["object_readers"], *LAZY_PARTS["object_writers"])},
)

ECHO = b"local text = ... return json.encode(json.parse(text))"
TRY = b"""
local text = ...
local ok, value = pcall(json.parse, text)
return ok and json.encode(value) or tostring(value)
"""
SPOIL = b"""
local text, bad, where = ...
bad = ({ 0 / 0, "\\xff", print, { [{}] = 1 }, 1 / 0, setmetatable({ 1, 2 }, { __index = error, __len = error }),
  setmetatable({ 1 }, { __metatable = false, __index = error }), { [2] = 1 }, "a\\nb", "\\0r1", 2.0 })[bad]
local list = json.parse(text)
local function last_key(object, wanted)  -- the order of `pairs` differs between states
  local last
  for key, value in pairs(object) do
    if wanted(value) and (last == nil or tostring(last) < tostring(key)) then
      last = key
    end
  end
  return last
end
local object = list[where]
local inner = last_key(object, function(value) return type(value) == "table" and value ~= json.null and next(value) end)
object = inner and object[inner] or object
local last = last_key(object, function() return true end)
object[last or "x"] = bad
local ok, text = pcall(json.encode, list)
return tostring(text)
"""
STYLES: list[dict[str, Any]] = [{"separators": (",", ":")}, {}, {"indent": 2}, {"separators": (" ,", "\t: ")}]
ODD = ['"', "\\", "{", "}", "[", "]", ",", ":", "0", "-", ".", "1e", "01", "\n", "\x01", "null", "\\u12", "1e999", '""']


def call(lua: CapturingHost, code: bytes, *arguments: Any) -> Any:
    return lua.host.run_sync(lua.host.load(code, "script.lua"), arguments)


@st.composite
def lists(draw: st.DrawFn) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """A list of similar objects, and its JSON formatting."""
    names = draw(st.lists(keys, min_size=1, max_size=6, unique=True))
    pools = {name: draw(st.lists(json_trees, min_size=1, max_size=3)) for name in names}
    steady = draw(st.integers(1, 10))  # how many in ten objects have each key
    chance = random.Random(draw(st.integers(0, 1000)))
    style: dict[str, Any] = dict(draw(st.sampled_from(STYLES)), ensure_ascii=draw(st.booleans()))
    objects: list[dict[str, Any]] = []
    size = 0
    while (size < 40_000 and len(objects) < 2000) or len(objects) < 300:
        objects.append({name: chance.choice(pool) for name, pool in pools.items() if chance.random() < steady / 10})
        size += len(json.dumps(objects[-1]))
    return objects, style


@settings(deadline=None, max_examples=60)
@given(lists())
def test_a_long_list_goes_through_lua(drawn: tuple[list[dict[str, Any]], dict[str, Any]]) -> None:
    value, style = drawn
    assert is_equal(json.loads(call(GENERATING, ECHO, json.dumps(value, **style))), without_nulls(value))


@settings(deadline=None, max_examples=100)
@given(lists(), st.data())
def test_a_damaged_long_text_gives_the_usual_result_or_error(
    drawn: tuple[list[dict[str, Any]], dict[str, Any]], data: st.DataObject
) -> None:
    value, style = drawn
    text = json.dumps(value, **style)
    at = data.draw(st.integers(0, len(text)))
    text = text[:at] + data.draw(st.sampled_from(ODD)) + text[at + data.draw(st.integers(0, 9)) :]
    assert call(GENERATING, TRY, text) == call(PLAIN, TRY, text)


@settings(deadline=None, max_examples=100)
@given(lists(), st.integers(1, 11), st.data())
def test_a_long_list_with_an_odd_item_gives_the_usual_result_or_error(
    drawn: tuple[list[dict[str, Any]], dict[str, Any]], bad: int, data: st.DataObject
) -> None:
    value, style = drawn
    text, where = json.dumps(value, **style), data.draw(st.integers(1, len(value)))
    assert call(GENERATING, SPOIL, text, bad, where) == call(PLAIN, SPOIL, text, bad, where)


@settings(deadline=None, max_examples=40)
@given(st.lists(json_trees, min_size=1, max_size=3), st.lists(json_trees, max_size=3), st.booleans())
def test_long_arrays_go_through_lua(items: list[Any], others: list[Any], indent: bool) -> None:
    value = {"x": items * 200 + others + items * 200, "padding": "x" * 40_000}
    text = json.dumps(value, indent=2 if indent else None, ensure_ascii=False)
    assert is_equal(json.loads(call(GENERATING, ECHO, text)), without_nulls(value))


def test_objects_with_escapes_that_are_read_again() -> None:
    chance = random.Random(1)
    value = [
        {
            "at": {"x": chance.choice(["a", 'say "a"']), "y": chance.choice(["b", "\\b"])},
            chance.choice(["last", "last", "last", "other"]): number,
        }
        for number in range(2000)
    ]
    assert json.loads(call(GENERATING, ECHO, json.dumps(value))) == value


def test_a_script_that_stopped_the_collector_finds_it_stopped() -> None:
    text = json.dumps([{"id": number, "name": f"pod-{number}"} for number in range(5000)])
    code = b"local text = ... json.encode(json.parse(text)) return collectgarbage('isrunning')"
    assert call(CapturingHost(), code, text) is True
    assert call(CapturingHost(), b"collectgarbage('stop') " + code, text) is False


def test_a_script_that_only_reads_and_writes_long_texts_keeps_no_garbage() -> None:
    text = json.dumps([{"id": number, "name": f"pod-{number}", "tags": ["a", "b"]} for number in range(1000)])
    code = b"local text = ... for _ = 1, 200 do json.encode(json.parse(text)) end return collectgarbage('count')"
    assert call(CapturingHost(), code, text) < 30 * 1024  # all of it would be more than 80 MiB


def test_functions_of_the_script_are_never_called() -> None:
    """Values in objects of the same shape may have any metatable."""
    code = b"""
    local list = {}
    for i = 1, 400 do
      list[i] = { at = { x = i, y = "b" }, sizes = { 1, 2.5 } }
    end
    local traps = { __index = error, __len = error, __eq = error, __pairs = error, __concat = error, __call = error }
    setmetatable(list[300].at, traps)
    setmetatable(list[301].sizes, traps)
    getmetatable(json.array({})).__index = error
    list[302].sizes = json.array({ [1] = 1, [3] = 2 })
    list[303].sizes = { [1] = 1, [3] = 2 }
    return json.encode(list)
    """
    value = json.loads(call(CapturingHost(), code))
    assert value[298:300] == [{"at": {"x": i, "y": "b"}, "sizes": [1, 2.5]} for i in (299, 300)]
    assert value[300]["sizes"] == [1, 2.5]
    assert value[301]["sizes"] == [1, None, 2]
    assert value[302]["sizes"] == {"1": 1, "3": 2}
