"""Each script of `examples/` runs to its end on the real server and prints what it promises."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from temporal_script import Script

TESTS = Path(__file__).parent.parent
EXAMPLES = TESTS.parent / "examples"
UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

PRINTED = {
    "encryption": "the word is sesame\nCOMPLETED\nunreadable without keys\n",
    "dynamic": """\
4 steps
it is published once
nothing noted
build v1.2, test v1.2, publish v1.2, announce v1.2
by jane
""",
    "hello": "Hello, World!\n",
    "schedule": "report of sales\npaused\n",
    "expense": """\
ann: approved
bob: refused
cat: nobody has answered
ann is paid
""",
    "family": """\
["works in a family","heard hello","cancelled"]
RUNNING
outlives in a family
""",
    "fan_out": '{"failures":["text 2: nothing to count"],"words":6}\n',
    "for_ever": "balance 325, after several runs\n",
    "inbox": "6 lines\nmail 1, mail 2, mail 3, mail 4, mail 5, closed: enough for today\n",
    "jobs": "cat at 80\t1 attempts\ndog at 120\t3 attempts\n",
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
    "shown": """\
v1.2\tsales\tThe release that sales asked for
{"memo":{"asked_by":"sales","version":"v1.2"},"stage":"ship","type":"Release"}
""",
    "small_steps": '{"clock_is_near":true,"dice":true,"id":36,"plum":"NO_PRICE","token":16,"total":7}\n',
    "sleep_for_days": "mail: month 1\nmail: month 2\nmail: month 3\n3 mails\n",
    "sliding_window": "30 items in 4 runs, sum 465\n",
    "updatable_timer": "it rings in 24 h\nrang\n",
}


def test_each_example_is_run_by_a_test() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py"))
    assert [path.stem for path in EXAMPLES.glob("*.lua") if path.stem not in tests] == []


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
