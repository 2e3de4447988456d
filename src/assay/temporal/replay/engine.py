"""The replay: runs histories through Core, and compares the steps of each run with its history."""

from __future__ import annotations

import dataclasses
import os.path
import re
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from temporalio.client import WorkflowHistory

from assay.errors import AssayError
from assay.lua import registry
from assay.temporal.core.protos import WorkflowActivation, WorkflowActivationCompletion
from assay.temporal.data.codec import make_codec
from assay.temporal.replay.differences import Difference, differences
from assay.temporal.replay.extent import handled
from assay.temporal.replay.feed import Feed
from assay.temporal.replay.steps import Call, Step, StepRecorder, event_step, history_steps, steps_by_event
from assay.temporal.worker.worker import Worker
from assay.temporal.workflow.run.run import Run
from assay.temporal.workflow.run.waits import stack
from assay.temporal.workflow.runs import Observer, Runs
from assay.temporal.workflow.sandbox.host import OTHER_HASH_SEED, WorkflowHost
from assay.temporal.workflow.settings import Definition

TRACE = os.path.join(os.path.dirname(__file__), "trace")
_CONTEXT = 3
"""Number of matching steps to report before a divergence."""
_EVENT = re.compile(r"HistoryEvent\(id: (\d+)")
_CODE = re.compile(r"^(?:\[TMPRL\d+\] )?(?:Nondeterminism error: )?")


@dataclass
class Divergence:
    """The point at which a run diverges from its history.

    Attributes:
        message: Core's message, or the reason why the workflow task failed.
        before: Last matching steps, as recorded in the history.
        expected: Step in the history, if any.
        actual: Step of the code, if any.
        where: Lua traceback of the point where the run waits.
        is_task_failure: True if a workflow task failed before any difference was found, so that the rest of the history
            was not reached.
    """

    message: str
    before: list[Step]
    expected: Step | None
    actual: Step | None
    where: str
    is_task_failure: bool = False


@dataclass
class ReplayResult:
    """The result of the replay of one history.

    Attributes:
        workflow_id: Workflow id.
        workflow_type: Workflow type.
        run_id: Run id.
        events: Number of events in the history.
        divergence: Divergence from the history; None if it matches.
        differences: Differences that Temporal tolerates, if the history matches.
    """

    workflow_id: str
    workflow_type: str
    run_id: str
    events: int
    divergence: Divergence | None
    differences: list[Difference] = field(default_factory=list)


@dataclass
class Trace:
    """The causes of a run's events, found by a replay.

    Attributes:
        divergence: Divergence from the history; None if it matches.
        places: Line of the script that caused an event, by event id.
        calls: Sequence number of the builtin call that caused an event, by event id.
        waits: Pending wait of each task of the run, with its Lua traceback; empty if the run has ended or diverges.
    """

    divergence: Divergence | None
    places: dict[int, str]
    calls: dict[int, int]
    waits: str


@dataclass
class _Recording:
    """Observations of the run being replayed."""

    steps: StepRecorder = field(default_factory=StepRecorder)
    mismatch: str = ""
    failure: str = ""
    where: str = ""
    waits: str = ""

    @property
    def ordered(self) -> list[Step]:
        """The steps to compare with the history."""
        return [step for step in self.steps.steps if step.ordered]


class _Recorder(Observer):
    """Records the steps and failures of the run being replayed."""

    def __init__(self) -> None:
        self.recording = _Recording()

    def mismatch(self, run: Run, message: str, where: str) -> None:
        """Record a mismatch."""
        self.recording.mismatch = message
        self.recording.where = where

    def removed(self, run: Run) -> None:
        """Record where the run was waiting."""
        self.recording.where = self.recording.where or run.host.traceback()
        self.recording.waits = stack(run.host)

    def activated(self, run: Run, act: WorkflowActivation, completion: WorkflowActivationCompletion) -> None:
        """Record the commands of an activation, or its failure."""
        if completion.HasField("failed"):
            self.recording.failure = completion.failed.failure.message
            self.recording.where = run.host.traceback()
        else:
            commands = completion.successful.commands
            self.recording.steps.add(act.history_length, commands, take_calls(run.host))


def take_calls(host: WorkflowHost) -> list[Call]:
    """Return the calls of builtins since the last call of this function."""
    calls = []
    while call := host.state.invoke(b"take_call"):
        index, first, has_timeout, place, number = call
        argument, line = (data.decode("utf-8", "replace") for data in (first, place))
        calls.append(Call(registry.functions[index].title, argument, has_timeout, line, number))
    return calls


