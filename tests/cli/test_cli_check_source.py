"""`assay check`: findings from the source alone (names, syntax, tests, signals), and the formats of the results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from assay.checking.scopes import scopes_of
from assay.checking.syntax import text_of
from command import Command

ROOT = Path(__file__).parent.parent.parent


def worker(workflow: str, activity: str = "return 1") -> str:
    """A worker script with the code of its activity on line 3 and of its workflow on line 6."""
    return f"""return temporal.worker({{
  task_queue = "q", activities = {{ act = function(input)
    {activity}
  end }}, workflows = {{
    W = function(ctx, input)
    {workflow}
  end }} }})
"""


@pytest.mark.parametrize(
    ("activity", "message"),
    [
        ("prnt(input)", "error: 'prnt' is not defined (did you mean 'print'?)"),
        ("return stirng.upper(input)", "error: 'stirng' is not defined (did you mean 'string'?)"),
        ("tabel.insert({}, 1)", "error: 'tabel' is not defined (did you mean 'table'?)"),
        ("return tostrin(3)", "error: 'tostrin' is not defined (did you mean 'tostring'?)"),
        ("retrun { status = 1 }", "error: 'retrun' is not defined (did you mean the keyword 'return'?)"),
        ("local x = foo return x", "warning: 'foo' is not defined"),
        ("return None", "warning: 'None' is not defined (did you mean nil?)"),
        ("unpack({})", "error: unpack is not available: use table.unpack"),
        ("temporal.conect()", "error: temporal has no function 'conect' (did you mean 'connect'?)"),
        (
            'execute_activity("act", input)',
            "error: 'execute_activity' is not defined (it is a method of ctx: ctx:execute_activity(…))",
        ),
        ("ctx:sleep(1)", "error: 'ctx' is not defined (it is the first parameter of a workflow)"),
        ("return watch", "warning: 'watch' is not defined"),
        ("self.x = 1", "error: 'self' is not defined (only functions declared with a colon have it)"),
        (
            "pcall(http.get(input))",
            "error: pcall receives the result of http.get and cannot catch its errors: write pcall(http.get, …)",
        ),
        (
            "xpcall(input.client:get_result(1), print)",
            "error: xpcall receives the result of input.client:get_result and cannot catch its errors:"
            " write xpcall(input.client.get_result, handler, input.client, …)",
        ),
    ],
)
@pytest.mark.parametrize("mode", [(), ("--no-run",)])
def test_names_and_calls(assay: Command, activity: str, message: str, mode: tuple[str, ...]) -> None:
    result = assay.run("check", *mode, assay.script(worker("return 1", activity)))
    first, *others = result.stdout.splitlines()
    assert first == f"script.lua:3: {message}"
    assert others == ["script.lua: task queue 'q': workflows W; activities act"]
    assert result.returncode == (1 if "error" in message else 0)


@pytest.mark.parametrize(
    "code",
    [
        "local unpack = unpack or table.unpack return unpack({})",
        "if not jit then return 1 end",
        "if type(later) == 'function' then return 1 end",
        "counter = (counter or 0) + 1 return counter",
        "function helper() end helper()",
        "_G.made = print made(1)",
        "local function again(n) return n and again(n - 1) end return again",
        "repeat local done = true until done",
        "for key, value in pairs({}) do print(key, value) end",
        "goto out ::out::",
        "local t = { name = 1, ['x'] = 2, [input] = 3 } return t.name, t:method(), t",
        "function string.trim(s) return s end return string.trim(input)",
        "local ok, value = pcall(input.make()) return ok, value",
        "local ok, value = pcall(table.unpack({ print, 1 })) return ok, value",
        "setmetatable(_G, { __index = input }) return anything",
        "return _SERVER_PORT, arg",
    ],
)
def test_correct_names_are_not_reported(assay: Command, code: str) -> None:
    result = assay.run("check", "--no-run", assay.script(worker("return 1", code)))
    assert result.stdout == "script.lua: task queue 'q': workflows W; activities act\n"
    assert result.returncode == 0


def test_a_call_in_place_of_a_function_in_pcall(assay: Command) -> None:
    script = assay.script(worker('local ok = pcall(ctx:execute_activity("act")) return ok'))
    for mode in ([], ["--no-run"]):
        result = assay.run("check", *mode, script)
        assert result.stdout.splitlines()[0] == (
            "script.lua:6: error: pcall receives the result of ctx:execute_activity and cannot catch its errors:"
            " write pcall(ctx.execute_activity, ctx, …)"
        )
        assert result.returncode == 1


@pytest.mark.parametrize(
    ("source", "finding"),
    [
        ("local x = 1\nretrun x\n", "2: error: syntax error near 'x'; did you mean the keyword 'return' in"),
        ("local fucntion f()\n  return 1\nend\n", "1: error: <eof> expected near 'end'; did you mean the keyword 'fun"),
        ("if arg thne\nend\n", "1: error: 'then' expected near 'thne'; did you mean the keyword 'then' instead of"),
        ("if arg then\nelif arg then\nend\n", "2: error: syntax error near 'arg'; did you mean the keyword 'elseif'"),
        (
            "for i = 1, 3 od\nend\n",
            "1: error: 'do' expected near 'od'; did you mean the keyword 'do' instead of",
        ),
        ("if arg = 1 then end\n", "1: error: 'then' expected near '='; did you mean '=='?"),
        ("if arg != 1 then end\n", "1: error: 'then' expected near '!'; Lua writes '~=' for not equal"),
        ("local edn = 1\nlocal t = { edn, 1 +\n}\n", "3: error: unexpected symbol near '}'"),
    ],
)
def test_syntax(assay: Command, source: str, finding: str) -> None:
    result = assay.run("check", assay.script(source))
    assert result.stdout.startswith(f"script.lua:{finding}"), result.stdout
    assert (result.stdout.count("\n"), result.returncode) == (1, 1)


def test_an_error_with_a_colon_and_a_number_is_not_split(assay: Command) -> None:
    text = '\nerror({ type = "CONFIG", message = "no key for 10.0.0.1:443: ask ops" })'
    result = assay.run("check", assay.script(text))
    assert result.stdout == "script.lua:2: error: no key for 10.0.0.1:443: ask ops\n"


def test_a_name_that_stops_the_script_is_reported_once(assay: Command) -> None:
    result = assay.run("check", assay.script("\nprnt('x')"))
    assert result.stdout == "script.lua:2: error: 'prnt' is not defined (did you mean 'print'?)\n"


def test_functions_on_one_line_are_distinguished_by_their_names(assay: Command) -> None:
    text = """temporal.worker({ task_queue = "q", workflows = {
      A = function(ctx) ctx:slep(1) end, B = { run = function(ctx) ctx:slip(1) end }, C = function(ctx) end } })"""
    result = assay.run("check", assay.script(text))
    assert [line.partition(" (")[0] for line in result.stdout.splitlines()][:2] == [
        "script.lua:2: error: ctx has no method 'slep'",
        "script.lua:2: error: ctx has no method 'slip'",
    ]


def test_a_module_of_the_script_is_looked_at(assay: Command) -> None:
    (assay.folder / "lib").mkdir()
    assay.script("return { run = function()\n  prnt(1)\nend }", "lib/helper.lua")
    script = assay.script('local helper = require("lib.helper")\nhelper.run = helper.run')
    for mode in ([], ["--no-run"]):
        result = assay.run("check", *mode, script)
        assert result.stdout.splitlines()[0].startswith("lib/helper.lua:2: error: 'prnt' is not defined")


class TestNoRun:
    def test_nothing_is_run(self, assay: Command) -> None:
        script = assay.script("fs.write('ran', '')\n" + worker("return 1"))
        assert assay.run("check", "--no-run", script).returncode == 0
        assert not (assay.folder / "ran").exists()

    def test_the_workflows_are_looked_at(self, assay: Command) -> None:
        text = """
        local act = function() end
        local get = http.get
        local function helper(c)
          c:execute_activity("atc")
        end
        local function order(context, input)
          context:wait_sginal("x")
          helper(context)
          get("x")
        end
        temporal.worker({ task_queue = "q", activities = { act = act }, workflows = { Order = { run = order } } })
        """
        result = assay.run("check", "--no-run", assay.script(text))
        assert result.stdout.splitlines() == [
            "script.lua:5: error: no activity 'atc' is registered (did you mean 'act'?)",
            "script.lua:8: error: ctx has no method 'wait_sginal' (did you mean 'wait_signal'?)",
            "script.lua:10: error: http.get cannot be called in a workflow: use an activity",
            "script.lua: task queue 'q': workflows Order; activities act",
        ]

    def test_values_that_the_source_does_not_show_are_not_reported(self, assay: Command) -> None:
        text = """
        local activities = {}
        for _, name in ipairs({ "a", "b" }) do
          activities[name] = print
        end
        temporal.worker({ task_queue = arg[1], activities = activities, workflows = { W = function(ctx)
          ctx:execute_activity("a")
        end } })
        """
        result = assay.run("check", "--no-run", assay.script(text))
        assert result.stdout == "script.lua: task queue '?': workflows W\n"

    def test_the_examples_are_clean(self, assay: Command) -> None:
        scripts = [*(ROOT / "examples").rglob("*.lua"), *(ROOT / "src/assay/cli/template").glob("*.lua")]
        reports = json.loads(assay.run("check", "--no-run", "--format", "json", *map(str, scripts)).stdout)
        assert [finding for report in reports for finding in report["findings"]] == []


class TestTests:
    @pytest.mark.parametrize("mode", [(), ("--no-run",)])
    def test_names_that_the_script_does_not_have(self, assay: Command, mode: tuple[str, ...]) -> None:
        assay.script(worker("return 1"), "worker.lua")
        text = """
        local function environment()
          return test.workflow_env({ script = "worker.lua", activities = {
            atc = function() end,
          } })
        end
        test("it works", function()
          local env = environment()
          environment():execute({ workflow_type = "V" })
          assert.eq(env:calls("act"), {})
          assert.eq(env:calls("acct"), {})
        end)
        """
        result = assay.run("check", *mode, assay.script(text, "worker_test.lua"))
        assert result.stdout.splitlines() == [
            "worker_test.lua:4: error: worker.lua has no activity 'atc' (did you mean 'act'?)",
            "worker_test.lua:9: error: there is no workflow 'V'",
            "worker_test.lua:11: error: there is no activity 'acct' (did you mean 'act'?)",
        ]
        assert result.returncode == 1

    def test_activities_of_another_worker_may_be_replaced(self, assay: Command) -> None:
        assay.script(worker('return ctx:execute_activity("far", nil, { task_queue = "there" })'), "worker.lua")
        text = """test("it works", function()
          local env = test.workflow_env({ script = "worker.lua", activities = { far = print }, workflows = {
            Parent = function(ctx) return ctx:execute_child_workflow("W") end } })
          env:execute({ workflow_type = "Parent" })
          assert.eq(#env:calls("far"), 1)
        end)"""
        result = assay.run("check", assay.script(text, "worker_test.lua"))
        assert (result.stdout, result.returncode) == ("worker_test.lua: tests\n", 0)

    @pytest.mark.parametrize(
        "options", ['{ script = "work" .. "er.lua" }', "options", '{ script = "worker.lua", activities = mocks }']
    )
    def test_an_environment_that_the_source_does_not_show(self, assay: Command, options: str) -> None:
        assay.script(worker("return 1"), "worker.lua")
        text = f"""local options, mocks = arg[1], arg[2]
        test("it works", function()
          local env = test.workflow_env({options})
          env:execute({{ workflow_type = "V" }})
          assert.eq(#env:calls("far"), 1)
        end)"""
        result = assay.run("check", assay.script(text, "worker_test.lua"))
        assert (result.stdout, result.returncode) == ("worker_test.lua: tests\n", 0)

    def test_a_workflow_of_a_test_is_looked_at(self, assay: Command) -> None:
        text = "test('x', function() test.workflow_env({ workflows = { W = function(ctx) ctx:slep(1) end } }) end)"
        result = assay.run("check", assay.script(text, "x_test.lua"))
        assert result.stdout.startswith("x_test.lua:1: error: ctx has no method 'slep' (did you mean 'sleep'?)")


class TestSignals:
    SENDER = 'temporal.connect():signal_workflow({ workflow_id = "w", signal_name = "aprove" })'

    def test_a_wait_for_a_signal_that_no_file_sends(self, assay: Command) -> None:
        waiting = assay.script(worker('ctx:wait_signal("approve") ctx:wait_signal("go")'))
        result = assay.run("check", waiting, assay.script(self.SENDER, "start.lua"))
        assert result.stdout.splitlines() == [
            "script.lua:6: warning: no checked file sends the signal 'approve' (did you mean 'aprove'?)",
            "script.lua:6: warning: no checked file sends the signal 'go'",
            "script.lua: task queue 'q': workflows W; activities act",
            "start.lua: no worker",
        ]
        assert result.returncode == 0

    @pytest.mark.parametrize(
        "sender",
        [
            'env:signal_at(86400, "approve", 1)',
            'run:signal("approve")',
            'client:start_workflow({ start_signal = { name = "approve" } })',
            'client:signal_workflow({ workflow_id = "x", signal_name = "approve" })',
            'rest.workflows:signal("x", "approve")',
            "client:signal_workflow({ workflow_id = 'x', signal_name = name })",
            "print('nothing is sent')",
        ],
    )
    def test_a_signal_that_is_sent_or_may_be(self, assay: Command, sender: str) -> None:
        text = f"local env, run, client, rest, name = 1, 2, 3, 4, 5\n{sender}"
        paths = [assay.script(worker('ctx:wait_signal("approve")')), assay.script(text, "start.lua")]
        assert "warning" not in assay.run("check", "--no-run", *paths).stdout

    def test_one_file_alone_is_reported_only_for_a_similar_name(self, assay: Command) -> None:
        text = worker('ctx:wait_signal("approve") ctx:wait_signal("go")') + self.SENDER
        result = assay.run("check", "--no-run", assay.script(text.replace("return temporal", "temporal")))
        assert [line for line in result.stdout.splitlines() if "warning" in line] == [
            "script.lua:6: warning: no checked file sends the signal 'approve' (did you mean 'aprove'?)"
        ]


class TestFormats:
    def test_sarif(self, assay: Command) -> None:
        result = assay.run("check", "--format", "sarif", assay.script(worker("return foo", "prnt(1)"), "a b.lua"))
        log = json.loads(result.stdout)
        (run,) = log["runs"]
        assert (log["version"], run["tool"]["driver"]["name"]) == ("2.1.0", "assay")
        first, second = run["results"]
        assert first == {
            "ruleId": "undefined",
            "ruleIndex": first["ruleIndex"],
            "level": "error",
            "message": {"text": "'prnt' is not defined (did you mean 'print'?)"},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": "a%20b.lua"}, "region": {"startLine": 3}}}],
        }
        assert run["tool"]["driver"]["rules"][first["ruleIndex"]]["id"] == "undefined"
        assert (second["level"], result.returncode) == ("warning", 1)

    def test_json_is_the_same_by_both_options(self, assay: Command) -> None:
        script = assay.script(worker("sleep(1)"))
        assert assay.run("check", "--json", script).stdout == assay.run("check", "--format", "json", script).stdout

    def test_the_pre_commit_hook_runs_the_check(self, assay: Command) -> None:
        (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
        assert {"id", "name", "entry", "language", "types"} <= set(hook)
        program, *arguments = hook["entry"].split()
        assert program == "assay"
        assert assay.run(*arguments, assay.script("prnt(1)")).returncode == 1


def test_variables_and_globals() -> None:
    source = b"""
    local a <const>, b = 1, x
    global declared
    global function made() return a end
    local function f(p, ...) assigned = p; p = q; return f(b, r) end
    for i = 1, s do t(i) end
    repeat local u = 1 until u
    function lib.v(self) return w.field, w:method(y), { z = 1, [z2] = 2 } end
    """
    scopes = scopes_of(source)
    assert [text_of(use.node) for use in scopes.globals] == ["x", "q", "r", "s", "t", "lib", "w", "w", "y", "z2"]
    assert scopes.assigned_globals == {"declared", "made", "assigned", "lib.v"}


@pytest.mark.parametrize(
    "source",
    [
        b"return " + b" .. ".join([b"x"] * 5000),
        b"return x" + b":next()" * 5000,
        b"return " + b"{ a = " * 5000 + b"x" + b" }" * 5000,
    ],
)
def test_deep_source(source: bytes) -> None:
    assert {text_of(use.node) for use in scopes_of(source).globals} == {"x"}
