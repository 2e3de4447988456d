"""Random workflows with every method of `ctx` that is simulated, and the events that may happen to them.

What a workflow sees goes into its result, so that a replay that sees something else gives another result.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from assay.simulation.plan import Activity, Message, Plan
from assay.temporal.data import failures
from schedules.worlds import activity, make_plan, signal, update

PRELUDE = """
local trail = {}
local futures = {}
local count = 0
local sets = { alpha = 1, beta = 2, gamma = 3, delta = 4 }

local function see(...)
  for i = 1, select("#", ...) do
    local value = select(i, ...)
    if #trail < 400 then
      trail[#trail + 1] = type(value) == "table" and (value.kind or value.message or "table") or tostring(value)
    end
  end
end

-- Whatever fails is seen; a cancellation goes on like any other error.
local function try(f, ...)
  see(pcall(f, ...))
end

local function newest()
  return futures[#futures]
end
"""

DEPTH = 3
"""Maximum nesting depth of blocks."""

CHILD = """
return function(ctx, number)
  local order = {}
  ctx:on_signal("poke", function(value) order[#order + 1] = value end)
  ctx:register_query("order", function() return order end)
  if number % 3 == 0 then
    ctx:execute_activity("act", number, { start_to_close_timeout = 5 })
  elseif number % 3 == 1 then
    ctx:wait_signal("go", { timeout = number })
  else
    ctx:sleep(number)
  end
  if number == 4 then error({ type = "ODD", message = "the child failed" }) end
  return order
end
"""


class Generator:
    """Makes one workflow."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"workflow {seed}")
        self._children = 0
        self._patches = 0

    def source(self) -> str:
        """Return a chunk that returns the workflow function."""
        setup = "\n".join(self._indented(self._handler(), 1) for _ in range(self._random.randint(1, 4)))
        body = self._block(0, self._random.randint(3, 8))
        return (
            f"{PRELUDE}\nreturn function(ctx, depth)\n{setup}\n{body}\n"
            "  ctx:wait_condition(function() return ctx:all_handlers_finished() end, { timeout = 1000 })\n"
            "  return { trail, count }\nend\n"
        )

    def _indented(self, text: str, depth: int) -> str:
        return "\n".join("  " * depth + line for line in text.splitlines())

    def _block(self, depth: int, length: int) -> str:
        return "\n".join(self._indented(self._statement(depth), 1) for _ in range(length))

    def _seconds(self) -> str:
        return str(self._random.choice([0, 0.5, 1, 1, 2, 5, 30]))

    def _function(self, depth: int) -> str:
        return f"function()\n{self._block(depth + 1, self._random.randint(1, 3))}\nend"

    def _options(self) -> str:
        kind = self._random.choice(["try_cancel", "wait_completed", "abandon"])
        more = self._random.choice(["", ", heartbeat_timeout = 2", ", schedule_to_close_timeout = 20"])
        attempts = self._random.choice([0, 1, 2, 3])
        return (
            f'{{ start_to_close_timeout = 5, cancellation_type = "{kind}"{more}, '
            f"retry_policy = {{ maximum_attempts = {attempts} }} }}"
        )

    def _child_options(self) -> str:
        self._children += 1
        kind = self._random.choice(["wait_completed", "try_cancel", "abandon"])
        policy = self._random.choice(["terminate", "abandon", "request_cancel"])
        named = f'workflow_id = "child-{self._children}", ' if self._random.random() < 0.7 else ""
        return f'{{ {named}cancellation_type = "{kind}", parent_close_policy = "{policy}" }}'

    # Statements -----------------------------------------------------------------------------------------------------

    def _statement(self, depth: int) -> str:
        flat: list[Callable[[], str]] = [
            lambda: f"try(ctx.sleep, ctx, {self._seconds()})",
            lambda: f'try(ctx.execute_activity, ctx, "act", {self._number()}, {self._options()})',
            lambda: f'futures[#futures + 1] = ctx:start_activity("act", {self._number()}, {self._options()})',
            lambda: f'try(ctx.execute_local_activity, ctx, "act", {self._number()}, {self._local_options()})',
            lambda: f'futures[#futures + 1] = ctx:start_local_activity("act", {self._number()})',
            lambda: "try(ctx.side_effect, ctx, function() return 7 end)",
            lambda: f"futures[#futures + 1] = ctx:start_timer({self._seconds()})",
            lambda: f'try(ctx.execute_child_workflow, ctx, "Child", {self._number()}, {self._child_options()})',
            lambda: (
                f'futures[#futures + 1] = ctx:start_child_workflow("Child", {self._number()}, {self._child_options()})'
            ),
            lambda: f'try(ctx.wait_signal, ctx, "{self._signal()}", {{ timeout = {self._seconds()} }})',
            lambda: f'see(ctx:poll_signal("{self._signal()}"))',
            lambda: f"try(ctx.wait_condition, ctx, function() return count > {self._number()} end, {{ timeout = 3 }})",
            lambda: "if newest() then try(newest().get, newest()) end",
            lambda: "if newest() then newest():cancel() end",
            lambda: "if newest() then see(newest():done(), newest().workflow_id, newest().run_id) end",
            lambda: 'if newest() then try(newest().signal, newest(), "poke", count) end',
            lambda: f"try(ctx.await_all, ctx, futures, {{ timeout = {self._seconds()} }})",
            lambda: f"if #futures > 0 then try(ctx.await_any, ctx, futures, {{ timeout = {self._seconds()} }}) end",
            self._patch,
            lambda: "see(ctx:uuid(), ctx:random(1, 100), math.random(100), crypto.uuid())",
            lambda: "see(ctx:uuid7())",
            lambda: "see(ctx:now(), os.time(), time(), os.date())",
            lambda: "for key, value in pairs(sets) do see(key, value) end",
            lambda: "see(tostring({}), tostring(print))",
            lambda: "see(ctx:is_cancelled(), ctx:cancellation_reason(), ctx:all_handlers_finished())",
            lambda: "see(ctx:workflow_info().run_id, ctx:workflow_info().workflow_type)",
            lambda: "ctx:upsert_memo({ note = count })",
            lambda: 'ctx:set_current_details("at " .. count) see(ctx:get_current_details())',
            lambda: "count = count + 1",
            lambda: 'try(ctx.signal_workflow, ctx, { workflow_id = "child-1", signal_name = "go", input = count })',
            lambda: 'try(ctx.signal_workflow, ctx, { workflow_id = "nobody", signal_name = "go" })',
            lambda: f'try(ctx.cancel_workflow, ctx, {{ workflow_id = "child-{self._random.randint(1, 3)}" }})',
            lambda: "if (depth or 0) < 2 and count > 2 then ctx:continue_as_new((depth or 0) + 1) end",
            self._handler,
        ]
        nested: list[Callable[[], str]] = [
            lambda: f"futures[#futures + 1] = ctx:spawn({self._function(depth)})",
            lambda: f"try(ctx.with_timeout, ctx, {self._random.choice([0.5, 1, 3, 10])}, {self._function(depth)})",
            lambda: f"try(ctx.shield, ctx, {self._function(depth)})",
            lambda: f"if count % 2 == 0 then\n{self._block(depth + 1, 2)}\nend",
        ]
        choices = flat + nested * 3 if depth < DEPTH else flat
        return self._random.choice(choices)()

    def _local_options(self) -> str:
        attempts = self._random.choice([1, 2])
        threshold = self._random.choice(["", "local_retry_threshold = 0.5, "])
        return f"{{ {threshold}retry_policy = {{ maximum_attempts = {attempts} }} }}"

    def _number(self) -> int:
        return self._random.randint(1, 5)

    def _signal(self) -> str:
        return self._random.choice(["go", "item", "other"])

    def _patch(self) -> str:
        self._patches += 1
        if self._random.random() < 0.2:
            return f'ctx:deprecate_patch("patch-{self._patches}")'
        return f'if ctx:patched("patch-{self._patches}") then\n{self._block(DEPTH, 1)}\nend'

    def _handler(self) -> str:
        waits = self._random.choice(
            ["", f"try(ctx.sleep, ctx, {self._seconds()})", 'try(ctx.execute_activity, ctx, "act", 1)']
        )
        abandon = self._random.choice(["", ', { unfinished_policy = "abandon" }'])
        return self._random.choice(
            [
                f'ctx:on_signal("{self._signal()}", function(value) {waits} see(value) count = count + 1 end{abandon})',
                f"ctx:on_dynamic_signal(function(name, value) {waits} see(name, value) end)",
                'ctx:register_update("set", function(value)\n'
                f"  see(ctx:current_update_info().id) {waits}\n  count = value\n  return count\n"
                "end, { validator = function(value) if value == 2 then error('REFUSED: two') end end })",
                f"ctx:register_dynamic_update(function(name, value) {waits} see(name, value) return value end)",
                'ctx:register_query("count", function() return count end)',
                "ctx:register_dynamic_query(function(name) return { name, count } end)",
            ]
        )


_FAILURES = [
    failures.application("it fails", "ODD"),
    failures.application("it fails for good", "FINAL", non_retryable=True),
]
ACTIVITIES = {
    "act": activity(lambda value=None: value, max_duration=4.0, failures=_FAILURES, times_out=True),
}
MESSAGES: list[Message] = [
    signal("go", 1, 2, max_count=2),
    signal("item", "a", max_count=2),
    signal("other", max_count=1),
    update("set", 1, 2, 3, max_count=3),
    update("more", 1, max_count=1),
]
ALLOWED = frozenset({"lost", "unfinished", "unawaited", "query"})
"""Violations that generated workflows may have."""


def generated(seed: int, activities: dict[str, Activity] | None = None) -> Plan:
    """Return the plan of the workflow of a seed."""
    return make_plan(
        Generator(seed).source(),
        0,
        others={"Child": CHILD},
        activities=activities or ACTIVITIES,
        messages=MESSAGES,
        may_cancel=True,
        queries=["count"],
        allowed=ALLOWED,
        task_limit=300,
    )
