"""Each script of `examples/` completes on a real server and prints the expected output."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from command import Command
from temporal_script import Script

TESTS = Path(__file__).parent.parent
EXAMPLES = TESTS.parent / "examples"
UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

PRINTED = {
    "encryption": "the word is sesame\nCOMPLETED\nunreadable without keys\n",
    "dynamic": """\
4 steps
a release is published once
nothing noted
build v1.2, test v1.2, publish v1.2, announce v1.2
by jane
""",
    "hello": "Hello, World!\n",
    "schedule": "report of sales\npaused\n",
    "expense": """\
ann: approved
bob: rejected
cat: timed out
ann is paid
""",
    "child_workflows": """\
["works for a parent","heard hello","cancelled"]
RUNNING
outlives for a parent
""",
    "fan_out": '{"failures":["text 2: nothing to count"],"words":6}\n',
    "continue_as_new": "balance 325, after several runs\n",
    "inbox": "6 lines\nmail 1, mail 2, mail 3, mail 4, mail 5, closed: enough for today\n",
    "standalone_activities": "cat at 80\t1 attempts\ndog at 120\t3 attempts\n",
    "metrics": """\
boxes_left\t\t4
items_packed\tbook\t2
items_packed\tchair\t1
order_duration_bucket\t60\t1
order_duration_bucket\t3600\t1
order_duration_bucket\t+Inf\t1
""",
    "mutex": "4 turns, at most 1 at a time\n",
    "nexus": """\
Hello, Ann!
approved by jane
nexus\tTOO_LONG\ta name of at most 20 letters, please
""",
    "patches": """\
["build in a box","scan","ship"]
in the history: core_patch
in the history: core_patch
""",
    "polling": '["slow is ready","quick is ready"]\n',
    "race": '{"late":"timeout","offer":{"from":"quick","seen":3},"results":["counted"],"too_early":true}\n',
    "safe_messages": """\
two is running
one, three, two
""",
    "saga": """\
booked\tleft: {"car":true,"flight":true,"hotel":true}
activity 'book' failed: no car left\tleft: {}
workflow '<id>' was cancelled\tleft: {}
""",
    "visibility": """\
v1.2\tsales\tThe release that sales asked for
{"memo":{"asked_by":"sales","version":"v1.2"},"stage":"ship","type":"Release"}
""",
    "local_activities": '{"clock_is_near":true,"dice":true,"id":36,"plum":"NO_PRICE","token":16,"total":7}\n',
    "sleep_for_days": "mail: month 1\nmail: month 2\nmail: month 3\n3 mails\n",
    "sliding_window": "30 items in 4 runs, sum 465\n",
    "updatable_timer": "it rings in 24 h\nrang\n",
}


ELSEWHERE = {
    "cron": "tests/project/test_examples_scripts.py",
    "github_webhook": "tests/web/test_web_examples.py",
    "health_checker": "tests/project/test_examples_scripts.py",
    "rest_service": "tests/web/test_web_examples.py",
}
"""Examples that another file runs, because they serve or need no Temporal server."""

NAMES = sorted(path.stem for path in EXAMPLES.glob("*.lua") if not path.stem.endswith("_test"))
TEST_FILES = sorted(str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*_test.lua"))


def test_each_example_is_run() -> None:
    assert sorted([*PRINTED, *ELSEWHERE]) == NAMES
    for name, file in ELSEWHERE.items():
        assert f'"{name}.lua"' in (TESTS.parent / file).read_text(encoding="utf-8")


def test_each_example_has_a_test_file() -> None:
    assert sorted({f"{name}_test.lua" for name in NAMES} - set(TEST_FILES)) == []


def test_the_table_lists_each_example() -> None:
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[`(\w+)\.lua`\]\(\1\.lua\) \| \S", table, re.MULTILINE)
    assert sorted(listed) == NAMES


@pytest.mark.parametrize("file", TEST_FILES)
def test_a_test_file(assay: Command, file: str) -> None:
    shutil.copytree(EXAMPLES, assay.folder / "examples")
    result = assay.run("test", f"examples/{file}")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("example", sorted(PRINTED))
def test_an_example(lua: Script, example: str) -> None:
    shutil.copy(EXAMPLES / f"{example}.lua", lua.folder)
    text = (EXAMPLES / f"{example}.lua").read_text()
    for arguments in re.findall(r"^--   temporal (.*)$", text, re.MULTILINE):
        lua.cli_text(*arguments.split())
    result = lua.command.run(f"{example}.lua")
    printed = re.sub(rf"\b{UUID}\b", "<id>", result.stdout)
    assert (result.returncode, printed) == (0, PRINTED[example]), result.stderr
    assert text.startswith("-- ")
    assert "Traceback" not in result.stderr


def test_the_demo_writes_plain_text(lua: Script) -> None:
    shutil.copytree(EXAMPLES / "promotion", lua.folder / "promotion")
    result = lua.command.run("promotion/demo.lua")
    assert result.returncode == 0, result.stderr
    assert re.search(r"^ +\d+\.\ds  human     jane approves$", result.stdout, re.MULTILINE), result.stdout
    assert "\x1b" not in result.stdout