class Workflows:
    """The workflows of a script's workers, with the settings and the codec of their runs."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        """Raises AssayError if no worker registers a workflow, or two workers register one of the same name."""
        definitions: dict[str | None, Definition] = {}
        settings, codec = None, None
        for worker in workers:
            codec = codec or worker.options.codec
            settings = worker.settings
            for definition in worker.definitions():
                if definition.name in definitions:
                    named = "dynamic workflow" if definition.name is None else f"workflow '{definition.name}'"
                    raise AssayError(f"two workers of the script register a {named}")
                definitions[definition.name] = definition
        if settings is None or not definitions:
            raise AssayError("the script registers no workflow")
        self.definitions: Collection[Definition] = definitions.values()
        self.settings = settings
        self.codec = codec


class Replay:
    """Replays histories with the workflows of a script's workers."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        """Raises AssayError if no worker registers a workflow, or two workers register one of the same name."""
        workflows = Workflows(workers)
        names = {definition.name for definition in workflows.definitions}
        self._names = {name for name in names if name is not None}
        self._is_dynamic = None in names
        self._recorder = _Recorder()
        self._codec = workflows.codec
        settings = dataclasses.replace(workflows.settings, parts=(TRACE,), hash_seed=OTHER_HASH_SEED)
        self._runs = Runs(workflows.definitions, settings, self._recorder)

    def knows(self, workflow_type: str) -> bool:
        """Return true if the script registers a workflow type."""
        return self._is_dynamic or workflow_type in self._names

    async def run(self, histories: AsyncIterator[WorkflowHistory]) -> AsyncIterator[ReplayResult]:
        """Replay histories one at a time, reading each only when needed."""
        async with Feed(self._runs, self._codec) as feed:
            async for history in histories:
                self._recorder.recording = _Recording()
                failure = await feed.replay(history)
                self._recorder.recording.failure = self._recorder.recording.failure or feed.unreadable
                yield self._result(history, failure)

    async def trace(self, history: WorkflowHistory) -> Trace:
        """Replay a run and return the lines of the script that caused its events.

        The replay stops after the last completed workflow task, so it runs no code that the run has not reached.
        """
        done = handled(history.events)
        if not done:
            return Trace(self._unregistered(history), {}, {}, "")

        async def only() -> AsyncIterator[WorkflowHistory]:
            yield WorkflowHistory(history.workflow_id, history.events[:done])

        [result] = [result async for result in self.run(only())]
        recording = self._recorder.recording
        waits = recording.waits if result.divergence is None else ""
        steps = steps_by_event(history.events, recording.steps.steps)
        places = {event: step.where for event, step in steps.items() if step.where}
        calls = {event: step.call for event, step in steps.items() if step.call}
        return Trace(result.divergence, places, calls, waits)

    def _result(self, history: WorkflowHistory, failure: str | None) -> ReplayResult:
        started = history.events[0].workflow_execution_started_event_attributes
        recording = self._recorder.recording
        result = ReplayResult(
            workflow_id=started.workflow_id or history.workflow_id,
            workflow_type=started.workflow_type.name,
            run_id=started.original_execution_run_id,
            events=len(history.events),
            divergence=None,
        )
        if failure is not None or recording.failure:
            result.divergence = self._unregistered(history) or self._divergence(history, failure)
        else:
            result.differences = differences(history.events, recording.steps.steps, make_codec(self._codec))
        return result

    def _unregistered(self, history: WorkflowHistory) -> Divergence | None:
        workflow_type = history.events[0].workflow_execution_started_event_attributes.workflow_type.name
        if self.knows(workflow_type):
            return None
        known = ", ".join(sorted(self._names))
        return Divergence(f"the script has no workflow '{workflow_type}' (it has: {known})", [], None, None, "")

    def _divergence(self, history: WorkflowHistory, failure: str | None) -> Divergence:
        recording = self._recorder.recording
        if not recording.mismatch and recording.failure:
            text = f"the run cannot continue: {recording.failure}"
            return Divergence(text, [], None, None, recording.where, is_task_failure=True)
        if not recording.mismatch:
            return Divergence(failure or "", [], None, None, recording.where)
        message = _CODE.sub("", recording.mismatch)
        expected, actual = list(history_steps(history.events)), recording.ordered
        at = next(
            (i for i, pair in enumerate(zip(expected, actual, strict=False)) if not pair[0].matches(pair[1])),
            min(len(expected), len(actual)),
        )
        recorded: Any = expected[at] if at < len(expected) else None
        replayed = actual[at] if at < len(actual) else None
        named = _EVENT.search(message)
        if recorded is None and named is not None:
            recorded = next((event_step(event) for event in history.events if event.event_id == int(named[1])), None)
        return Divergence(message, expected[max(0, at - _CONTEXT) : at], recorded, replayed, recording.where)
