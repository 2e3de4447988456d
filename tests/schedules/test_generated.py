"""Runs of generated workflows and their replays do not differ, and Temporal's Core replays their histories.

`bench/simulation.py` does the same for many more.
"""

from __future__ import annotations

import random
import re

import pytest

from assay.simulation.choices import Choices
from assay.simulation.violation import Violation
from assay.simulation.world import World
from guides import ROOT
from schedules.core_replay import replay
from schedules.generated import Generator, generated


@pytest.mark.parametrize("first", range(0, 40, 10))
async def test_generated_workflows_are_replayed_as_they_ran(first: int) -> None:
    problems = []
    for seed in range(first, first + 10):
        plan, worlds = generated(seed), []
        for number in range(3):
            world = World(plan, Choices(None, random.Random(f"{seed} {number}")), 40)
            try:
                world.run()
                worlds.append(world)
            except Violation as violation:
                if violation.kind == "replay":
                    problems.append(f"{seed}: {violation.message} {world.choices.deviations}")
        problems += await replay(plan, worlds)
    assert problems == []


def test_a_seed_always_generates_the_same_workflow() -> None:
    assert Generator(7).source() == Generator(7).source() != Generator(8).source()


def test_generated_workflows_use_every_method_that_is_simulated() -> None:
    sources = "".join(Generator(seed).source() for seed in range(200))
    methods = re.findall(r"^#### `ctx:(\w+)", (ROOT / "docs" / "reference" / "ctx.md").read_text(), re.MULTILINE)
    assert {name for name in methods if not re.search(rf"ctx[:.]{name}\b", sources)} == {
        *("execute_nexus_operation", "start_nexus_operation"),  # not simulated
        *("metric_meter", "is_replaying", "upsert_search_attributes"),  # tests/engine/ has them
    }
