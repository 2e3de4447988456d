"""The scripts of the guides compile; those of one guide belong together and run, unless they say that they cannot."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from temporal_script import Script

DOCS = Path(__file__).parent.parent.parent / "docs"
QUEUE = """
local start, workers = temporal.worker, {}
function temporal.worker(options)
  options.task_queue = arg[1]
  workers[#workers + 1] = start(options)
end
"""


@pytest.mark.parametrize("guide", ["versioning", "observability"])
def test_the_scripts_of_a_guide(lua: Script, name: str, guide: str) -> None:
    text = (DOCS / f"{guide}.md").read_text()
    blocks = re.findall(r"^```lua(.*?)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert blocks
    scripts = [f"local function never()\n{script}\nend" if info == " no-run" else script for info, script in blocks]
    result = lua.run(QUEUE + "\n".join(scripts) + "\nfor _, worker in ipairs(workers) do worker:shutdown() end", name)
    assert (result.returncode, result.stderr) == (0, "")
