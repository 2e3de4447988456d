"""The run of a replay: the SDK's replayer over our workflow classes, one history after the other."""

from __future__ import annotations

import dataclasses
import os.path
import re
import weakref
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, WorkflowInstance, WorkflowInstanceDetails
from temporalio.workflow import Info

from assay.errors import AssayError
from assay.lua import registry
from assay.temporal import connection
from assay.temporal.core.runtime import core
from assay.temporal.replay.steps import Call, Step, Taken, event_step, history_steps, places
from assay.temporal.worker.worker import Worker
from assay.temporal.workflow.host import WorkflowHost
from assay.temporal.workflow.instance import Settings, workflow_class
from assay.temporal.workflow.runner import LuaWorkflowRunner
from assay.temporal.workflow.waits import stack

TRACE = os.path.join(os.path.dirname(__file__), "trace")
_CONTEXT = 3
_EVENT = re.compile(r"HistoryEvent\(id: (\d+)")
_CODE = re.compile(r"^(?:\[TMPRL\d+\] )?(?:Nondeterminism error: )?")


@dataclass
class Divergence:
    """Where a run parts from its history.

    Attributes:
        message: What the SDK says about it, or why the workflow task failed.
        before: The last steps that were the same, as the history has them.
        expected: The step that the history has, None when it has none.
        actual: The step that the code takes, None when it takes none.
        where: The Lua traceback of where the run waits.
        cannot_go_on: Nothing was found that differs: a workflow task fails, so that the rest of the history is not
            reached.
    """

    message: str
    before: list[Step]
    expected: Step | None
    actual: Step | None
    where: str
    cannot_go_on: bool = False


@dataclass
class Outcome:
    """How the replay of one history ended; `divergence` is None when it matches."""

    workflow_id: str
    workflow_type: str
    run_id: str
    events: int
    divergence: Divergence | None


@dataclass
class Trace:
    """What a replay tells of one run.

    Attributes:
        divergence: Where the run parts from its history, None when it does not.
        places: The line of the script behind an event, by the event's id.
        waits: What each task of the run waits for, with its Lua traceback; empty when it has ended or does not match.
    """

    divergence: Divergence | None
    places: dict[int, str]
    waits: str


@dataclass
class _Watched:
    """What was seen of the run that is replayed."""

    taken: Taken = field(default_factory=Taken)
    mismatch: str = ""
    failure: str = ""
    where: str = ""
    waits: str = ""

    @property
    def ordered(self) -> list[Step]:
        """The steps that are compared."""
        return [step for step in self.taken.steps if step.ordered]


class _Runner(LuaWorkflowRunner):
    """Writes down what a run does."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.watched = _Watched()

    def mismatch(self, info: Info, message: str, where: str) -> None:
        """Keep it for the report."""
        self.watched.mismatch = message
        self.watched.where = where

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Make an instance whose commands are written down."""
        instance = super().create_instance(det)
        activate = instance.activate

        def write_down(act: WorkflowActivation) -> WorkflowActivationCompletion:
            host = self._settings.runs.get(det.info.run_id)
            if host is not None and any(job.HasField("remove_from_cache") for job in act.jobs):
                self.watched.where = self.watched.where or host.where()
                self.watched.waits = stack(host)
            completion = activate(act)
            host = self._settings.runs.get(det.info.run_id)
            if completion.HasField("failed"):
                self.watched.failure = completion.failed.failure.message
                self.watched.where = "" if host is None else host.where()
            elif host is not None:
                self.watched.taken.add(act.history_length, completion.successful.commands, _take_calls(host))
            return completion

        instance.activate = write_down  # type: ignore[method-assign]
        return instance


def _take_calls(host: WorkflowHost) -> list[Call]:
    calls = []
    while call := host.state.invoke(b"take_call"):
        index, first, has_timeout, place = call
        title = registry.functions[index].title
        calls.append(Call(title, first.decode("utf-8", "replace"), has_timeout, place.decode("utf-8", "replace")))
    return calls


