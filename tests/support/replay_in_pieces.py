"""Replay histories as `replay.py` does, with each run evicted and rebuilt after every activation.

A run that is rebuilt from its activations must return the same completion for each of them.
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
    """Runs that are evicted from the cache after every activation."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self._answered: dict[str, list[tuple[WorkflowActivation, WorkflowActivationCompletion]]] = {}

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """Pass an activation to its run, then evict and rebuild the run."""
        completion = super().activate(act)
        if any(job.HasField("remove_from_cache") for job in act.jobs):
            self._answered.pop(act.run_id, None)
        elif completion.HasField("successful"):
            self._answered.setdefault(act.run_id, []).append((act, completion))
            self._rebuild(act.run_id)
        return completion

    def _rebuild(self, run_id: str) -> None:
        removal = WorkflowActivationJob()
        removal.remove_from_cache.SetInParent()
        super().activate(WorkflowActivation(run_id=run_id, jobs=[removal]))
        for number, (act, completion) in enumerate(self._answered[run_id], 1):
            again = super().activate(act)
            if again != completion:
                problems.append(f"activation {number}: {completion}\n\nrebuilt: {again}")


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
