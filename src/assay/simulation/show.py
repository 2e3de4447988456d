"""Timelines and histories of the runs of a world."""

from __future__ import annotations

from temporalio.client import WorkflowHistory

from assay.simulation.world import World
from assay.temporal.core.protos import WorkflowActivation, WorkflowActivationCompletion
from assay.temporal.replay.engine import take_calls
from assay.temporal.replay.steps import StepRecorder, places
from assay.temporal.timeline.entries import Timeline, timeline
from assay.temporal.workflow.run.run import Run


class LineRecorder:
    """Records the line of the script that causes each command. The states of the runs need the part `TRACE`."""

    def __init__(self) -> None:
        self._recorders: dict[str, StepRecorder] = {}

    def watch(self, run: Run, act: WorkflowActivation, completion: WorkflowActivationCompletion) -> None:
        """Record the steps of an activation."""
        calls = take_calls(run.host)
        if act.is_replaying or completion.HasField("failed"):
            return
        recorder = self._recorders.setdefault(act.run_id, StepRecorder())
        recorder.add(act.history_length, completion.successful.commands, calls)

    def timelines(self, world: World) -> list[Timeline]:
        """Return the timelines of the runs, in the order of their start, with the lines as places."""
        result = []
        for run in world.executions:
            events = run.history.events()
            shown = timeline(run.start.workflow_id, run.start.run_id, events)
            recorder = self._recorders.get(run.start.run_id, StepRecorder())
            steps = places(events, recorder.steps)
            for entry in shown.entries:
                entry.place = steps.get(entry.event_id, "")
            result.append(shown)
        return result


def histories(world: World) -> list[WorkflowHistory]:
    """Return the histories of the runs, in the order of their start."""
    return [WorkflowHistory(run.start.workflow_id, run.history.events()) for run in world.executions]
