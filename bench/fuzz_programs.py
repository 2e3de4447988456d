"""Generator of the programs for `fuzz.py`: Lua workflows that are generated from a grammar by a seed.

A program logs the values that it sees, including error messages, and returns the log. It avoids behavior that Lua leaves
undefined: for example, `#` is only used on sequences.
"""

# The long lines contain Lua code.
# ruff: noqa: E501

from __future__ import annotations

from fuzz_expressions import Expressions

_TEMPLATE = """
local shared, keys = { n = 1, list = { 3, 1, 2 } }, {}
local Class = { kind = "class" }
Class.__index = Class
function Class.__lt(a, b) return a.n < b.n end
function Class.__le(a, b) return a.n <= b.n end
function Class.__eq(a, b) return a.n == b.n end
function Class.__concat(a, b) return tostring(a) .. "~" .. tostring(b) end
function Class.__call(self, x) return x, self.n end
function Class.__add(a, b) return 7 end
function Class.__close() shared.closed = (shared.closed or 0) + 1 end
local function object(n) return setmetatable({ n = n }, Class) end

return function(ctx, input)
  local out, size = {}, 0
  local function show(v, depth)
    if type(v) == "table" and depth < 3 then
      local parts = {}
      for k, item in pairs(v) do
        if #parts > 40 then break end
        parts[#parts + 1] = show(k, depth + 1) .. "=" .. show(item, depth + 1)
      end
      return tostring(v) .. "{" .. table.concat(parts, ",") .. "}"
    elseif type(v) == "string" then
      return string.format("%q", v:sub(1, 60))
    end
    return tostring(v)
  end
  local function log(...)
    if size > 400 then return end
    local parts = table.pack(...)
    for i = 1, parts.n do parts[i] = show(parts[i], 0) end
    size = size + 1
    out[size] = table.concat(parts, " ")
  end
  local function try(f, ...)
    local ok, e = pcall(f, ...)
    if not ok then log("error", type(e) == "table" and tostring(e) or e) end
  end
  local a, b, c, d = 1, "b", { 1, x = 2 }, object(4)
  local list, map, fn, co = { 5, 3, 9, 1 }, { k = "v", [2] = "two", [2.5] = true, [false] = 0 }, tostring, nil
  local futures = {}
BODY
  return out
end
"""


