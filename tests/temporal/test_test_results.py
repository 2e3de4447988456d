"""`assay test --json` and `--watch`."""

from __future__ import annotations

import json
import signal

from command import Command, read_until
from timeouts import TIMEOUT


def read_until_contains(process: object, text: str) -> str:
    """Read standard output up to a line that contains a string; returns the line."""
    stdout = getattr(process, "stdout", None)
    assert stdout is not None
    for line in stdout:
        if text in line:
            return str(line)
    raise AssertionError(f"{text!r} was not printed")


def test_json_has_every_test(assay: Command) -> None:
    text = "test('good', function() end) test('bad', function() print('seen') error('no') end)"
    assay.script(text, "some_test.lua")
    result = assay.run("test", "--json")
    shown = json.loads(result.stdout)
    assert (shown["passed"], shown["failed"], result.returncode) == (1, 1, 1)
    [file] = shown["files"]
    good, bad = file["tests"]
    assert (file["file"], good["name"], good["passed"]) == ("some_test.lua", "good", True)
    assert (bad["message"], bad["output"], bad["passed"]) == ("some_test.lua:1: no", "seen\n", False)
    assert "coverage" not in shown


def test_json_has_the_coverage(assay: Command) -> None:
    assay.script("return function(x)\n  if x then\n    return 1\n  end\n  return 2\nend\n", "lib.lua")
    assay.script("test('one', function() assert.eq(require('lib')(true), 1) end)", "some_test.lua")
    shown = json.loads(assay.run("test", "--json", "--coverage").stdout)
    assert shown["coverage"]["files"] == [{"file": "lib.lua", "lines": 3, "missing": [5]}]
    assert shown["coverage"]["percent"] == 66.7


def test_a_change_runs_the_tests_again(assay: Command) -> None:
    assay.script("return 1", "lib.lua")
    assay.script("test('it', function() assert.eq(require('lib'), 1) end)", "some_test.lua")
    with assay.started("test", "--watch") as process:
        assert "1 passed, 0 failed" in read_until_contains(process, "passed")
        assay.script("return 2", "lib.lua")
        read_until(process, "lib.lua changed")
        assert "0 passed, 1 failed" in read_until_contains(process, "passed")
        assay.script("x =", "some_test.lua")
        read_until(process, "some_test.lua changed")
        assert "unexpected symbol" in read_until_contains(process, "unexpected")
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT) == 130


def test_watching_prints_no_json(assay: Command) -> None:
    result = assay.run("test", "--watch", "--json")
    assert "--watch and --json are mutually exclusive" in result.stderr
    assert result.returncode == 2
