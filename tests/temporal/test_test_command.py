"""`assay test`: Lua test files, workflows in an environment with time skipping."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import psutil
import pytest

from command import TIMEOUT, Command, wait_for

PROMOTION = Path(__file__).parent.parent.parent / "examples" / "promotion" / "worker.lua"


def run(assay: Command, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one test file, `some_test.lua`."""
    assay.script(text, "some_test.lua")
    return assay.run("test", *arguments)


def names(result: subprocess.CompletedProcess[str]) -> list[str]:
    """The tests as they were told, without their times."""
    return re.findall(r"^  (\w+ .*) \(\d+\.\d\d s\)$", result.stdout, re.MULTILINE)


class TestPlain:
    def test_tests_pass_and_fail(self, assay: Command) -> None:
        result = run(
            assay,
            """
            local count = 0
            test("first", function() count = count + 1 sleep(0) assert.eq(count, 1) end)
            print("of the file")
            test("second", function()
              print("seen")
              log.warn("heard")
              local function deep() assert.eq({ a = 1 }, { a = count }) error("not this") end
              count = 2
              deep()
            end)
            test("third", function() assert.eq(count, 2) end)
            """,
        )
        assert names(result) == ["ok    first", "FAIL  second", "ok    third"]
        assert "        some_test.lua:8: assert.eq failed: {a = 1} != {a = 2}\n" in result.stdout
        assert "            some_test.lua:8: in local 'deep'\n" in result.stdout
        assert re.search(r"        output:\n        seen\n        .*heard\n", result.stdout)
        assert "of the file" not in result.stdout
        assert re.search(r"^2 passed, 1 failed \(\d+\.\d s\)\n$", result.stdout, re.MULTILINE)
        assert "Traceback" not in result.stdout
        assert (result.stderr, result.returncode) == ("", 1)

    def test_a_flood_is_cut(self, assay: Command) -> None:
        result = run(
            assay,
            """
            test("floods", function()
              print("first")
              local line = ("x"):rep(1000)
              for _ = 1, 80000 do print(line) end
              print("last")
              error("too much")
            end)
            test("one line", function() print(("y"):rep(100000)) error("no end") end)
            test("in its message", function() error(("z"):rep(70000000)) end)
            """,
        )
        assert names(result) == ["FAIL  floods", "FAIL  one line", "FAIL  in its message"]
        assert "        first\n        xxx" in result.stdout
        assert re.search(r"x\n        … 799\d\d lines omitted …\n        x", result.stdout)
        assert "x\n        last\n" in result.stdout
        assert "y\n        … 60001 bytes omitted …\n        y" in result.stdout
        assert "test report exceeds 64 MiB" in result.stdout
        assert len(result.stdout) < 100_000
        assert (result.stderr, result.returncode) == ("", 1)

    def test_all_pass(self, assay: Command) -> None:
        result = run(assay, "test('one', function() end)")
        assert "1 passed, 0 failed" in result.stdout
        assert result.returncode == 0

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("x =", "some_test.lua:1: unexpected symbol near <eof>"),
            ("error('boom')", "some_test.lua:1: boom"),
            ("test('a', print) test('a', print)", "some_test.lua:1: test: duplicate test name 'a'"),
            ("test('a')", "some_test.lua:1: test: bad argument 'function' (function expected, got nil)"),
            ("test.workflow_env({})", "test.workflow_env: only allowed inside a test"),
            ("os.exit(0)", "os.exit ended the test file"),
        ],
    )
    def test_a_broken_file_fails(self, assay: Command, text: str, message: str) -> None:
        result = run(assay, text)
        assert names(result) == ["FAIL  (the file)"]
        assert message in result.stdout
        assert "0 passed, 1 failed" in result.stdout
        assert result.returncode == 1

    def test_the_process_of_a_file_is_its_own(self, assay: Command) -> None:
        for name in ("a", "b"):
            text = "test('env', function() assert.eq(env.get('SEEN'), nil) env.set('SEEN', '1') end)"
            assay.script(text, f"{name}_test.lua")
        assay.script("error('not a test')", "other.lua")
        result = assay.run("test", "--jobs", "2")
        assert names(result) == ["ok    env", "ok    env"]

    def test_paths_and_filter(self, assay: Command) -> None:
        (assay.folder / "deep").mkdir()
        assay.script("test('one more', print) test('other', print)", "deep/a_test.lua")
        assay.script("test('one', print)", "other_name.lua")
        assert names(assay.run("test")) == ["ok    one more", "ok    other"]
        assert names(assay.run("test", "deep", "--filter", "one")) == ["ok    one more"]
        assert names(assay.run("test", "other_name.lua")) == ["ok    one"]

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            (["missing"], "cannot read missing: No such file or directory"),
            (["."], "no test files (*_test.lua) found"),
            (["x.lua", "--filter", "nope"], "no test name contains 'nope'"),
            (["--timeout", "0"], "--timeout"),
        ],
    )
    def test_nothing_to_run(self, assay: Command, arguments: list[str], text: str) -> None:
        assay.script("test('a', print)", "x.lua")
        result = assay.run("test", *arguments)
        assert text in result.stderr
        assert (result.stdout, result.returncode) == ("", 2)

    def test_junit(self, assay: Command) -> None:
        text = "test('good', function() end) test('bad', function() print('\\27[31m<&') error('<no>') end)"
        result = run(assay, text, "--junit", "results.xml")
        assert result.returncode == 1
        suite = ElementTree.parse(assay.folder / "results.xml").getroot()[0]
        assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("some_test.lua", "2", "1")
        good, bad = suite
        assert (good.get("name"), len(good)) == ("good", 0)
        assert (bad[0].tag, bad[0].get("message")) == ("failure", "some_test.lua:1: <no>")
        assert bad[1].text == "\ufffd[31m<&\n"

    @pytest.mark.parametrize(("code", "word"), [("sleep(60)", "timed out after"), ("while true do end", "killed")])
    def test_a_test_has_a_limit(self, assay: Command, monkeypatch: pytest.MonkeyPatch, code: str, word: str) -> None:
        text = f"test('long', function() print('seen') log.warn('heard') {code} end)"
        result = run(assay, "print('before')" + text, "--timeout", "0.2")
        assert names(result) == ["FAIL  long"]
        assert word in result.stdout
        assert re.search(r"        output:\n        seen\n        .*heard\n", result.stdout)
        assert "long (0.00 s)" not in result.stdout

    def test_ctrl_c_leaves_nothing_behind(self, assay: Command) -> None:
        assay.script(
            "test('long', function() test.workflow_env({ workflows = { w = print } }) "
            "fs.write('pid', 'started') sleep(600) end)",
            "some_test.lua",
        )
        with assay.started("test") as process:
            wait_for(lambda: (assay.folder / "pid").exists())
            children = psutil.Process(process.pid).children(recursive=True)
            assert "temporal-test-server" in "".join(" ".join(child.cmdline()) for child in children)
            process.send_signal(signal.SIGINT)
            assert process.wait(TIMEOUT) == 130
            wait_for(lambda: not any(child.is_running() for child in children))


