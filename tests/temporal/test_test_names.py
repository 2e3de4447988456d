"""Names of activities in `assay test`: an unknown one is an error."""

from __future__ import annotations

import pytest

from command import Command

WORKER = """
temporal.worker({
  task_queue = "q",
  activities = { charge = function() return 1 end },
  workflows = {
    W = function(ctx, name)
      return ctx:execute_activity(name or "charge")
    end,
  },
})
local of_another_worker = "ship"
"""


def run(assay: Command, activities: str, code: str) -> str:
    assay.script(WORKER, "worker.lua")
    test = f"""
    test("it", function()
      local env = test.workflow_env({{ script = "worker.lua", activities = {{ {activities} }} }})
      {code}
    end)
    """
    assay.script(test, "some_test.lua")
    return assay.run("test").stdout


FAILS = {
    "a misspelled activity in env:calls": (
        "",
        'env:execute() assert.eq(env:calls("chrge"), {})',
        "some_test.lua:4: env:calls: no activity 'chrge' (did you mean 'charge'?)\n",
    ),
    "a misspelled replacement": (
        "chrge = print",
        "env:execute()",
        "the environment replaces activity 'chrge', which is not registered and was never called "
        "(did you mean 'charge'?)\n",
    ),
}


@pytest.mark.parametrize(("activities", "code", "text"), FAILS.values(), ids=FAILS)
def test_a_name_that_nothing_knows_fails_the_test(assay: Command, activities: str, code: str, text: str) -> None:
    shown = run(assay, activities, code)
    assert text in shown
    assert "0 passed, 1 failed" in shown


PASSES = {
    "an activity that is not called": ("charge = print", 'assert.eq(env:calls("charge"), {})'),
    "an activity of another worker": ("ship = print", 'env:execute() assert.eq(env:calls("ship"), {})'),
    "an activity whose name is computed": (
        "refund = function() return 2 end",
        'assert.eq(env:execute({ input = "re" .. "fund" }), 2) assert.eq(#env:calls("refund"), 1)',
    ),
}


@pytest.mark.parametrize(("activities", "code"), PASSES.values(), ids=PASSES)
def test_a_name_that_is_meant_passes(assay: Command, activities: str, code: str) -> None:
    shown = run(assay, activities, code)
    assert "1 passed, 0 failed" in shown, shown
