"""`assay test`: results, output, filters, reports and timeouts of Lua test files."""

from __future__ import annotations

import re
import signal
import subprocess
from xml.etree import ElementTree

import psutil
import pytest

from command import Command, wait_for
from lua_tests import names, run
from timeouts import TIMEOUT

MIXED = """
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
"""


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """Run a file in which one test of three fails."""
    return run(Command(tmp_path_factory.mktemp("mixed")), MIXED)


def test_each_test_has_a_line_with_its_result(mixed: subprocess.CompletedProcess[str]) -> None:
    assert names(mixed) == ["ok    first", "FAIL  second", "ok    third"]


def test_a_failed_assertion_is_reported_with_its_line_and_function(mixed: subprocess.CompletedProcess[str]) -> None:
    assert "        some_test.lua:8: assert.eq failed: {a = 1} != {a = 2}\n" in mixed.stdout
    assert "            some_test.lua:8: in local 'deep'\n" in mixed.stdout
    assert "Traceback" not in mixed.stdout


def test_the_output_of_a_failed_test_is_reported(mixed: subprocess.CompletedProcess[str]) -> None:
    assert re.search(r"        output:\n        seen\n        .*heard\n", mixed.stdout)


def test_output_outside_of_tests_is_not_reported(mixed: subprocess.CompletedProcess[str]) -> None:
    assert "of the file" not in mixed.stdout
    assert mixed.stderr == ""


def test_a_file_with_a_failed_test_ends_with_a_summary_and_1(mixed: subprocess.CompletedProcess[str]) -> None:
    assert re.search(r"^2 passed, 1 failed \(\d+\.\d s\)\n$", mixed.stdout, re.MULTILINE)
    assert mixed.returncode == 1


def test_long_output_is_cut(assay: Command) -> None:
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


def test_a_file_whose_tests_pass_ends_with_0(assay: Command) -> None:
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
def test_a_broken_file_fails(assay: Command, text: str, message: str) -> None:
    result = run(assay, text)
    assert names(result) == ["FAIL  (the file)"]
    assert message in result.stdout
    assert "0 passed, 1 failed" in result.stdout
    assert result.returncode == 1


def test_each_file_runs_in_a_separate_process(assay: Command) -> None:
    for name in ("a", "b"):
        text = "test('env', function() assert.eq(env.get('SEEN'), nil) env.set('SEEN', '1') end)"
        assay.script(text, f"{name}_test.lua")
    assay.script("error('not a test')", "other.lua")
    result = assay.run("test", "--jobs", "2")
    assert names(result) == ["ok    env", "ok    env"]


def test_paths_and_a_filter_choose_the_tests(assay: Command) -> None:
    (assay.folder / "deep").mkdir()
    assay.script("test('one more', print) test('other', print)", "deep/a_test.lua")
    assay.script("test('one', print)", "other_name.lua")
    assert names(assay.run("test")) == ["ok    one more", "ok    other"]
    assert names(assay.run("test", "deep", "--filter", "one")) == ["ok    one more"]
    assert names(assay.run("test", "other_name.lua")) == ["ok    one"]


def test_hidden_folders_and_node_modules_are_not_searched(assay: Command) -> None:
    for folder in (".hidden", "node_modules"):
        (assay.folder / folder).mkdir()
        assay.script("error('it runs')", f"{folder}/a_test.lua")
    assay.script("test('one', print)", "a_test.lua")
    assert names(assay.run("test", ".")) == ["ok    one"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["missing"], "cannot read missing: No such file or directory"),
        (["."], "no test files (*_test.lua) found"),
        (["x.lua", "--filter", "nope"], "no test name contains 'nope'"),
        (["--timeout", "0"], "--timeout"),
    ],
)
def test_a_command_without_tests_is_refused(assay: Command, arguments: list[str], text: str) -> None:
    assay.script("test('a', print)", "x.lua")
    result = assay.run("test", *arguments)
    assert text in result.stderr
    assert (result.stdout, result.returncode) == ("", 2)


def test_results_are_written_as_junit_xml(assay: Command) -> None:
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
def test_a_test_that_takes_too_long_fails(assay: Command, code: str, word: str) -> None:
    text = f"test('long', function() print('seen') log.warn('heard') {code} end)"
    result = run(assay, "print('before')" + text, "--timeout", "0.2")
    assert names(result) == ["FAIL  long"]
    assert word in result.stdout
    assert re.search(r"        output:\n        seen\n        .*heard\n", result.stdout)
    assert "long (0.00 s)" not in result.stdout


def test_ctrl_c_leaves_nothing_behind(assay: Command) -> None:
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
