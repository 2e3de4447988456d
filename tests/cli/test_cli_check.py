"""`assay check`: findings in worker scripts, and code without findings."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import pytest

from assay import AssayError
from assay.checking.check import check_script
from assay.checking.tokens import tokenize
from assay.temporal.worker import registration
from command import Command, wait_for
from timeouts import TIMEOUT

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def worker(
    workflow: str, before: str = "", activities: str = "act = function(input) return http.get(input) end"
) -> str:
    """A worker script with the code of its workflow on line 5."""
    return f"""{before}
temporal.worker({{ task_queue = "q",
  activities = {{ {activities} }},
  workflows = {{ W = function(ctx, input)
    {workflow}
  end }} }})
"""


CLIENT = "local client = temporal.connect() local box = { client = client, x = 1 }"
HELPER = "local function helper(x) return fs.read(x) end"
MODULE = "local M = {}\nfunction M.load(x)\n  return fs.read(x)\nend"


@pytest.mark.parametrize(
    ("before", "workflow", "finding"),
    [
        ("", 'http.get("x")', "5: error: http.get cannot be called in a workflow: use an activity"),
        ("", "sleep(3)", "5: error: sleep cannot be called in a workflow: use ctx:sleep"),
        ("", 'return os.getenv("X")', "5: error: os.getenv cannot be called in a workflow: the environment differs"),
        ("", 'fs.write("x", "y")', "5: error: fs.write cannot be called in a workflow"),
        ("local read = fs.read", 'read "x"', "5: error: fs.read cannot be called in a workflow"),
        (HELPER, "helper(1)", "1: error: fs.read cannot be called in a workflow"),
        (HELPER.replace("local ", ""), "helper(1)", "1: error: fs.read cannot be called in a workflow"),
        (MODULE, "M.load(1)", "3: error: fs.read cannot be called in a workflow"),
        (CLIENT, "client:close()", "5: error: 'client' is a temporal.Client, which cannot be used in a workflow"),
        (CLIENT, "return box.client", "5: error: 'box.client' is a temporal.Client, which cannot be used"),
        (
            "co = coroutine.create(print)",
            "coroutine.resume(co)",
            "5: error: 'co' is a coroutine, which cannot be used in a workflow",
        ),
        ("", 'ctx:execute_activity("atc")', "5: error: no activity 'atc' is registered (did you mean 'act'?)"),
        ("", "ctx.sleep(5)", "5: error: ctx.sleep is a method: write ctx:sleep(…)"),
        ("", 'io.open("x")', "5: error: io.open is not available: use fs, in an activity"),
        ("", 'os.execute("ls")', "5: error: os.execute is not available: use shell or process"),
        ("", 'load("x")', "5: error: load is not available"),
        ("", 'ctx:execute_child_workflow("V")', "5: error: no workflow 'V' is registered"),
        ("", 'ctx:wait_signl("x")', "5: error: ctx has no method 'wait_signl' (did you mean 'wait_signal'?)"),
        ("", 'ctx:wait_signal("x", { timout = 3 })', "5: error: ctx:wait_signal has no option 'timout'"),
        (
            "",
            'ctx:execute_activity("act", { timout = 1 }, { heartbeat_timeout = 1, start_to_close = 2 })',
            "5: error: ctx:execute_activity has no option 'start_to_close' (did you mean 'start_to_close_timeout'?)",
        ),
        (
            "local m = { sub = { read = fs.read } }",
            'm.sub.read("x")',
            "5: error: fs.read cannot be called in a workflow",
        ),
        ("", "pcall(sleep, 3)", "5: error: sleep cannot be called in a workflow: use ctx:sleep"),
        ("", 'require("late")', "5: error: module 'late' is not loaded when the worker starts"),
        (
            'local function h(n, c) c:execute_activity("atc") end',
            "h(1, ctx)",
            "1: error: no activity 'atc' is registered",
        ),
        (
            "",
            'ctx:execute_activity("act", nil, { retry_policy = { maximum_atempts = 3 } })',
            "5: error: ctx:execute_activity has no option 'retry_policy.maximum_atempts' (did you mean",
        ),
        (
            "",
            'ctx:execute_activity("act", nil, { retry_policy = "x" })',
            "5: error: ctx:execute_activity: bad option 'retry_policy' (table expected, got string)",
        ),
        (
            "",
            'ctx:execute_activity("act", { start_to_close_timeout = "" }, { start_to_close_timeout = "5s" })',
            "5: error: ctx:execute_activity: bad option 'start_to_close_timeout' (number expected, got string)",
        ),
        (
            "",
            'ctx:start_child_workflow("W", nil, { retry_policy = { initial_interval = -1 } }):get()',
            "5: error: ctx:start_child_workflow: bad option 'retry_policy.initial_interval' (non-negative number",
        ),
        ("", 'ctx:execute_activity("act", nil, 30)', "5: error: ctx:execute_activity: bad argument 'options' (table"),
        ("", 'ctx:execute_activity("act", nil, { args = "x" })', "5: error: ctx:execute_activity: bad option 'args'"),
        (
            "",
            'ctx:execute_activity("act", nil, { cancellation_type = "later" })',
            "5: error: ctx:execute_activity: bad option 'cancellation_type' (one of \"try_cancel\", ",
        ),
        ("", 'json.pars("{}")', "5: error: json has no function 'pars' (did you mean 'parse'?)"),
        ("", "string.trim(input)", "5: error: string has no function 'trim'"),
    ],
)
def test_findings(assay: Command, before: str, workflow: str, finding: str) -> None:
    text = worker(workflow, before)
    shift = before.count("\n")
    line, _, rest = finding.partition(":")
    line = str(int(line) + (shift if line == "5" else 0))
    result = assay.run("check", assay.script(text))
    assert f"script.lua:{line}:{rest}" in result.stdout, result.stdout
    assert (result.stdout.count("error: "), result.stderr, result.returncode) == (1, "", 1)


@pytest.mark.parametrize(
    ("before", "workflow"),
    [
        ("", 'log.info("x") print(json.encode({ time(), os.time(), crypto.uuid(), base64.encode("x") }))'),
        ("", "ctx:side_effect(function() return crypto.random(4) end)"),
        ("", "ctx.sleep(ctx, 5) pcall(ctx.sleep, ctx, 5)"),
        ("local io = { open = print } function load(x) return x end", 'io.open("x") load(1)'),
        ("", 'ctx:execute_child_workflow("W") ctx:execute_child_workflow("V", nil, { task_queue = "another" })'),
        ("", 'local http = { get = print } http.get("x")'),
        ("", 'for _, fs in ipairs({}) do fs.read("x") end'),
        ("", 'local function f(http) return http.get("x") end f({ get = print })'),
        ("", '-- http.get("x")\n    local text = [[ http.get("x") ]] .. "http.get()"'),
        ("", 'input.http.get("x") input:sleep(3)'),
        ("", 'ctx:execute_activity("there", nil, { task_queue = "another" })'),
        ("", "local opts = {} ctx:execute_activity('act', nil, opts) ctx:execute_activity(input.name, input)"),
        ("", 'ctx:execute_activity("act", { options = { f = function() return { 1, 2 } end } })'),
        (CLIENT, "local client = 1 return client, input.client, { client = 1 }, box.x"),
        (HELPER, "if input then local helper = print helper(1) end"),
        ("local unused = temporal.connect()", "return 1"),
        (
            "local t = { { read = 1 } } t.self = t",
            "pcall(print, t) pcall(function() return 1 end) local _ = ctx:start_timer(1)",
        ),
        ("local loaded = require('string')", "return require('string').rep('x', 3)"),
        ("", 'ctx:execute_activity("act", nil, { retry_policy = input.policy, args = { { maximum_atempts = 1 } } })'),
        ("", 'ctx:execute_activity("act", nil, { start_to_close_timeout = 60 * 5, heartbeat_timeout = input.beat })'),
        ("", 'ctx:execute_activity("act", nil, { retry_policy = nil, priority = 2, args = { 1, {}, input } })'),
        (
            "",
            'ctx:execute_activity("act", nil, { retry_policy = { non_retryable_errors = {}, maximum_attempts = 3 } })',
        ),
        ("function string.trim(text) return text end", "return string.trim(input)"),
    ],
)
def test_nothing_is_found_where_nothing_is_wrong(assay: Command, before: str, workflow: str) -> None:
    result = assay.run("check", assay.script(worker(workflow, before)))
    assert result.stdout == "script.lua: task queue 'q': workflows W; activities act\n"
    assert (result.stderr, result.returncode) == ("", 0)


def test_an_activity_that_calls_a_missing_function_is_reported(assay: Command) -> None:
    helper = "local function helper(x) return load(x) end"
    code = 'local file = io.open(input)\nhttp.gett(input) fs.read(input) sleep(1)\nrequire("late") helper(input)'
    result = assay.run("check", assay.script(worker("helper(1)", helper, f"act = function(input) {code} end")))
    assert result.stdout.splitlines() == [
        "script.lua:1: error: load is not available: use require for modules",
        "script.lua:3: error: io.open is not available: use fs",
        "script.lua:4: error: http has no function 'gett' (did you mean 'get'?)",
        "script.lua: task queue 'q': workflows W; activities act",
    ]
    assert result.returncode == 1


def test_the_workers_of_the_examples_are_clean(assay: Command) -> None:
    assay.environment["GITHUB_WEBHOOK_SECRET"] = "secret"
    scripts = [path for path in EXAMPLES.rglob("*.lua") if "workflows = {" in path.read_text(encoding="utf-8")]
    scripts += (EXAMPLES.parent / "tests" / "histories").glob("*/worker.lua")
    assert len(scripts) > 15
    reports = json.loads(assay.run("check", "--json", *map(str, scripts)).stdout)
    found = [finding for report in reports for finding in report["findings"]]
    # The recorded scripts make mistakes to see what comes of them.
    assert [item for item in found if "histories" not in item["file"]] == []
    assert all(report["workers"] for report in reports if not report["script"].endswith("_test.lua"))


def test_a_discarded_future_is_a_warning(assay: Command) -> None:
    code = 'ctx:start_activity("act") local kept = ctx:start_activity("act") return { ctx:start_timer(1), kept }'
    result = assay.run("check", assay.script(worker(code)))
    assert "script.lua:5: warning: the future of ctx:start_activity is discarded" in result.stdout
    assert (result.stdout.count("warning"), result.returncode) == (1, 0)


def test_a_future_that_is_never_read_is_a_warning(assay: Command) -> None:
    code = 'local lost = ctx:start_timer(1) local kept = ctx:start_activity("act") return kept:get()'
    result = assay.run("check", assay.script(worker(code)))
    assert "script.lua:5: warning: the future 'lost' of ctx:start_timer is never used" in result.stdout
    assert (result.stdout.count("warning"), result.returncode) == (1, 0)


def test_the_context_has_any_name(assay: Command) -> None:
    text = """
    local function Order(c, input)
      c:execute_activity("nope")
    end
    temporal.worker({ task_queue = "q", activities = { act = print }, workflows = { Order = Order } })
    """
    result = assay.run("check", assay.script(text))
    assert "script.lua:3: error: no activity 'nope' is registered" in result.stdout


def test_a_script_that_serves_does_not_listen(assay: Command) -> None:
    serve = "http.serve(1, {}, { on_listen = function() fs.write('listening', '') end })"  # a privileged port
    result = assay.run("check", assay.script(serve))
    assert (result.stdout, result.stderr, result.returncode) == ("script.lua: no worker\n", "", 0)
    text = f"async.spawn(function() {serve} end) sleep(0)" + worker("return 1")
    result = assay.run("check", assay.script(text))
    assert result.stdout == "script.lua: task queue 'q': workflows W; activities act\n"
    assert not (assay.folder / "listening").exists()


def test_ctrl_c_ends_a_script_that_never_waits(assay: Command) -> None:
    script = assay.script("fs.write('reading', '') while true do pcall(string.rep, 'x', 3) end")
    with assay.started("check", script) as process:
        wait_for(lambda: (assay.folder / "reading").exists())
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT) == 128 + signal.SIGINT


def test_a_script_may_end_itself(assay: Command) -> None:
    result = assay.run("check", assay.script("log.error('usage') os.exit(64)"))
    assert (result.stdout, result.returncode) == ("script.lua: no worker\n", 0)
    assert result.stderr.endswith("usage\n")
    assert "Traceback" not in result.stderr


def test_a_worker_without_activities_has_them_elsewhere(assay: Command) -> None:
    result = assay.run("check", assay.script(worker('ctx:execute_activity("elsewhere")', activities="")))
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("local x =\n", "script.lua:2: error: unexpected symbol near <eof>"),
        ("\nerror('boom')", "script.lua:2: error: boom"),
        ("temporal.worker({ queue = 'q' })", "script.lua:1: error: temporal.worker: unknown option 'queue'"),
    ],
)
def test_a_script_that_does_not_run(assay: Command, text: str, finding: str) -> None:
    result = assay.run("check", assay.script(text))
    assert result.stdout.startswith(finding)
    assert "Traceback" not in result.stdout + result.stderr
    assert result.returncode == 1


def test_json_and_several_scripts(assay: Command) -> None:
    bad = assay.script(worker("sleep(1)"), "bad.lua")
    plain = assay.script("print('hidden')", "plain.lua")
    result = assay.run("check", "--json", bad, plain)
    first, second = json.loads(result.stdout)
    assert first["workers"] == [
        {"task_queue": "q", "workflows": ["W"], "activities": ["act"], "nexus_services": []},
    ]
    assert [(item["file"], item["line"], item["level"], item["rule"]) for item in first["findings"]] == [
        ("bad.lua", 5, "error", "io")
    ]
    assert (second["workers"], second["findings"]) == ([], [])
    assert assay.run("check", plain).stdout == "plain.lua: no worker\n"


def test_a_missing_script(assay: Command) -> None:
    result = assay.run("check", "missing.lua")
    assert (result.stdout, result.returncode) == ("", 2)
    assert result.stderr == "assay: cannot read missing.lua: No such file or directory\n"


def test_tokens() -> None:
    tokens = tokenize(b"#!x\nlocal s = 'it\\'s' .. [==[\n]]]==] --[[ \n ]] x = 0x1F // 3 ~= .5")
    assert [(token.text, token.line) for token in tokens][:5] == [
        ("local", 2),
        ("s", 2),
        ("=", 2),
        ("it\\'s", 2),
        ("..", 2),
    ]
    assert [(token.text, token.line) for token in tokens][6:] == [
        ("x", 4),
        ("=", 4),
        ("0x1F", 4),
        ("//", 4),
        ("3", 4),
        ("~=", 4),
        (".5", 4),
    ]


class TestBeforeAWorkerStarts:
    def test_findings_are_printed_as_warnings(self, assay: Command) -> None:
        assay.environment["TEMPORAL_ADDRESS"] = "127.0.0.1:1"
        script = assay.script(worker('ctx:execute_activity("atc") sleep(1)', before="print('once')"))
        for command in ([script], ["run", script]):
            result = assay.run(*command)
            first, second, third = result.stderr.splitlines()[:3]
            assert first == "script.lua:5: warning: no activity 'atc' is registered (did you mean 'act'?)"
            assert second == "script.lua:5: warning: sleep cannot be called in a workflow: use ctx:sleep"
            assert "cannot connect to the Temporal server at 127.0.0.1:1" in third
            assert (result.stdout, result.returncode) == ("once\n", 1)

    def test_a_script_without_a_worker_is_not_looked_at(self, assay: Command) -> None:
        assay.environment["PYTHONPROFILEIMPORTTIME"] = "1"
        result = assay.run(assay.script("print('x')"))
        assert "assay.cli.script" in result.stderr
        assert "assay.checking" not in result.stderr
        assert "temporalio" not in result.stderr


def test_a_script_that_never_calls_temporal_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "TIMEOUT", 0.3)
    script = tmp_path / "waits.lua"
    script.write_text(
        "local port\nasync.spawn(http.serve, 0, {})\nwhile not port do sleep(0.01) end\n" + worker("return")
    )
    with pytest.raises(AssayError, match=r"waits\.lua did not call temporal\.worker within 0\.3 s"):
        asyncio.run(check_script(str(script)))