class Program(Expressions):
    """A generated program."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._statements_left = self._random.randint(30, 120)
        """Remaining number of statements."""

    def source(self) -> str:
        """Return the source of a chunk that returns the workflow function."""
        body = [self._handlers()]
        while self._statements_left > 0:
            body.append(self._statement(2))
        return _TEMPLATE.replace("BODY", "\n".join(body))

    # Statements ---------------------------------------------------------------------------------------------

    def _statement(self, indent: int) -> str:
        self._statements_left -= 1
        pad = " " * indent
        return f"{pad}try(function() {self._bare_statement(indent)} end)"

    def _block(self, indent: int, most: int = 3) -> str:
        if self._statements_left <= 0:
            return "log('end')"
        count = self._random.randint(1, most)
        self._statements_left -= count
        return " ".join(self._bare_statement(indent + 2) for _ in range(count))

    def _bare_statement(self, indent: int) -> str:
        self._depth += 1
        try:
            makers = [
                lambda: f"log({self.any()}, {self.any()})",
                lambda: f"{self._pick('a', 'b', 'c.x', 'shared.v', 'map[2]')} = {self.any()}",
                lambda: f"map[{self.key()}] = {self.any()}",
                lambda: f"keys[{self.key()}] = {self.any()}",
                lambda: f"table.insert({self._pick('list', 'shared.list')}, {self._pick('', '1, ')}{self._no_nil()})",
                lambda: f"log(table.remove({self._pick('list', 'shared.list')}{self._pick('', ', 1')}))",
                lambda: (
                    f"_G[{self._pick(chr(34) + 'g1' + chr(34), chr(34) + 'g2' + chr(34))}] = {self.any()} log(g1, g2)"
                ),
                lambda: (
                    f"local m = getmetatable({self._pick('d', 'c', 'map')}) m.{self._pick('__mode', '__gc', '__index', '__tostring')} = {self.any()}"
                ),
                lambda: f"setmetatable({self._pick('c', 'map', 'd')}, {self.metatable()})",
                lambda: f"error({self.any()}, {self._pick('0', '1', '2')})",
                lambda: f"error({{ type = 'T', message = {self.string()}, details = {{ {self.any()} }} }})",
                lambda: f"assert({self.any()}, {self.any()})",
                lambda: f"do goto skip log('never') ::skip:: end log({self.any()})",
                lambda: f"local x <close> = object({self.number()}) log(x.n, {self.any()})",
                lambda: f"local x <const> = {self.any()} log(x)",
                lambda: f"fn = {self.function()}",
                lambda: (
                    f"log(string.unpack({self._pick(chr(34) + '<i2' + chr(34), chr(34) + 'z' + chr(34))}, {self.string()}))"
                ),
            ]
            if self._depth < 4:
                makers += [
                    lambda: (
                        f"for k, v in pairs({self.table()}) do log(k, v) {self._block(indent, 1)} if size > 300 then break end end"
                    ),
                    lambda: f"for i, v in ipairs({self.list()}) do {self._block(indent, 2)} end",
                    lambda: f"for i = 1, {self._pick('3', '5')} do {self._block(indent)} end",
                    lambda: f"for i = 3, 1, -1 do c[i] = {self.any()} end",
                    lambda: f"for k in next, {self.table()} do log(k) end",
                    lambda: (
                        f"for w in ({self.string()}):gmatch({self._pattern()}) do log(w) if size > 300 then break end end"
                    ),
                    lambda: f"for p, code in utf8.codes({self.string()}) do log(p, code) end",
                    lambda: f"local n = 0 while n < 3 and {self.boolean()} do n = n + 1 {self._block(indent)} end",
                    lambda: f"local n = 0 repeat n = n + 1 {self._block(indent)} until n > 2 or {self.boolean()}",
                    lambda: f"if {self.boolean()} then {self._block(indent)} else {self._block(indent)} end",
                    lambda: f"do local e = {self.any()} {self._block(indent)} log(e) end",
                    lambda: f"table.sort({self._pick('list', 'shared.list')}{self._sorter()}) log(list)",
                    lambda: (
                        f"co = coroutine.wrap(function(...) log(...) {self._block(indent)} local got = coroutine.yield({self.any()}) log(got) end) log(co({self.any()})) log(co({self.any()}))"
                    ),
                    lambda: (
                        f"local t = coroutine.create({self.function()}) log(coroutine.resume(t, {self.any()})) log(coroutine.status(t), coroutine.close(t))"
                    ),
                    lambda: f"log(select(2, pcall(function() {self._block(indent)} end)))",
                    lambda: f"try(function() {self._block(indent)} end)",
                    lambda: self._step(indent),
                    lambda: self._step(indent),
                    lambda: self._step(indent),
                    lambda: self._step(indent),
                ]
            return self._random.choice(makers)()
        finally:
            self._depth -= 1

    def _sorter(self) -> str:
        return self._pick(
            "",
            ", function(x, y) return tostring(x) < tostring(y) end",
            ", function(x, y) return tostring(x) > tostring(y) end",
            ", function() return true end",
            ", function(x, y) return #tostring(x) < #tostring(y) end",
        )

    # Calls of ctx -------------------------------------------------------------------------------------------

    def _step(self, indent: int) -> str:
        activity = self._pick("'echo'", "'fail'", "'make'")
        options = self._pick(
            "", "", ", { start_to_close_timeout = 9 }", ", { retry_policy = { maximum_attempts = 2 } }"
        )
        return self._one_of(
            lambda: f"ctx:sleep({self._pick('0', '1', '0.5', '-1')})",
            lambda: f"log(ctx:execute_activity({activity}, {self.any()}{options}))",
            lambda: f"futures[#futures + 1] = ctx:start_activity({activity}, {self.string()})",
            lambda: f"log(ctx:execute_local_activity({activity}, {self.string()}))",
            lambda: f"futures[#futures + 1] = ctx:start_local_activity({activity}, {self.number()})",
            lambda: (
                f"log(ctx:side_effect(function() return {self._pick('crypto.random(4)', 'math.random()', 'time()', self.any())} end))"
            ),
            lambda: (
                f"futures[#futures + 1] = ctx:spawn(function(x) {self._block(indent)} return {self.any()} end, {self.any()})"
            ),
            lambda: f"futures[#futures + 1] = ctx:start_timer({self._pick('0', '1', '3')})",
            lambda: "if futures[1] then log(table.remove(futures, 1):get()) end",
            lambda: "if futures[1] then futures[#futures]:cancel() log(futures[#futures]:done()) end",
            lambda: "local all = futures futures = {} log(ctx:await_all(all))",
            lambda: f"if futures[1] then log(ctx:await_any(futures, {{ timeout = {self._pick('0', '1', '4')} }})) end",
            lambda: (
                f"log(ctx:wait_signal('{self._pick('s1', 's2', 's3')}', {{ timeout = {self._pick('0', '1', '5')} }}))"
            ),
            lambda: f"log(ctx:poll_signal('{self._pick('s1', 's2')}'))",
            lambda: (
                f"log(ctx:wait_condition(function() return {self.boolean()} end, {{ timeout = {self._pick('0', '2')} }}))"
            ),
            lambda: (
                f"log(ctx:with_timeout({self._pick('0', '1', '3')}, function() {self._block(indent)} return {self.any()} end))"
            ),
            lambda: f"log(ctx:shield(function() {self._block(indent)} return {self.any()} end))",
            lambda: f"log(ctx:patched('{self._pick('p1', 'p2')}'))",
            lambda: f"ctx:upsert_memo({{ m = {self.string()} }})",
            lambda: f"ctx:set_current_details({self.string()})",
            lambda: f"log(ctx:execute_child_workflow('Child', {self.string()}))",
            lambda: f"futures[#futures + 1] = ctx:start_child_workflow('Child', {self.number()})",
            lambda: "ctx:signal_workflow({ workflow_id = 'other', signal_name = 's' })",
            lambda: "ctx:cancel_workflow({ workflow_id = 'other' })",
            lambda: "log(ctx:uuid(), ctx:random(1, 100), ctx:now(), ctx:workflow_info().workflow_id)",
            lambda: (
                f"ctx:on_signal('{self._pick('s1', 's2')}', function(x) log('signal', x) {self._block(indent)} end)"
            ),
            lambda: "log(ctx:all_handlers_finished())",
        )

    def _handlers(self) -> str:
        lines = [
            "  ctx:register_query('state', function(x) shared.n, list[1], c.x = 99, {}, nil return { out, shared, map } end)"
        ]
        lines.append(f"  ctx:register_query('look', function(x) return {self.any()}, {self.any()} end)")
        lines.append(
            f"  ctx:register_update('u', function(x) log('update', x) {self._block(2)} return {self.any()} end, "
            f"{{ validator = function(x) shared.n = shared.n + 1 if x % 3 == 0 then error('no') end {self._plain_reader()} end }})"
        )
        if self._one_in(2):
            lines.append(f"  ctx:on_signal('s1', function(x) log('signal', x) {self._block(2)} end)")
        if self._one_in(4):
            lines.append("  ctx:on_dynamic_signal(function(name, x) log('dynamic', name, x) end)")
        return "\n".join(lines)

    def _plain_reader(self) -> str:
        return f"local seen = {self.any()} map[{self.key()}] = 1 for k, v in pairs({self.table()}) do seen = v end"
