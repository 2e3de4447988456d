"""The pattern matcher of workflows, compared with Lua's."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lupa.lua55 import LuaRuntime

import assay.temporal.workflow.sandbox

SANDBOX = Path(assay.temporal.workflow.sandbox.__file__).parent
PATTERNS, MATCHER = SANDBOX / "patterns.lua", SANDBOX / "matcher.lua"

_items = st.sampled_from(["a", "b", ".", "%a", "%s", "[ab]", "[^a]", "[%a_]", "[a-c]", "%%", "x"])
_parts = st.one_of(
    _items,
    st.tuples(_items, st.sampled_from("*+-?")).map("".join),
    st.sampled_from(["()", "%b()", "%f[%a]", "%1", "(", ")", "$", "^", "%", "["]),
    st.tuples(_items, st.sampled_from(["*", "+", "-", "?", ""])).map(lambda part: f"({''.join(part)})"),
)
_patterns = st.tuples(st.sampled_from(["", "^"]), st.lists(_parts, max_size=5).map("".join), st.sampled_from(["", "$"]))
_texts = st.text("abx (_)%", max_size=12)


def matchers() -> LuaRuntime:
    """A state with the matcher's functions in `ours`, without its fast path, and Lua's in `theirs`."""
    runtime = LuaRuntime(unpack_returned_tuples=True)
    source = PATTERNS.read_text(encoding="utf-8").replace("local CHEAP = 1e7", "local CHEAP = -1")
    runtime.execute(
        """
        theirs = { find = string.find, match = string.match, gmatch = string.gmatch, gsub = string.gsub }
        ours = {
          call_raw = function(fn, ...) return fn(...) end,
          check_limit = function() end,
          note = function(...) return ... end,
          raise = function(message) error(message, 0) end,
        }
        for _, source in ipairs({ ... }) do
          assert(load(source))(ours)
        end
        for name, fn in pairs(theirs) do ours[name] = ours["string." .. name] end
        local function all(iterator)
          local out = {}
          for a, b, c in iterator do out[#out + 1] = table.concat({ tostring(a), tostring(b), tostring(c) }, ",") end
          return table.concat(out, ";")
        end
        function run(with, name, s, p, ...)
          local results
          if name == "gmatch" then
            results = table.pack(pcall(function(...) return all(with.gmatch(...)) end, s, p, ...))
          else
            results = table.pack(pcall(with[name], s, p, ...))
          end
          for i = 1, results.n do results[i] = tostring(results[i]) end
          if results[1] == "false" then return "error" end
          return table.concat(results, "|")
        end
        """,
        source,
        MATCHER.read_text(encoding="utf-8"),
    )
    return runtime


RUNTIME = matchers()


@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_texts, _patterns.map("".join), st.integers(-3, 14), st.sampled_from(["<%0>", "%1", "%%", "-"]))
def test_it_agrees_with_luas_own(text: str, pattern: str, init: int, by: str) -> None:
    run, ours, theirs = (RUNTIME.globals()[name] for name in ("run", "ours", "theirs"))
    for arguments in (
        ("find", text, pattern, init),
        ("match", text, pattern, init),
        ("gmatch", text, pattern),
        ("gsub", text, pattern, by),
        ("gsub", text, pattern, by, 2),
    ):
        assert run(ours, *arguments) == run(theirs, *arguments), arguments


def test_numbers_are_converted_to_strings() -> None:
    run, ours, theirs = (RUNTIME.globals()[name] for name in ("run", "ours", "theirs"))
    for arguments in (("find", 1234, "2.*4"), ("match", 1234, 23), ("gmatch", 1212, 12), ("gsub", 1212, 1, 3)):
        assert run(ours, *arguments) == run(theirs, *arguments) != "error"


def test_usual_patterns_go_to_luas_own() -> None:
    source = PATTERNS.read_text(encoding="utf-8").replace("local function is_native(", "function is_native(")
    RUNTIME.execute("assert(load((...)))({ raise = error })", source)
    is_native = RUNTIME.globals()["is_native"]

    def native(pattern: str, size: int, factor: int = 1) -> bool:
        return bool(is_native("find", "x" * size, pattern, factor))

    assert native("%s+", 10_000_000)
    assert native("^%s*(.-)%s*$", 200)
    assert native("(%w+)=(%w+)", 200)
    assert native("[^,]+", 10_000_000)
    assert not native("a-" * 50 + "b", 100)
    assert not native("a?" * 40 + "a" * 40, 40)
    assert not native("%b()", 10_000)
    assert not native("[" + "a" * 5000 + "]", 10_000)