class Replay:
    """The workflows of a script's workers, ready to be replayed."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        """Raises AssayError when the workers have no workflow, or two of them one of the same name."""
        self._runs: weakref.WeakValueDictionary[str, WorkflowHost] = weakref.WeakValueDictionary()
        classes: dict[str | None, type] = {}
        settings, codec = None, None
        for worker in workers:
            codec = codec or worker.options.codec
            settings = dataclasses.replace(worker.settings, parts=(TRACE,), runs=self._runs)
            for snapshot in worker.snapshots():
                if snapshot.name in classes:
                    named = "dynamic workflow" if snapshot.name is None else f"workflow '{snapshot.name}'"
                    raise AssayError(f"two workers of the script register a {named}")
                classes[snapshot.name] = workflow_class(snapshot, settings)
        if settings is None or not classes:
            raise AssayError("the script registers no workflow")
        self._names = {name for name in classes if name is not None}
        self._is_dynamic = None in classes
        self.runner = _Runner(settings)
        self._replayer = Replayer(
            workflows=list(classes.values()),
            unsandboxed_workflow_runner=self.runner,
            data_converter=connection.data_converter(codec),
            runtime=core(),
        )

    def knows(self, workflow_type: str) -> bool:
        """Whether there is code for a workflow."""
        return self._is_dynamic or workflow_type in self._names

    async def run(self, histories: AsyncIterator[WorkflowHistory]) -> AsyncIterator[Outcome]:
        """Replay histories one by one, each read only when it is its turn."""
        async with self._replayer.workflow_replay_iterator(self._begin_each(histories)) as results:
            async for result in results:
                yield self._outcome(result.history, result.replay_failure)

    async def trace(self, history: WorkflowHistory) -> Trace:
        """Replay one history and tell which lines of the script caused its events."""

        async def only() -> AsyncIterator[WorkflowHistory]:
            yield history

        [outcome] = [outcome async for outcome in self.run(only())]
        watched = self.runner.watched
        waits = watched.waits if outcome.divergence is None else ""
        return Trace(outcome.divergence, places(history.events, watched.taken.steps), waits)

    async def _begin_each(self, histories: AsyncIterator[WorkflowHistory]) -> AsyncIterator[WorkflowHistory]:
        async for history in histories:
            self.runner.watched = _Watched()
            yield history

    def _outcome(self, history: WorkflowHistory, failure: Exception | None) -> Outcome:
        started = history.events[0].workflow_execution_started_event_attributes
        watched = self.runner.watched
        divergence = None
        if failure is not None or watched.failure:
            divergence = self._divergence(history, started.workflow_type.name, failure)
        return Outcome(
            workflow_id=started.workflow_id or history.workflow_id,
            workflow_type=started.workflow_type.name,
            run_id=started.original_execution_run_id,
            events=len(history.events),
            divergence=divergence,
        )

    def _divergence(self, history: WorkflowHistory, workflow_type: str, failure: Exception | None) -> Divergence:
        watched = self.runner.watched
        if not self.knows(workflow_type):
            known = ", ".join(sorted(self._names))
            return Divergence(f"the script has no workflow '{workflow_type}' (it has: {known})", [], None, None, "")
        if not watched.mismatch and watched.failure:
            text = f"the run cannot go on: {watched.failure}"
            return Divergence(text, [], None, None, watched.where, cannot_go_on=True)
        if not watched.mismatch:
            return Divergence(str(failure), [], None, None, watched.where)
        message = _CODE.sub("", watched.mismatch)
        expected, actual = list(history_steps(history.events)), watched.ordered
        at = next(
            (i for i, pair in enumerate(zip(expected, actual, strict=False)) if not pair[0].matches(pair[1])),
            min(len(expected), len(actual)),
        )
        theirs: Any = expected[at] if at < len(expected) else None
        ours = actual[at] if at < len(actual) else None
        named = _EVENT.search(message)
        if theirs is None and named is not None:
            theirs = next((event_step(event) for event in history.events if event.event_id == int(named[1])), None)
        return Divergence(message, expected[max(0, at - _CONTEXT) : at], theirs, ours, watched.where)
