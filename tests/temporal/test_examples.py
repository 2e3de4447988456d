"""Each script of `examples/` runs to its end on the real server and prints what it promises."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from temporal_script import Script

TESTS = Path(__file__).parent.parent
EXAMPLES = TESTS.parent / "examples"

PRINTED = {
    "encryption": "the word is sesame\nCOMPLETED\nunreadable without keys\n",
    "hello": "Hello, World!\n",
    "schedule": "report of sales\npaused\n",
    "expense": """\
ann: waits for a manager
ann: approved by maya
bob: refused by maya
cat: refused: nobody has answered
paid: {"ann":120}
""",
    "fan_out": '{"failures":["text 2: nothing to count"],"words":6}\n',
    "for_ever": "balance 325, after several runs\n",
    "mutex": "4 turns, at most 1 at a time\n",
    "polling": '["slow is ready","quick is ready"]\n',
    "safe_messages": """\
two is running
one, three, two
""",
    "saga": """\
booked\tleft: {"car":true,"flight":true,"hotel":true}
activity 'book' failed: no car left\tleft: {}
Workflow cancelled\tleft: {}
""",
    "sleep_for_days": "mail: month 1\nmail: month 2\nmail: month 3\n3 mails\n",
    "sliding_window": "30 items in 4 runs, sum 465\n",
    "updatable_timer": "it rings in 86400 s\nrang\n",
}


def test_each_example_is_run_by_a_test() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py"))
    assert [path.stem for path in EXAMPLES.glob("*.lua") if path.stem not in tests] == []


@pytest.mark.parametrize("example", sorted(PRINTED))
def test_an_example(lua: Script, example: str) -> None:
    shutil.copy(EXAMPLES / f"{example}.lua", lua.folder)
    result = lua.command.run(f"{example}.lua")
    assert (result.returncode, result.stdout) == (0, PRINTED[example]), result.stderr
    text = (EXAMPLES / f"{example}.lua").read_text()
    assert text.startswith("-- ")
    assert "Traceback" not in result.stderr
