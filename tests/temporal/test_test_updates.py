"""Updates in `assay test`: sent immediately or at a time, accepted, rejected, and slow."""

from __future__ import annotations

import pytest

from command import Command

ENVIRONMENT = """
local env = test.workflow_env({
  workflows = {
    W = function(ctx)
      local total = 0
      ctx:register_update("add", function(n) total = total + n return total end, {
        validator = function(n) if n < 0 then error("NEGATIVE: " .. n) end end,
      })
      ctx:register_update("slow", function() ctx:sleep(3600) return "slept" end)
      ctx:register_update("act", function() return ctx:execute_activity("a") end)
      ctx:register_update("local step", function() return ctx:side_effect(function() return 7 end) end)
      local signal = ctx:wait_signal("go", { timeout = 86400 })
      return { total = total, signal = signal }
    end,
  },
  activities = { a = function() sleep(0.2) return "acted" end },
})
"""

PASSES = {
    "the result comes back": """
        local run = env:start()
        assert.eq({ run:update("add", 2), run:update("add", 3) }, { 2, 5 })
    """,
    "a refusal is an error": """
        local run = env:start()
        local ok, err = pcall(run.update, run, "add", -1)
        assert.eq({ ok, err.type }, { false, "NEGATIVE" })
        assert.eq(run:update("add", 1), 1)
    """,
    "an unknown update is an error": """
        local run = env:start()
        local ok, err = pcall(run.update, run, "ad", 1)
        assert.eq(tostring(err), "update 'ad' is not registered (registered: act, add, local step, slow)")
    """,
    "a handler that waits lets time pass, and no more than it needs": """
        local run = env:start()
        assert.eq({ run:update("act"), run:update("local step"), run:update("slow") }, { "acted", 7, "slept" })
        run:signal("go", "in time")
        assert.eq(run:result(), { total = 0, signal = "in time" })
    """,
    "planned updates come at their times": """
        env:update_at(10, "add", 4)
        env:update_at(20, "slow")
        env:signal_at(30, "go", "third")
        env:update_at(40, "add", 100)
        assert.eq(env:execute(), { total = 4, signal = "third" })
    """,
    "a planned update that is refused is an error": """
        env:update_at(10, "add", -4)
        local ok, err = pcall(env.execute, env)
        assert.eq({ ok, err.type }, { false, "NEGATIVE" })
    """,
    "a workflow that has ended takes no update": """
        env:signal_at(1, "go")
        local run = env:start()
        run:result()
        local ok, err = pcall(run.update, run, "add", 1)
        assert.eq({ tostring(err), err.kind }, { "run:update: workflow 'W' has ended", "not_found" })
    """,
}


@pytest.mark.parametrize("code", PASSES.values(), ids=PASSES)
def test_updates_of_a_workflow(assay: Command, code: str) -> None:
    assay.script(f'test("it", function() {ENVIRONMENT} {code} end)', "some_test.lua")
    result = assay.run("test")
    assert "1 passed, 0 failed" in result.stdout, result.stdout
