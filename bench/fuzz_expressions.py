"""Generator of Lua expressions, for the programs of `fuzz_programs.py`.

An expression refers to the variables that the template of the programs defines.
"""

# The long lines contain Lua code.
# ruff: noqa: UP031

from __future__ import annotations

import random
from collections.abc import Callable

_WORDS = ["a", "bb", "key", "x y", "é", "\\0z", "%d", "[[", "10", "0x1p4", " 7 ", "nil", "zebra", "", "n"]
_PATTERNS = ["%a+", "(%w)(%w)", "[^%s]", "x*", "^k", "%d-$", "(.)%1", "%f[%w]", "()", "[a-z]+", "%b()", ".-y", "(", "%"]
_FORMATS = ["%s", "%5.1f", "%x", "%q", "%-6s|", "%+d", "%g", "%c", "%i", "%a", "%10s", "%%", "%d"]


class Expressions:
    """Generates expressions from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"program {seed}")
        self._depth = 0

    def _pick(self, *choices: str) -> str:
        return self._random.choice(choices)

    def _one_in(self, one_in: int) -> bool:
        return self._random.randrange(one_in) == 0

    def _one_of(self, *makers: Callable[[], str]) -> str:
        return self._random.choice(makers)()

    def number(self) -> str:
        """Return an expression that usually evaluates to a number."""
        self._depth += 1
        try:
            if self._depth > 4 or self._one_in(3):
                literals = ("0", "1", "-1", "2", "7", "1.5", "-0.0", "1e15", "2^53", "math.maxinteger", "0x7f", "3.0")
                return self._pick(*literals, "1/0", "math.pi", "math.mininteger", "#list", "a", "input")
            return self._one_of(
                lambda: f"({self.number()} {self._pick('+', '-', '*', '/', '//', '%')} {self.number()})",
                lambda: f"({self.number()} {self._pick('&', '|', '~', '<<', '>>')} {self.number()})",
                lambda: f"math.{self._pick('floor', 'ceil', 'abs', 'sqrt', 'tointeger')}({self.number()})",
                lambda: f"math.{self._pick('max', 'min', 'fmod', 'ult')}({self.number()}, {self.number()})",
                lambda: f"#{self.string()}",
                lambda: f"tonumber({self.string()})",
                lambda: f"select('#', {self.any()}, {self.any()})",
                lambda: f"rawlen({self.list()})",
                lambda: f"string.byte({self.string()}, {self._pick('1', '-1', '2')})",
                lambda: f"utf8.len({self.string()})",
                lambda: f"math.random({self._pick('', '10', '3, 9')})",
                lambda: self._pick("os.time()", "time()", "os.clock()", "ctx:now()", "ctx:random(1, 6)", "-a", "~7"),
                lambda: "os.time({ year = 2024, month = 2, day = 30 })",
            )
        finally:
            self._depth -= 1

    def string(self) -> str:
        """Return an expression that usually evaluates to a string."""
        self._depth += 1
        try:
            if self._depth > 4 or self._one_in(3):
                return self._pick(*(f'"{word}"' for word in _WORDS), "b", "ctx:uuid()")
            return self._one_of(
                lambda: f"({self.any()} .. {self.string()})",
                lambda: f"tostring({self.any()})",
                lambda: f"string.format({self._format()}, {self.any()}, {self.any()})",
                lambda: f"({self.string()}):{self._pick('upper', 'lower', 'reverse')}()",
                lambda: f"({self.string()}):rep({self._pick('0', '1', '3')}, {self._pick('nil', self.string())})",
                lambda: f"({self.string()}):sub({self._pick('1', '2', '-2')}, {self._pick('-1', '3')})",
                lambda: f"(({self.string()}):gsub({self._pattern()}, {self.replacement()}))",
                lambda: f"({self.string()}):match({self._pattern()})",
                lambda: f"table.concat({self.list()}, {self.string()})",
                lambda: f"json.encode({self.any()})",
                lambda: f"type({self.any()})",
                lambda: f"os.date({self._pick(chr(34) + '%Y-%m-%d' + chr(34), chr(34) + '!%c' + chr(34), '')})",
                lambda: f"string.pack('{self._pick('>i4', 'z', '<d', 's1')}', {self.any()})",
                lambda: f"string.char({self._pick('65', '48, 49', '256')})",
                lambda: f"utf8.char({self._pick('228', '8364, 65')})",
                lambda: f"crypto.{self._pick('hash', 'random', 'uuid')}({self._pick('', self.string(), '8')})",
                lambda: f"regex.replace({self.string()}, {self._pick(chr(34) + 'a+' + chr(34), self.string())}, 'r')",
            )
        finally:
            self._depth -= 1

    def _format(self) -> str:
        return f'"{self._pick(*_FORMATS)}{self._pick(*_FORMATS)}"'

    def _pattern(self) -> str:
        return f'"{self._pick(*_PATTERNS)}"'

    def replacement(self) -> str:
        """Return a replacement for `gsub`."""
        return self._one_of(self.string, self.function, lambda: "map", lambda: "{ a = 'A', bb = false }")

    def boolean(self) -> str:
        """Return a condition."""
        return self._one_of(
            lambda: f"({self.number()} {self._pick('<', '<=', '>', '==', '~=')} {self.number()})",
            lambda: f"({self.any()} {self._pick('==', '~=')} {self.any()})",
            lambda: f"not {self.any()}",
            lambda: f"({self.boolean_leaf()} {self._pick('and', 'or')} {self.boolean_leaf()})",
            lambda: f"rawequal({self.any()}, {self.any()})",
            lambda: "next(map) == nil",
            lambda: f"({self.string()}):find({self._pattern()}) ~= nil",
        )

    def boolean_leaf(self) -> str:
        """Return a simple condition."""
        return self._pick("true", "false", "a == 1", "map.k", "ctx:is_cancelled()", "#list > 3")

    def list(self) -> str:
        """Return an expression that evaluates to a sequence."""
        return self._one_of(
            lambda: "list",
            lambda: "shared.list",
            lambda: "{ %s, %s }" % (self._no_nil(), self._no_nil()),
            lambda: "{}",
            lambda: "{ table.unpack(list) }",
        )

    def _no_nil(self) -> str:
        return f"({self.any()} or 0)"

    def table(self) -> str:
        """Return an expression that evaluates to a table."""
        return self._one_of(
            lambda: self._pick("map", "c", "d", "shared", "keys", "Class", "{}"),
            lambda: "{ [%s or 0] = %s, %s = %s }" % (self.key(), self.any(), self._pick("x", "y"), self.any()),
            lambda: f"object({self.number()})",
            lambda: f"setmetatable({self.metatabled()}, {self.metatable()})",
            lambda: f"table.pack({self.any()}, {self.any()})",
            lambda: """json.decode('{"z":[1,2.5,null],"a":{"b":"c"},"k":[]}')""",
            lambda: "ctx:workflow_info()",
            lambda: f"os.date('*t', {self._pick('0', '86399.0')})",
            self.list,
        )

    def metatabled(self) -> str:
        """Return a table to set a metatable on."""
        return self._pick("{}", "{ 1, 2 }", "map", "c", "{ n = 5 }")

    def metatable(self) -> str:
        """Return a metatable."""
        return self._one_of(
            lambda: self._pick("Class", "{}", "nil"),
            lambda: "{ __index = %s }" % self._one_of(self.function, lambda: "shared", lambda: "Class"),
            lambda: "{ __tostring = %s, __name = %s }" % (self.function(), self.string()),
            lambda: "{ __len = %s, __unm = %s, __idiv = %s }" % (self.function(), self.function(), self.function()),
            lambda: "{ __pairs = function(t) return next, { %s, p = %s } end }" % (self.any(), self.any()),
            lambda: "{ __gc = %s, __mode = %s }" % (self.function(), self._pick("'k'", "'v'", "'kv'")),
            lambda: "{ __newindex = function(t, k, v) rawset(t, k, %s) end }" % self.any(),
            lambda: "{ __metatable = %s }" % self.any(),
        )

    def key(self) -> str:
        """Return a table key."""
        return self._one_of(
            self.number,
            self.string,
            lambda: self._pick(
                "'k'", "'x'", "1", "2", "true", "a", "c", "fn", "print", "Class", "map", "{ %s }" % self.number()
            ),
        )

    def function(self) -> str:
        """Return an expression that evaluates to a function."""
        return self._one_of(
            lambda: self._pick(
                "fn", "tostring", "type", "math.type", "string.upper", "rawget", "object", "print", "select"
            ),
            lambda: f"function(x, y) return {self.any()} end",
            lambda: f"function(...) shared.n = shared.n + 1 return ..., {self.number()} end",
            lambda: f"function(x) return x, {self.string()} end",
        )

    def any(self) -> str:
        """Return any expression."""
        self._depth += 1
        try:
            if self._depth > 4:
                return self._pick("a", "b", "nil", "true", "1", "'s'", "2.5")
            return self._one_of(
                self.number,
                self.string,
                self.boolean,
                self.table,
                self.function,
                lambda: self._pick(
                    "a", "b", "c", "d", "nil", "true", "map.k", "c.x", "d.kind", "json.null", "shared.n"
                ),
                lambda: f"({self.table()})[{self.key()}]",
                lambda: f"rawget({self.table()}, {self.key()})",
                lambda: f"getmetatable({self.any()})",
                lambda: f"next({self.table()})",
                lambda: f"select({self._pick('1', '-1', '2')}, {self.any()}, {self.any()})",
                lambda: f"({self.function()})({self.any()}, {self.any()})",
                lambda: f"pcall({self.function()}, {self.any()})",
                lambda: f"xpcall({self.function()}, {self.function()}, {self.any()})",
                lambda: f"({self.any()} or {self.any()})",
                lambda: f"d({self.any()})",
                lambda: f"(d {self._pick('+', '..', '<', '==', '*')} {self._pick('object(4)', '1', 'c')})",
                lambda: "collectgarbage(%s)" % self._pick("'count'", "'step'", "", "'generational'"),
                lambda: f"ctx:{self._pick('now', 'is_cancelled', 'cancel_reason', 'get_current_details')}()",
            )
        finally:
            self._depth -= 1
