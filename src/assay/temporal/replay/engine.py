"""The run of a replay: histories through Core, and what their runs do beside what they did."""

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
from assay.temporal.replay.steps import Call, Step, Taken, behind, event_step, history_steps
from assay.temporal.worker.worker import Worker
from assay.temporal.workflow.run.run import Run
from assay.temporal.workflow.run.waits import stack
from assay.temporal.workflow.runs import Observer, Runs
from assay.temporal.workflow.sandbox.host import OTHER_HASH_SEED, WorkflowHost
from assay.temporal.workflow.settings import Definition

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
    """How the replay of one history ended; `divergence` is None when it matches.

    `differences` are those that Temporal tolerates, of a history that matches.
    """

    workflow_id: str
    workflow_type: str
    run_id: str
    events: int
    divergence: Divergence | None
    differences: list[Difference] = field(default_factory=list)


@dataclass
class Trace:
    """What a replay finds out about one run.

    Attributes:
        divergence: Where the run parts from its history, None when it does not.
        places: The line of the script behind an event, by the event's id.
        calls: The number in the run of the call of a builtin behind an event, by the event's id.
        waits: What each task of the run waits for, with its Lua traceback; empty when it has ended or does not match.
    """

    divergence: Divergence | None
    places: dict[int, str]
    calls: dict[int, int]
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


class _Watch(Observer):
    """Writes down what a run does."""

    def __init__(self) -> None:
        self.watched = _Watched()

    def mismatch(self, run: Run, message: str, where: str) -> None:
        """Keep it for the report."""
        self.watched.mismatch = message
        self.watched.where = where

    def removed(self, run: Run) -> None:
        """Keep where the run was."""
        self.watched.where = self.watched.where or run.host.traceback()
        self.watched.waits = stack(run.host)

    def activated(self, run: Run, act: WorkflowActivation, completion: WorkflowActivationCompletion) -> None:
        """Write down the commands of an activation."""
        if completion.HasField("failed"):
            self.watched.failure = completion.failed.failure.message
            self.watched.where = run.host.traceback()
        else:
            commands = completion.successful.commands
            self.watched.taken.add(act.history_length, commands, take_calls(run.host))


def take_calls(host: WorkflowHost) -> list[Call]:
    calls = []
    while call := host.state.invoke(b"take_call"):
        index, first, has_timeout, place, number = call
        title, texts = registry.functions[index].title, [text.decode("utf-8", "replace") for text in (first, place)]
        calls.append(Call(title, texts[0], has_timeout, texts[1], number))
    return calls


class Workflows:
    """What a replay takes from a script's workers: their workflows, the settings and the codec."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        """Raises AssayError when the workers have no workflow, or two of them one of the same name."""
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
    """The workflows of a script's workers, ready to be replayed."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        """Raises AssayError when the workers have no workflow, or two of them one of the same name."""
        workflows = Workflows(workers)
        names = {definition.name for definition in workflows.definitions}
        self._names = {name for name in names if name is not None}
        self._is_dynamic = None in names
        self.watch = _Watch()
        self._codec = workflows.codec
        settings = dataclasses.replace(workflows.settings, parts=(TRACE,), hash_seed=OTHER_HASH_SEED)
        self._runs = Runs(workflows.definitions, settings, self.watch)

    def knows(self, workflow_type: str) -> bool:
        """Return true if there is code for a workflow."""
        return self._is_dynamic or workflow_type in self._names

    async def run(self, histories: AsyncIterator[WorkflowHistory]) -> AsyncIterator[Outcome]:
        """Replay histories one by one, each read only when it is its turn."""
        async with Feed(self._runs, self._codec) as feed:
            async for history in histories:
                self.watch.watched = _Watched()
                yield self._outcome(history, await feed.replay(history))

    async def trace(self, history: WorkflowHistory) -> Trace:
        """Replay what a run has done and return which lines of the script caused its events.

        Code for which the run has had no workflow task yet does not run.
        """
        done = handled(history.events)
        if not done:
            return Trace(self._unregistered(history), {}, {}, "")

        async def only() -> AsyncIterator[WorkflowHistory]:
            yield WorkflowHistory(history.workflow_id, history.events[:done])

        [outcome] = [outcome async for outcome in self.run(only())]
        watched = self.watch.watched
        waits = watched.waits if outcome.divergence is None else ""
        steps = behind(history.events, watched.taken.steps)
        places = {event: step.where for event, step in steps.items() if step.where}
        calls = {event: step.call for event, step in steps.items() if step.call}
        return Trace(outcome.divergence, places, calls, waits)

    def _outcome(self, history: WorkflowHistory, failure: str | None) -> Outcome:
        started = history.events[0].workflow_execution_started_event_attributes
        watched = self.watch.watched
        outcome = Outcome(
            workflow_id=started.workflow_id or history.workflow_id,
            workflow_type=started.workflow_type.name,
            run_id=started.original_execution_run_id,
            events=len(history.events),
            divergence=None,
        )
        if failure is not None or watched.failure:
            outcome.divergence = self._unregistered(history) or self._divergence(history, failure)
        else:
            outcome.differences = differences(history.events, watched.taken.steps, make_codec(self._codec))
        return outcome

    def _unregistered(self, history: WorkflowHistory) -> Divergence | None:
        workflow_type = history.events[0].workflow_execution_started_event_attributes.workflow_type.name
        if self.knows(workflow_type):
            return None
        known = ", ".join(sorted(self._names))
        return Divergence(f"the script has no workflow '{workflow_type}' (it has: {known})", [], None, None, "")

    def _divergence(self, history: WorkflowHistory, failure: str | None) -> Divergence:
        watched = self.watch.watched
        if not watched.mismatch and watched.failure:
            text = f"the run cannot continue: {watched.failure}"
            return Divergence(text, [], None, None, watched.where, cannot_go_on=True)
        if not watched.mismatch:
            return Divergence(failure or "", [], None, None, watched.where)
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