SIX = """
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


class TestWorkflows:
    def test_workflows_are_tested_at_their_times(self, assay: Command) -> None:
        assay.script(PROMOTION.read_text(encoding="utf-8"), "worker.lua")
        result = run(assay, SIX)
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
    def test_what_goes_wrong_is_told(self, assay: Command, workflow: str, more: str, texts: list[str]) -> None:
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

    def test_search_attributes_are_registered_when_they_are_set(self, assay: Command) -> None:
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
        assert names(result) == [f"ok    {name}" for name in ("Sets", "Parent", "Again", "Shows", "Memo")], (
            result.stdout
        )

    def test_a_workflow_task_that_fails_stops_the_clock_of_no_other_test(self, assay: Command) -> None:
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

    def test_an_activity_that_never_succeeds_ends_the_test(self, assay: Command) -> None:
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
        told = re.findall(r"activity 'a' failed \(attempt (\d+)\)", result.stdout)
        assert told == ["1", "2", "3", "10", "100", "1000"]

    def test_an_activity_may_fail_for_as_long_as_the_workflow_has(self, assay: Command) -> None:
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

    def test_an_endless_test_says_where_its_workflow_waits(self, assay: Command) -> None:
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

    def test_a_file_connects_to_its_own_server(self, assay: Command) -> None:
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

    def test_thirty_days_take_no_time(self, assay: Command) -> None:
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
