"""`assay test --coverage`: the lines of scripts and modules that run in each kind of state."""

from __future__ import annotations

import re

import pytest

from assay.libraries import LIBRARIES
from assay.lua.host import Host
from assay.lua.loader import Finder
from assay.lua.state import PARTS, State
from assay.testing import coverage
from command import Command

WORKER = """#!/usr/bin/env assay
local prices = require("prices")

local function unused()
  return 1
end

temporal.worker({
  task_queue = "q",
  activities = {
    charge = function(input)
      sleep(0)
      if input.amount > 100 then
        error("TOO_MUCH: " .. input.amount)
      end
      return { paid = prices.round(input.amount) }
    end,
    refund = function()
      return prices.round(1)
    end,
  },
  workflows = {
    Order = function(ctx, input)
      local state = "open"
      ctx:register_query("state", function()
        return state
      end)
      local number = ctx:side_effect(function()
        return 7
      end)
      local walk = coroutine.wrap(function()
        coroutine.yield(1)
        return 2
      end)
      local task = ctx:spawn(function()
        ctx:sleep(60)
        return "late"
      end)
      if input.amount < 0 then
        return unused()
      end
      walk()
      state = "paid"
      local paid = ctx:execute_activity("charge", input)
      return { paid, number, task:get() }
    end,
    Endless = function(ctx)
      while true do
        ctx:now()
      end
    end,
  },
})
"""
MODULE = """
local M = {}

function M.round(amount)
  return amount // 1
end

function M.format(amount)
  return "$" .. amount
end

return M
"""
ORDERS = """
test("an order", function()
  local env = test.workflow_env({ script = "worker.lua" })
  local run = env:start({ workflow_type = "Order", input = { amount = 5 } })
  run:result()
  assert.eq(run:query("state"), "paid")
end)
"""
OTHERS = """
local prices = require("prices")
test("a price", function() assert.eq(prices.format(3), "$3") end)
test("the limits hold", function()
  test.workflow_env({ script = "worker.lua" }):execute({ workflow_type = "Endless" })
end)
"""


@pytest.fixture
def project(assay: Command) -> Command:
    """A worker, its module, and two test files."""
    assay.script(WORKER, "worker.lua")
    assay.script(MODULE, "prices.lua")
    assay.script(ORDERS, "orders_test.lua")
    assay.script(OTHERS, "others_test.lua")
    return assay


def table(text: str) -> dict[str, tuple[str, str]]:
    """The rows of the table: counts and missing lines by file."""
    rows = re.findall(r"^(\S.*?) +(\d+/\d+) +[\d.]+ % *(.*)$", text, re.MULTILINE)
    return {path: (counts, missing) for path, counts, missing in rows}


def test_every_state_is_looked_at_and_files_are_put_together(project: Command) -> None:
    result = project.run("test", "--coverage", "--lcov", "out.lcov", "--jobs", "2")
    assert (result.returncode, result.stderr) == (1, ""), result.stdout
    assert "2 passed, 1 failed" in result.stdout
    limit = "a workflow task took more than 1 s of CPU (workflow_limits.cpu_seconds) at worker.lua:49"
    assert limit in result.stdout
    shown = table(result.stdout)
    assert shown["worker.lua"][1] == "5, 14, 19, 33, 40"
    assert shown["prices.lua"] == ("6/6", "")
    assert list(shown) == ["prices.lua", "worker.lua", "all files"]
    tracefile = (project.folder / "out.lcov").read_text(encoding="utf-8")
    worker = tracefile.split("end_of_record\n")[1]
    assert worker.startswith("TN:\nSF:worker.lua\nDA:2,1\n")
    assert "\nDA:5,0\n" in worker
    assert "\nDA:36,1\n" in worker
    hit, total = shown["worker.lua"][0].split("/")
    assert f"\nLF:{total}\nLH:{hit}\n" in worker


def test_too_little_is_a_failure(project: Command) -> None:
    result = project.run("test", "orders_test.lua", "--fail-under", "90")
    assert "1 passed, 0 failed" in result.stdout, result.stdout + result.stderr
    assert table(result.stdout)["prices.lua"][1] == "9"
    assert re.fullmatch(r"assay: coverage \d\d\.\d % is below 90 %\n", result.stderr)
    assert result.returncode == 1
    assert project.run("test", "orders_test.lua", "--fail-under", "50").returncode == 0


def test_a_file_that_cannot_be_written(project: Command) -> None:
    project.script("test('one', function() end)", "one_test.lua")
    result = project.run("test", "one_test.lua", "--lcov", "no/where")
    assert (result.stderr, result.returncode) == ("assay: cannot write no/where: No such file or directory\n", 2)


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("local x = 1\n\n-- no code\nlocal function f()\n  return x\nend\nreturn f", {1, 5, 7}),
        ("local t = {\n  f = function(a,\n    b)\n    return a\n  end,\n}\nreturn t", {1, 4, 7}),
        ("local o = {}\nfunction o:m(...)\n  local n = select('#', ...)\n  return self, n\nend", {1, 3, 4, 2}),
        ("if x then\n  y()\nelse\n  z()\nend\nrepeat\n  y()\nuntil x", {1, 2, 4, 7, 8}),
        ("return function()\n  return function() return [[\nend ]]\n  end\nend", {3}),
        ("#!assay\nprint(1)", {2}),
        ("\xef\xbb\xbfprint(1)", {1}),
        ("", set()),
    ],
    ids=["functions", "tables", "methods", "blocks", "inner functions", "first line", "byte order mark", "nothing"],
)
def test_lines_with_code(source: str, lines: set[int]) -> None:
    host = Host(
        {**LIBRARIES, **coverage.LIBRARIES},
        Finder("."),
        lambda text: None,
        parts=(*PARTS, coverage.PART),
    )
    found = coverage.lines_with_code(host.state, source.encode("latin-1"))
    assert found == lines


def test_under_a_line_hook_the_private_side_has_its_line_tables() -> None:
    """Lua reads the table of each function that runs; where there is none it reads on behind it, and crashes."""
    state = State(memory_limit=1 << 26, has_line_hook=True)
    lines = state._runtime.eval("function(chunk) return debug.getinfo(chunk, 'L').activelines end")
    assert list(lines(state._load("constants")))
