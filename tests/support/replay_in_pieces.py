"""Replay histories as `replay.py` does, with each run evicted after every activation and made again.

What a run answers to an activation it must answer again when it is made again of all activations before.
"""

from __future__ import annotations

import os
import sys
from unittest.mock import patch

from temporalio.bridge.proto.workflow_activation import WorkflowActivation, WorkflowActivationJob
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion

import replay
from assay.temporal.workflow.runs import Runs

problems: list[str] = []


class RunsInPieces(Runs):
    """Runs that leave the cache after every activation."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self._answered: dict[str, list[tuple[WorkflowActivation, WorkflowActivationCompletion]]] = {}

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """Hand an activation to its run, and make the run again."""
        completion = super().activate(act)
        if any(job.HasField("remove_from_cache") for job in act.jobs):
            self._answered.pop(act.run_id, None)
        elif completion.HasField("successful"):
            self._answered.setdefault(act.run_id, []).append((act, completion))
            self._make_again(act.run_id)
        return completion

    def _make_again(self, run_id: str) -> None:
        removal = WorkflowActivationJob()
        removal.remove_from_cache.SetInParent()
        super().activate(WorkflowActivation(run_id=run_id, jobs=[removal]))
        for number, (act, completion) in enumerate(self._answered[run_id], 1):
            again = super().activate(act)
            if again != completion:
                problems.append(f"activation {number}: {completion}\n\nmade again: {again}")


def main(script: str, *histories: str) -> int:
    """Replay and report; returns the exit code."""
    with patch.object(replay, "Runs", RunsInPieces):
        code = replay.main(script, *histories)
    for problem in problems:
        sys.stderr.write(problem + "\n")
    sys.stderr.flush()
    return 1 if problems else code


if __name__ == "__main__":
    os._exit(main(*sys.argv[1:]))  # without the interpreter's teardown, in which the SDK can crash
