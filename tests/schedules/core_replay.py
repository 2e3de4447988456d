"""Replays simulated histories with Temporal's Core, which rejects histories that no server could have written."""

from __future__ import annotations

from collections.abc import Iterable

from temporalio.client import WorkflowHistory

from assay.simulation.plan import Plan
from assay.simulation.world import World
from assay.temporal.replay.feed import Feed
from assay.temporal.workflow.runs import Runs


async def replay(plan: Plan, worlds: Iterable[World]) -> list[str]:
    """Replay the runs of worlds; returns what does not match, with the history."""
    problems = []
    async with Feed(Runs(plan.definitions.values(), plan.settings), None) as feed:
        for world in worlds:
            for run in world.executions:
                if not run.tasks:
                    continue
                found = await feed.replay(WorkflowHistory(run.start.workflow_id, run.history.events()))
                if found is not None:
                    problems.append(f"{world.choices.deviations}: {found}\n{run.history.kinds()}")
    return problems
