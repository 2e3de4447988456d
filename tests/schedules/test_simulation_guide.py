"""The program of docs/simulation.md runs unchanged."""

from __future__ import annotations

import re

from command import Command
from guide_programs import files, matches, output, run, shell
from guides import blocks


def test_the_guide_leads_to_a_small_schedule_of_a_real_race(assay: Command) -> None:
    guide = "docs/simulation.md"
    others = blocks(guide, "lua")
    [mending] = blocks(guide, "lua no-run")
    [retry] = blocks(guide, "sh")
    worker, exploration = files(guide).values()
    result = run(assay, guide)
    assert matches(result.stdout, output(guide)), result.stdout
    assert result.returncode == 1

    ending = re.search(r'^ +ctx:execute_activity\("release", order\)\n +return "not paid"\n', worker, re.MULTILINE)
    assert ending is not None
    assay.script(worker.replace(ending[0], mending), "order.lua")
    assay.script(exploration.replace("release =", "refund = function() end, release ="), "order_test.lua")
    again = shell(assay, retry)
    assert again.returncode == 0, again.stdout
    assert assay.run("test", "--explore", "300").returncode == 0

    assay.script("\n".join(others), "others_test.lua")
    more = assay.run("test", "--explore", "200", "others_test.lua")
    assert "2 passed, 0 failed" in more.stdout, more.stdout
