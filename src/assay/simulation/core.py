"""The worker's side of one run: activations for its `Run`, as Core makes them of what the server says."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from temporalio.api.enums.v1 import RetryState
from temporalio.api.failure.v1 import Failure

from assay.errors import LuaError
from assay.lua.values import Json
from assay.simulation import jobs
from assay.simulation.tasks import LocalEnd, Round, Task
from assay.simulation.violation import Violation
from assay.temporal.core.protos import (
    ActivityCancellationType,
    ChildWorkflowCancellationType,
    WorkflowActivation,
    WorkflowActivationCompletion,
    WorkflowActivationJob,
    WorkflowCommand,
)
from assay.temporal.data import payloads
from assay.temporal.workflow.ctx.context import Context
from assay.temporal.workflow.run.run import Run
from assay.temporal.workflow.settings import Definition, Settings

CORE_FLAGS = (1, 2, 3, 4)
"""The behaviours of Core that new runs record: commands that end a run come last, patches are search attributes, …"""

RunLocal = Callable[[WorkflowCommand, Run], tuple[float, WorkflowActivationJob]]
"""Runs a local activity: returns how many seconds it takes, and its end."""

Watch = Callable[[Run, WorkflowActivation, WorkflowActivationCompletion], None]
"""Sees each activation and its answer."""


@dataclass
class _Step:
    """Something that has been started.

    `index` is its place in the commands of the current task, None once it has been sent.
    """

    command: WorkflowCommand
    index: int | None
    is_done: bool = False
    has_started: bool = False


class Core:
    """Activates a run, and makes it again when it has left the cache."""

    def __init__(self, definition: Definition, settings: Settings, run_id: str, watch: Watch | None = None) -> None:
        self._definition = definition
        self._settings = settings
        self._run_id = run_id
        self._watch = watch
        self.run: Run | None = None
        self.flags: list[int] = []
        """The behaviour flags that the first task of the run recorded."""
        self._steps: dict[tuple[str, int], _Step] = {}
        self._local: list[tuple[int, int, WorkflowActivationJob]] = []

    def evict(self) -> None:
        """Let go of the run."""
        if self.run is not None:
            self.run.close()
            self.run = None
        self._steps, self._local = {}, []

    # Tasks --------------------------------------------------------------------------------------------------

    def perform(self, task: Task, before: list[Task], run_local: RunLocal) -> None:
        """Let the run answer a task; it is made again of the tasks `before` when it is not in the cache.

        Raises Violation when it does not answer those as it did.
        """
        if self.run is None and before:
            self.replay(before)
        given = jobs.in_order([job for job in task.jobs if not self._is_late(job)])
        at = task.at
        while given or self._local:
            if not given:
                at_end, _, job = heapq.heappop(self._local)
                at, given = max(at, at_end), [job]
                task.rounds.append(Round(at, [job]))
                step = self._steps["activity", job.resolve_activity.seq]
                step.is_done = True
                task.sent.append(LocalEnd(step.command, job, at, len(task.rounds) - 1))
            else:
                task.rounds.append(Round(at))
            completion = self._activate(given, at, task, is_replaying=False)
            if completion.HasField("failed"):
                task.failure = completion.failed.failure
                return
            assert self.run is not None
            given = []
            for command in completion.successful.commands:
                given += self._take(task, command)
                if command.HasField("schedule_local_activity"):
                    seconds, job = run_local(command, self.run)
                    # One that is called off meanwhile has been forgotten by then.
                    heapq.heappush(self._local, (at + round(seconds * 1e9), job.resolve_activity.seq, job))
            self._forget_cancelled(given)
            if self.run.is_over:
                break
        self._finish(task)

    def replay(self, tasks: list[Task]) -> None:
        """Make the run again; raises Violation when it answers otherwise than before."""
        for task in tasks:
            again = Task(task.number, task.at, task.replayed(), task.history_length)
            self._replay_task(task, again)
            expected, actual = task.recorded(), again.recorded()
            if expected != actual:
                raise Violation("replay", _difference(task, expected, actual), self.traceback())

    def _replay_task(self, task: Task, again: Task) -> None:
        given = jobs.in_order([job for job in again.jobs if not self._is_late(job)])
        index = 0
        if not given and task.rounds and not task.rounds[0].local:
            index = 1  # it only brought updates that were rejected
        while True:
            if not given:
                if index >= len(task.rounds) or not task.rounds[index].local:
                    break
                given = [job for job in task.rounds[index].local if not self._is_late(job)]
            at = task.rounds[index].at if index < len(task.rounds) else task.at
            index += 1
            completion = self._activate(given, at, again, is_replaying=True)
            if completion.HasField("failed"):
                raise Violation("replay", f"a replay fails: {completion.failed.failure.message}", self.traceback())
            given = []
            for command in completion.successful.commands:
                given += self._take(again, command)
            assert self.run is not None
            if self.run.is_over:
                break
        self._finish(again)

    def _activate(
        self, given: list[WorkflowActivationJob], at: int, task: Task, *, is_replaying: bool
    ) -> WorkflowActivationCompletion:
        act = WorkflowActivation(
            run_id=self._run_id,
            jobs=given,
            history_length=task.history_length,
            is_replaying=is_replaying,
        )
        act.timestamp.FromNanoseconds(at)
        if self.run is None:
            if is_replaying:
                act.available_internal_flags.extend(self.flags)
            self.run = Run(self._definition, self._settings, act, Context)
        completion = self.run.activate(act)
        self.flags = self.flags or list(completion.successful.used_internal_flags)
        if self._watch is not None:
            self._watch(self.run, act, completion)
        return completion

    def query(self, name: str, value: Json | None, at: int, history_length: int) -> Json | None:
        """Answer a query. Raises LuaError."""
        assert self.run is not None
        task = Task(0, at, [], history_length)
        completion = self._activate([jobs.query(name, value)], at, task, is_replaying=False)
        [command] = completion.successful.commands
        answer = command.respond_to_query
        if answer.HasField("failed"):
            raise LuaError(answer.failed.message)
        return payloads.from_payload(answer.succeeded.response)

    def traceback(self) -> str:
        """Return the Lua traceback of where the run waits."""
        return "" if self.run is None else self.run.host.traceback()

    # Commands -----------------------------------------------------------------------------------------------

    def _take(self, task: Task, command: WorkflowCommand) -> list[WorkflowActivationJob]:
        """Take a command; returns what Core answers at once."""
        task.commands.append(command)
        kind = jobs.variant(command)
        handle = _COMMANDS.get(kind)
        if handle is not None:
            return handle(self, task, command)
        if not jobs.closes(command):
            task.sent.append(command)
        elif task.closing is None:
            task.closing = command
        return []

    def _start(self, kind: str, seq: int, task: Task, command: WorkflowCommand) -> list[WorkflowActivationJob]:
        self._steps[kind, seq] = _Step(command, len(task.sent))
        task.sent.append(command)
        return []

    def _take_back(self, task: Task, step: _Step) -> bool:
        """Take back a command that has not been sent; returns whether it could be."""
        if step.index is None:
            return False
        task.sent[step.index] = WorkflowCommand()  # left out at the end, so that the others keep their places
        step.is_done = True
        return True

    def _cancel_timer(self, task: Task, command: WorkflowCommand) -> list[WorkflowActivationJob]:
        step = self._steps.pop(("timer", command.cancel_timer.seq))
        if not self._take_back(task, step):
            task.sent.append(command)
        return []

    def _cancel_activity(self, task: Task, command: WorkflowCommand) -> list[WorkflowActivationJob]:
        seq = command.request_cancel_activity.seq
        step = self._steps[("activity", seq)]
        if step.is_done:
            return []
        schedule = step.command.schedule_activity
        failure = jobs.cancelled_activity(schedule.activity_type, schedule.activity_id)
        waits = schedule.cancellation_type == ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
        if not self._take_back(task, step):
            if schedule.cancellation_type != ActivityCancellationType.ABANDON:
                task.sent.append(command)
            if waits:
                return []
        step.is_done = True
        return [jobs.activity_cancelled(seq, failure)]

    def _cancel_local(self, task: Task, command: WorkflowCommand) -> list[WorkflowActivationJob]:
        seq = command.request_cancel_local_activity.seq
        step = self._steps[("activity", seq)]
        schedule = step.command.schedule_local_activity
        if step.is_done or schedule.cancellation_type == ActivityCancellationType.WAIT_CANCELLATION_COMPLETED:
            return []
        step.is_done = True
        failure = jobs.cancelled_activity(schedule.activity_type, schedule.activity_id)
        failure.message = "Local Activity cancelled"
        job = jobs.activity_cancelled(seq, failure, is_local=True)
        task.sent.append(LocalEnd(step.command, job, None, len(task.rounds)))
        return [job]

    def _schedule_local(self, _task: Task, command: WorkflowCommand) -> list[WorkflowActivationJob]:
        self._steps["activity", command.schedule_local_activity.seq] = _Step(command, None)
        return []

    def _cancel_child(self, task: Task, command: WorkflowCommand) -> list[WorkflowActivationJob]:
        seq = command.cancel_child_workflow_execution.child_workflow_seq
        step = self._steps[("child", seq)]
        if step.is_done:
            return []
        start = step.command.start_child_workflow_execution
        if self._take_back(task, step):
            reason = command.cancel_child_workflow_execution.reason
            text = f"Child Workflow Execution cancelled before scheduled: {reason}"
            return [jobs.child_start_cancelled(seq, _child_cancelled(start, text))]
        if start.cancellation_type != ChildWorkflowCancellationType.ABANDON:
            task.sent.append(command)
        at_once = (ChildWorkflowCancellationType.ABANDON, ChildWorkflowCancellationType.TRY_CANCEL)
        if start.cancellation_type not in at_once:
            return []
        step.is_done = True
        return [jobs.child_cancelled(seq, _child_cancelled(start, "Child Workflow execution cancelled"))]

    def _cancel_signal(self, task: Task, command: WorkflowCommand) -> list[WorkflowActivationJob]:
        seq = command.cancel_signal_workflow.seq
        step = self._steps[("signal", seq)]
        if step.is_done or not self._take_back(task, step):
            return []
        return [jobs.signal_answered(seq, jobs.cancelled("Signal was cancelled before being sent"))]

    def _finish(self, task: Task) -> None:
        task.sent = [sent for sent in task.sent if isinstance(sent, LocalEnd) or sent.WhichOneof("variant")]
        if task.closing is not None:
            task.sent.append(task.closing)  # what else the run has asked for comes before
        for step in self._steps.values():
            step.index = None

    def _forget_cancelled(self, given: list[WorkflowActivationJob]) -> None:
        ended = {job.resolve_activity.seq for job in given if job.HasField("resolve_activity")}
        if ended and self._local:
            self._local = [item for item in self._local if item[1] not in ended]
            heapq.heapify(self._local)

    def _is_late(self, job: WorkflowActivationJob) -> bool:
        """Return true if a job is about a step that has ended for the run; mark the step if this job ends it."""
        kind, seq = _about(job)
        step = self._steps.get((kind, seq)) if kind else None
        if step is None:
            return False
        if step.is_done:
            return True
        step.is_done = not job.HasField("resolve_child_workflow_execution_start") or not (
            job.resolve_child_workflow_execution_start.HasField("succeeded")
        )
        return False


def _about(job: WorkflowActivationJob) -> tuple[str, int]:
    kind = jobs.variant(job)
    known = {
        "resolve_activity": "activity",
        "fire_timer": "timer",
        "resolve_child_workflow_execution_start": "child",
        "resolve_child_workflow_execution": "child",
        "resolve_signal_external_workflow": "signal",
        "resolve_request_cancel_external_workflow": "cancel",
    }.get(kind, "")
    return known, getattr(job, kind).seq if known else 0


def _child_cancelled(start: Any, message: str) -> Failure:
    return jobs.child_failure(
        message,
        start.workflow_type,
        start.workflow_id,
        "",
        jobs.cancelled(),
        RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE,
    )


def _difference(task: Task, expected: list[WorkflowCommand], actual: list[WorkflowCommand]) -> str:
    at = next((i for i, pair in enumerate(zip(expected, actual, strict=False)) if pair[0] != pair[1]), None)
    at = min(len(expected), len(actual)) if at is None else at

    def said(commands: list[WorkflowCommand]) -> str:
        if at >= len(commands):
            return "nothing more"
        kind = jobs.variant(commands[at])
        return " ".join(f"{kind.replace('_', ' ')} {{{getattr(commands[at], kind)}}}".split())

    return f"a replay differs in workflow task {task.number}: it was {said(expected)}, it is {said(actual)}"


_COMMANDS: dict[str, Callable[[Core, Task, WorkflowCommand], list[WorkflowActivationJob]]] = {
    "start_timer": lambda core, task, command: core._start("timer", command.start_timer.seq, task, command),
    "cancel_timer": Core._cancel_timer,
    "schedule_activity": lambda core, task, command: core._start(
        "activity", command.schedule_activity.seq, task, command
    ),
    "request_cancel_activity": Core._cancel_activity,
    "schedule_local_activity": Core._schedule_local,
    "request_cancel_local_activity": Core._cancel_local,
    "start_child_workflow_execution": lambda core, task, command: core._start(
        "child", command.start_child_workflow_execution.seq, task, command
    ),
    "cancel_child_workflow_execution": Core._cancel_child,
    "signal_external_workflow_execution": lambda core, task, command: core._start(
        "signal", command.signal_external_workflow_execution.seq, task, command
    ),
    "cancel_signal_workflow": Core._cancel_signal,
    "request_cancel_external_workflow_execution": lambda core, task, command: core._start(
        "cancel", command.request_cancel_external_workflow_execution.seq, task, command
    ),
}
