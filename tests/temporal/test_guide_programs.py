"""The program of each guide prints the output shown in the guide."""

from __future__ import annotations

import pytest

from guide_programs import GUIDES, matches, output, run
from temporal_script import Script


@pytest.mark.parametrize("guide", GUIDES)
def test_a_program(lua: Script, guide: str) -> None:
    result = run(lua.command, guide)
    shown = output(guide)
    assert matches(result.stdout, shown), f"{result.stdout}\n{result.stderr}"
    assert "Traceback" not in result.stderr
