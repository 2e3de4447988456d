"""Recorded histories still match the scripts that wrote them.

`pytest --record-histories -p no:xdist tests/temporal/test_futures.py …` writes `tests/histories/`: for each test file
the script, and a history of each workflow type. A new feature gets a new one; one that no longer matches is a bug.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from timeouts import TIMEOUT
from workflow_session import REPLAY

HISTORIES = Path(__file__).parent.parent / "histories"
IN_PIECES = REPLAY.with_name("replay_in_pieces.py")


@pytest.mark.parametrize("program", [REPLAY, IN_PIECES], ids=["at once", "in pieces"])
@pytest.mark.parametrize("topic", sorted(path.name for path in HISTORIES.iterdir()))
def test_recorded_histories(topic: str, program: Path, tmp_path: Path) -> None:
    histories = sorted(map(str, (HISTORIES / topic).glob("*/*.json")))
    assert histories
    result = subprocess.run(
        [sys.executable, program, HISTORIES / topic / "worker.lua", *histories],
        env={**os.environ, "PYTHONHASHSEED": "7", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
