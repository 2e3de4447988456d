"""The guide docs/simulation.md runs as it stands there."""

from __future__ import annotations

import re

from command import Command
from guides import blocks


def test_the_guide_leads_to_a_small_schedule_of_a_real_race(assay: Command) -> None:
    worker, exploration, *others = blocks("docs/simulation.md", "lua")
    [mending] = blocks("docs/simulation.md", "lua no-run")
    [output] = blocks("docs/simulation.md", "")
    [explore] = blocks("docs/simulation.md", "sh")
    assay.script(worker, "order.lua")
    assay.script(exploration, "order_test.lua")
    assay.environment["COLUMNS"] = "110"
    result = assay.run(*explore.split()[1:])
    assert without_times(result.stdout).startswith(without_times(output))
    assert result.returncode == 1

    ending = re.search(r'^ +ctx:execute_activity\("release", order\)\n +return "not paid"\n', worker, re.MULTILINE)
    assert ending is not None
    assay.script(worker.replace(ending[0], mending), "order.lua")
    assay.script(exploration.replace("release =", "refund = function() end, release ="), "order_test.lua")
    again = assay.run("test", "--schedule", "a-paid-order-is-shipped.schedule.json")
    assert again.returncode == 0, again.stdout
    assert assay.run("test", "--explore", "300").returncode == 0

    assay.script("\n".join(others), "others_test.lua")
    more = assay.run("test", "--explore", "200", "others_test.lua")
    assert "2 passed, 0 failed" in more.stdout, more.stdout


def without_times(text: str) -> str:
    """Return output without the seconds that a test took."""
    return re.sub(r"\(\d+\.\d\d s\)", "(… s)", text)
