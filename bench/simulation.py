"""Simulation benchmark: schedules per second of the promotion workflow, and replays of generated workflows."""

from __future__ import annotations

import argparse
import asyncio
import logging
import multiprocessing
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from assay.libraries import LIBRARIES  # noqa: E402
from assay.lua.values import Json  # noqa: E402
from assay.simulation.choices import Choices  # noqa: E402
from assay.simulation.plan import Activity, Message, Plan  # noqa: E402
from assay.simulation.search import Explorer  # noqa: E402
from assay.simulation.violation import Violation  # noqa: E402
from assay.simulation.world import World  # noqa: E402
from assay.temporal.worker.registration import read_script  # noqa: E402
from schedules.generated import generated  # noqa: E402

GOAL = 200
"""Minimum schedules of the promotion workflow per CPU second, each with its replay."""

PER_WORKFLOW = 20
"""Number of schedules per generated workflow."""

HORIZON = 60


async def promotion() -> Plan:
    """Return the plan of the promotion workflow, with its activities and signals."""
    script = await read_script(str(ROOT / "examples" / "promotion" / "worker.lua"), LIBRARIES)
    [worker] = script.workers
    definitions = {definition.name: definition for definition in worker.definitions() if definition.name}
    await script.close()
    return Plan(
        definitions=definitions,
        settings=worker.settings,
        workflow_type="PromotionWorkflow",
        arguments=[Json(b'{"version":"v1","target":"prod"}')],
        activities={
            "update_gitops": Activity(lambda _arguments, _attempt: Json(b'{"short_id":"abc"}')),
            "notify": Activity(lambda _arguments, _attempt: None),
        },
        messages=[Message("signal", "approve", [Json(b'{"user":"jane"}')])],
    )


def measure_promotion(count: int) -> float:
    """Run schedules; returns the number per CPU second."""
    plan = asyncio.run(promotion())
    explorer = Explorer(plan, lambda world: None)
    explorer.search(50, seed=0)
    ran, began = 0, time.process_time()
    for seed in range(1, 1000):
        report = explorer.search(min(500, count - ran), seed)
        if report.failing is not None:
            sys.exit(f"{report.failing.violation.message}: {report.failing.schedule}")
        ran += report.count
        if ran >= count:
            break
    return ran / (time.process_time() - began)


def check_generated(seed: int) -> tuple[Counter[str], list[str]]:
    """Run schedules of a generated workflow; returns their statuses, and problems such as replays that differ."""
    logging.disable(logging.CRITICAL)
    plan, ends, differences = generated(seed), Counter[str](), []
    for number in range(PER_WORKFLOW):
        world = World(plan, Choices(None, random.Random(f"{seed} {number}")), HORIZON)
        try:
            world.run()
            ends[world.main_run.status] += 1
        except Violation as violation:
            ends[violation.kind] += 1
            if violation.kind != "stuck":  # a generated workflow may deadlock
                differences.append(f"workflow {seed}, {world.choices.deviations}: {violation.message}")
    return ends, differences


def measure_generated(schedules: int) -> bool:
    """Run schedules of generated workflows on all cores; returns true if no replay differs."""
    ends, differences = Counter[str](), []
    began = time.perf_counter()
    context = multiprocessing.get_context("spawn")
    with context.Pool(os.cpu_count()) as pool:
        for counts, problems in pool.imap_unordered(check_generated, range(schedules // PER_WORKFLOW), chunksize=5):
            ends.update(counts)
            differences += problems
    seconds = time.perf_counter() - began
    print(f"{ends.total():>9} schedules of generated workflows in {seconds:.0f} s: {dict(ends)}")
    for difference in differences[:10]:
        print(difference)
    print(f"{len(differences):>9} differences (goal: 0)")
    return not differences


def main() -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="run fewer schedules")
    parser.add_argument(
        "--schedules", type=int, default=100_000, help="number of schedules of generated workflows [100000]"
    )
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    rate = measure_promotion(500 if options.quick else 3000)
    print(f"{rate:>9.0f} schedules of the promotion workflow per CPU second (goal: {GOAL})")
    is_same = measure_generated(2000 if options.quick else options.schedules)
    return 0 if rate >= GOAL and is_same else 1


if __name__ == "__main__":
    sys.exit(main())
