"""A short run of the fuzzer: programs from its grammar behave the same in two processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FUZZ = Path(__file__).parent.parent.parent / "bench" / "fuzz.py"


def fuzz(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(FUZZ), *arguments], capture_output=True, text=True, check=False)


def test_no_program_differs_aborts_or_hangs() -> None:
    result = fuzz("--programs", "25")
    assert (result.returncode, result.stdout.splitlines()[-1:]) == (0, ["0 differ, abort or hang"]), result.stderr


def test_the_program_of_a_seed_is_always_the_same() -> None:
    assert fuzz("--show", "7").stdout == fuzz("--show", "7").stdout
