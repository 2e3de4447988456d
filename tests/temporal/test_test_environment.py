"""`test.workflow_env` in Lua test files: workflows in an environment that skips time."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from command import Command
from lua_tests import names, run

PROMOTION = Path(__file__).parent.parent.parent / "examples" / "promotion" / "worker.lua"

PROMOTION_AND_OTHERS = """
local function promotion()
  return test.workflow_env({
    script = "worker.lua",
    activities = {
      update_gitops = function(input) return { short_id = "abc" } end,
      notify = function() return { sent = true } end,
    },
  })
end
local INPUT = { version = "v1", target = "prod" }

test("an approval leads to a commit", function()
  local env = promotion()
  env:signal_at(3600, "approve", { user = "jane" })
  assert.eq(env:execute({ input = INPUT }), { status = "done", commit_id = "abc", approved_by = "jane" })
  assert.eq(#env:calls(), 2)
  local notify = env:calls("notify")[1]
  assert.eq(notify.input.message, "Deployed v1 to prod")
  assert.gt(notify.at, 3599)
  assert.lt(notify.at, 3660)
end)

test("nobody approves within a day, and a signal after it is too late", function()
  local env = promotion()
  env:signal_at(90000, "approve")
  assert.eq(env:execute({ workflow_type = "PromotionWorkflow", input = INPUT }), { status = "timed_out" })
  assert.eq(env:calls(), {})
end)

test("signals, queries and time by hand", function()
  local env = test.workflow_env({ workflows = {
    Steps = function(ctx)
      local state = "first"
      ctx:register_query("state", function() return state end)
      ctx:sleep(30 * 86400)
      state = "second"
      local signal = ctx:wait_signal("go")
      ctx:sleep(10)
      return signal
    end,
  } })
  local run = env:start()
  assert.eq(run:query("state"), "first")
  env:sleep(31 * 86400)
  assert.eq(run:query("state"), "second")
  run:signal("go", { 1, 2 })
  assert.eq(run:result(), { 1, 2 })
  assert.eq(#run:id() > 5, true)
end)

test("retries, inputs and attempts are seen", function()
  local failures = 2
  local env = test.workflow_env({
    workflows = { Retry = function(ctx) return ctx:execute_activity("flaky", { n = 1 }) end },
    activities = { flaky = function(input)
      failures = failures - 1
      if failures >= 0 then error("not yet") end
      return input.n
    end },
  })
  assert.eq(env:execute(), 1)
  local calls = env:calls("flaky")
  assert.eq({ calls[1].attempt, calls[2].attempt, calls[3].attempt, #calls }, { 1, 2, 3, 3 })
end)

test("children run and are replayed too", function()
  local env = test.workflow_env({ workflows = {
    Parent = function(ctx) return ctx:execute_child_workflow("Child", 5) end,
    Child = function(ctx, n) ctx:sleep(3600) return n + 1 end,
  } })
  assert.eq(env:execute({ workflow_type = "Parent" }), 6)
end)

test("a cancellation and a failure are errors", function()
  local env = test.workflow_env({ workflows = {
    Waits = function(ctx) ctx:wait_signal("never") end,
    Fails = function(ctx, input) error("TOO_BAD: " .. input) end,
  } })
  local run = env:start({ workflow_type = "Waits" })
  run:cancel()
  local _, cancelled = pcall(run.result, run)
  assert.eq(cancelled.kind, "cancelled")
  local _, failed = pcall(env.execute, env, { workflow_type = "Fails", input = "x" })
  assert.eq(failed.type, "TOO_BAD")
  assert.matches(tostring(failed), "some_test.lua:%d+: TOO_BAD: x")
end)
"""


def test_a_file_tests_signals_queries_retries_children_and_cancellations(assay: Command) -> None:
    assay.script(PROMOTION.read_text(encoding="utf-8"), "worker.lua")
    result = run(assay, PROMOTION_AND_OTHERS)
    assert "6 passed, 0 failed" in result.stdout, result.stdout
    assert (result.stderr, result.returncode) == ("", 0)


@pytest.mark.parametrize(
    ("workflow", "more", "texts"),
    [
        (
            "if not ctx:is_replaying() then ctx:sleep(5) end",
            "",
            ["workflow 'W' is not deterministic", "-  event 5  timer", "+           the workflow completed"],
        ),
        (
            "ctx:execute_activity('nope')",
            "",
            ["activity 'nope' is neither in the script nor in the 'activities' of the environment"],
        ),
        ("ctx:wait_signal('never')", "", ["workflow 'W' did not complete: waiting for an external event"]),
        ("while true do end", "", ["a workflow task took more than 1 s of CPU", "at some_test.lua:3"]),
        ("error('boom')", "", ["some_test.lua:3: boom", "some_test.lua:4: in function"]),
        ("ctx:sleep(1)", "input = print", ["test.workflow_env: unknown option 'input'"]),
        ("ctx:sleep(1)", "script = 'missing.lua'", ["test.workflow_env: cannot read missing.lua: No such file"]),
        ("ctx:sleep(1)", "script = 'broken.lua'", ["broken.lua:1: boom"]),
    ],
    ids=["nondeterminism", "unknown activity", "endless wait", "endless loop", "error", "option", "file", "script"],
)
def test_a_problem_of_a_workflow_is_reported(assay: Command, workflow: str, more: str, texts: list[str]) -> None:
    assay.script("error('boom')", "broken.lua")
    result = run(
        assay,
        f"""test("it", function()
          local env = test.workflow_env({{ {more or "script = nil"}, workflows = {{ W = function(ctx)
            {workflow} end }} }})
          env:execute()
        end)""",
    )
    assert names(result) == ["FAIL  it"]
    assert all(text in result.stdout for text in texts), result.stdout
    assert "Traceback" not in result.stdout
    assert ".py" not in result.stdout
    assert result.returncode == 1


def test_search_attributes_are_registered_when_they_are_set(assay: Command) -> None:
    result = run(
        assay,
        """
        local function shown(ctx) return ctx:workflow_info().search_attributes end
        local function environment()
          return test.workflow_env({ workflows = {
            Sets = function(ctx)
              ctx:upsert_search_attributes({ Stage = "x", Count = 3, Share = 0.5, Open = true, Tags = { "a" } })
              ctx:upsert_search_attributes({ Stage = json.null })
              return shown(ctx)
            end,
            Shows = shown,
            Parent = function(ctx)
              return ctx:execute_child_workflow("Shows", nil, { search_attributes = { OfChild = "c" } })
            end,
            Again = function(ctx, input)
              if input then return shown(ctx) end
              ctx:continue_as_new(true, { search_attributes = { OfNext = 7 } })
            end,
            Memo = function(ctx) return ctx:workflow_info().memo end,
          } })
        end
        local function is(name, expected, options)
          test(name, function()
            options = options or {}
            options.workflow_type = name
            assert.eq(environment():execute(options), expected)
          end)
        end
        is("Sets", { Count = 3, Share = 0.5, Open = true, Tags = { "a" } })
        is("Parent", { OfChild = "c" })
        is("Again", { OfNext = 7 })
        is("Shows", { Started = "s", Count = 4 }, { search_attributes = { Started = "s", Count = 4 } })
        is("Memo", { note = { 1 } }, { memo = { note = { 1 } } })
        """,
    )
    assert names(result) == [f"ok    {name}" for name in ("Sets", "Parent", "Again", "Shows", "Memo")], result.stdout


def test_a_workflow_task_that_fails_stops_the_clock_of_no_other_test(assay: Command) -> None:
    assay.script(
        """temporal.worker({ task_queue = "q", on_workflow_error = "suspend", workflows = {
          Fails = function() error("boom") end,
          Sleeps = function(ctx) ctx:sleep(30 * 86400) return "awake" end,
        } })""",
        "worker.lua",
    )
    result = run(
        assay,
        """
        local function result(name)
          return test.workflow_env({ script = "worker.lua" }):execute({ workflow_type = name })
        end
        test("one that fails", function() result("Fails") end)
        test("the next", function() assert.eq(result("Sleeps"), "awake") end)
        test("one that catches it", function() pcall(result, "Fails") end)
        """,
        *("--timeout", "30"),
    )
    assert names(result) == ["FAIL  one that fails", "ok    the next", "FAIL  one that catches it"]
    assert "workflow 'Fails' cannot continue: its workflow task fails, also in a replay\n" in result.stdout
    assert "deterministic" not in result.stdout


def test_planned_messages_are_sent_in_the_order_of_their_times(assay: Command) -> None:
    result = run(
        assay,
        """test("it", function()
          local env = test.workflow_env({ workflows = { W = function(ctx)
            return { ctx:wait_signal("s"), ctx:wait_signal("s") }
          end } })
          env:signal_at(7200, "s", "second")
          env:signal_at(3600, "s", "first")
          assert.eq(env:execute(), { "first", "second" })
        end)""",
    )
    assert result.returncode == 0, result.stdout


def test_an_activity_that_never_succeeds_ends_the_test(assay: Command) -> None:
    result = run(
        assay,
        """test("it", function()
          local env = test.workflow_env({
            workflows = { W = function(ctx) return ctx:execute_activity("a") end },
            activities = { a = function() error("no luck") end },
          })
          env:execute()
        end)""",
    )
    text = "activity 'a' keeps failing: some_test.lua:4: no luck (set retry_policy.maximum_attempts)"
    assert text in result.stdout
    logged = re.findall(r"activity 'a' failed \(attempt (\d+)\)", result.stdout)
    assert logged == ["1", "2", "3", "10", "100", "1000"]


def test_an_activity_may_fail_until_a_timeout_of_the_workflow(assay: Command) -> None:
    result = run(
        assay,
        """test("it", function()
          local env = test.workflow_env({
            workflows = { W = function(ctx)
              local ok, problem = pcall(ctx.with_timeout, ctx, 3600, function() ctx:execute_activity("a") end)
              return { ok, problem.kind }
            end },
            activities = { a = function() error("no luck") end },
          })
          assert.eq(env:execute(), { false, "timeout" })
        end)""",
    )
    assert result.returncode == 0, result.stdout


def test_a_test_that_times_out_reports_where_its_workflow_waits(assay: Command) -> None:
    result = run(
        assay,
        """test("it", function()
          local env = test.workflow_env({ workflows = { W = function(ctx)
            ctx:wait_signal("never") end } })
          env:start()
          env:sleep(1)
          sleep(600)
        end)""",
        *("--timeout", "15"),
    )
    assert "the test timed out after 15 s" in result.stdout
    assert "workflow 'W' waits" in result.stdout
    assert "some_test.lua:3: in function" in result.stdout


def test_a_file_connects_to_its_own_server(assay: Command) -> None:
    assay.environment["TEMPORAL_ADDRESS"] = "127.0.0.1:1"
    result = run(
        assay,
        """test("it", function()
          local env = test.workflow_env({ workflows = { W = function(ctx) ctx:sleep(60) return 1 end } })
          local run = env:start()
          local client = temporal.connect()
          assert.eq(client:describe_workflow(run:id()).status, "RUNNING")
          assert.eq(run:result(), 1)
        end)""",
    )
    assert result.returncode == 0, result.stdout


def test_thirty_days_take_no_time(assay: Command) -> None:
    result = run(
        assay,
        """
        local function env()
          return test.workflow_env({ workflows = { W = function(ctx)
            for _ = 1, 30 do ctx:sleep(86400) end
          end } })
        end
        test("warm up", function() env():execute() end)
        test("a month", function() env():execute() end)
        """,
    )
    seconds = re.search(r"ok    a month \((\S+) s\)", result.stdout)
    assert seconds is not None, result.stdout
    assert float(seconds[1]) < 50  # 0.1 s on a machine that has time
