"""Temporal's Core replays the histories of the simulation."""

from __future__ import annotations

import pytest

from assay.simulation.violation import Violation
from assay.simulation.world import World
from schedules.core_replay import replay
from schedules.worlds import activity, make_plan, run, signal, update

PROMOTION = """
return function(ctx, input)
  local approval = ctx:wait_signal("approve", { timeout = 86400 })
  if not approval then
    return { status = "timed_out" }
  end
  local commit = ctx:execute_activity("update_gitops", input, {
    start_to_close_timeout = 30,
    retry_policy = { maximum_attempts = 3 },
  })
  ctx:execute_activity("notify", { message = "Deployed" })
  return { status = "done", commit_id = commit.short_id, approved_by = approval.user }
end
"""

MIXED = """
return function(ctx)
  local seen = {}
  ctx:register_query("seen", function() return seen end)
  ctx:register_update("set", function(value)
    seen[#seen + 1] = ctx:execute_activity("act", value)
    return #seen
  end, { validator = function(value) if value == 2 then error("no") end end })
  ctx:on_signal("note", function(note) ctx:sleep(1) seen[#seen + 1] = note end)
  local one = ctx:start_activity("act", 1, { start_to_close_timeout = 5, cancellation_type = "wait_completed",
    heartbeat_timeout = 2 })
  local two = ctx:start_activity("act", 2, { start_to_close_timeout = 5, cancellation_type = "try_cancel" })
  local three = ctx:start_activity("act", 3, { start_to_close_timeout = 5, cancellation_type = "abandon" })
  local ok = pcall(function()
    ctx:with_timeout(3, function() ctx:await_all({ one, two, three }) end)
  end)
  if not ok then one:cancel() two:cancel() three:cancel() end
  for _, future in ipairs({ one, two, three }) do pcall(future.get, future) end
  pcall(function() ctx:execute_local_activity("act", 4) end)
  pcall(function() ctx:side_effect(function() return 1 end) end)
  pcall(function() ctx:wait_signal("go", { timeout = 10 }) end)
  if ctx:patched("p") then pcall(ctx.sleep, ctx, 1) end
  ctx:wait_condition(function() return ctx:all_handlers_finished() end)
  return seen
end
"""

FAMILY = """
return function(ctx)
  local policies = { "wait_completed", "try_cancel", "abandon" }
  local futures = {}
  for i, policy in ipairs(policies) do
    futures[i] = ctx:start_child_workflow("Child", i, { workflow_id = "child-" .. i, cancellation_type = policy,
      parent_close_policy = i == 3 and "request_cancel" or "terminate" })
  end
  pcall(ctx.sleep, ctx, 2)
  pcall(function() futures[1]:signal("go", 1) end)
  pcall(ctx.cancel_workflow, ctx, { workflow_id = "child-2" })
  pcall(ctx.signal_workflow, ctx, { workflow_id = "nobody", signal_name = "go" })
  for _, future in ipairs(futures) do pcall(future.get, future) end
  return "end"
end
"""

CHILD = """
return function(ctx, number)
  local go = ctx:wait_signal("go", { timeout = number * 3 })
  if number == 2 then ctx:execute_activity("act", number) end
  return go
end
"""

CHAIN = """
return function(ctx, state)
  state = state or { count = 0 }
  local item = ctx:wait_signal("item", { timeout = 5 })
  local more = item ~= nil
  while more do
    state.count = state.count + 1
    more = ctx:poll_signal("item")
  end
  if state.count < 3 and (state.rounds or 0) < 3 then
    ctx:continue_as_new({ count = state.count, rounds = (state.rounds or 0) + 1 })
  end
  return state.count
end
"""

PLANS = {
    "promotion": make_plan(
        PROMOTION,
        {},
        activities={"update_gitops": activity(lambda _: {"short_id": "abc"}), "notify": activity()},
        messages=[signal("approve", {"user": "jane"})],
        may_cancel=True,
    ),
    "mixed": make_plan(
        MIXED,
        messages=[signal("note", "a", max_count=2), signal("go", max_count=2), update("set", 1, 2, max_count=3)],
        queries=["seen"],
        may_cancel=True,
    ),
    "family": make_plan(FAMILY, others={"Child": CHILD}, messages=[], may_cancel=True),
    "chain": make_plan(CHAIN, messages=[signal("item", 1, max_count=4)]),
}

ALLOWED = {"lost", "unfinished", "unawaited"}
"""Violations that these workflows may have."""


@pytest.mark.parametrize("name", PLANS)
async def test_core_replays_simulated_histories(name: str) -> None:
    plan = PLANS[name]
    worlds: list[World] = []
    for seed in range(60):
        try:
            worlds.append(run(plan, seed=seed, horizon=30))
        except Violation as violation:
            if violation.kind not in ALLOWED:
                raise
    assert len(worlds) > 10
    assert await replay(plan, worlds) == []
