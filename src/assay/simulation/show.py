"""A world as timelines: what `assay workflow show` shows of real runs."""

from __future__ import annotations

from temporalio.client import WorkflowHistory

from assay.simulation.world import World
from assay.temporal.core.protos import WorkflowActivation, WorkflowActivationCompletion
from assay.temporal.replay.engine import take_calls
from assay.temporal.replay.steps import StepRecorder, places
from assay.temporal.timeline.entries import Timeline, timeline
from assay.temporal.workflow.run.run import Run


class Lines:
    """Watches which lines of the script cause the commands of each run, whose states need `TRACE` among their parts."""

    def __init__(self) -> None:
        self._taken: dict[str, StepRecorder] = {}

    def watch(self, run: Run, act: WorkflowActivation, completion: WorkflowActivationCompletion) -> None:
        """See an activation."""
        calls = take_calls(run.host)
        if act.is_replaying or completion.HasField("failed"):
            return
        taken = self._taken.setdefault(act.run_id, StepRecorder())
        taken.add(act.history_length, completion.successful.commands, calls)

    def timelines(self, world: World) -> list[Timeline]:
        """Return the timelines of the runs of a world, in the order of their starts."""
        found = []
        for run in world.executions:
            events = run.history.events()
            shown = timeline(run.start.workflow_id, run.start.run_id, events)
            taken = self._taken.get(run.start.run_id, StepRecorder())
            where = places(events, taken.steps)
            for entry in shown.entries:
                entry.place = where.get(entry.event_id, "")
            found.append(shown)
        return found


def histories(world: World) -> list[WorkflowHistory]:
    """Return the histories of the runs of a world, in the order of their starts."""
    return [WorkflowHistory(run.start.workflow_id, run.history.events()) for run in world.executions]
