"""The worker's side of one run: creates the activations that Core would create, and handles the commands."""

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
from assay.simulation.tasks import Activation, LocalResult, Task
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
"""The flags of Core that new runs record: commands that end a run come last, patches are search attributes, …"""

RunLocal = Callable[[WorkflowCommand, Run], tuple[float, WorkflowActivationJob]]
"""Runs a local activity; returns its duration in seconds and the job with its result."""

Watch = Callable[[Run, WorkflowActivation, WorkflowActivationCompletion], None]
"""Called with each activation and its completion."""


@dataclass
class _Step:
    """A step that a command started.

    Attributes:
        command: The command.
        index: Position of the command in `Task.sent` of the current workflow task; None if an earlier task sent it.
        is_resolved: The run has received its result or cancelled it.
    """

    command: WorkflowCommand
    index: int | None
    is_resolved: bool = False


class Core:
    """Activates a run, and replays it after it was evicted from the cache."""

    def __init__(self, definition: Definition, settings: Settings, run_id: str, watch: Watch | None = None) -> None:
        self._definition = definition
        self._settings = settings
        self._run_id = run_id
        self._watch = watch
        self.run: Run | None = None
        self.flags: list[int] = []
        """The flags of the engine that the first workflow task recorded."""
        self._steps: dict[tuple[str, int], _Step] = {}
        self._local_results: list[tuple[int, int, WorkflowActivationJob]] = []

    def evict(self) -> None:
        """Evict the run from the cache."""
        if self.run is not None:
            self.run.close()
            self.run = None
        self._steps, self._local_results = {}, []

    # Tasks --------------------------------------------------------------------------------------------------

    def perform(self, task: Task, completed: list[Task], run_local: RunLocal) -> None:
        """Process a workflow task. Replay the `completed` tasks first if the run is not in the cache.

        Raises Violation if the commands of the replay differ from those of the completed tasks.
        """
        if self.run is None and completed:
            self.replay(completed)
        batch = jobs.in_order([job for job in task.jobs if not self._is_obsolete(job)])
        at = task.at
        while batch or self._local_results:
            if not batch:
                at_end, _, job = heapq.heappop(self._local_results)
                at, batch = max(at, at_end), [job]
                task.activations.append(Activation(at, [job]))
                step = self._steps["activity", job.resolve_activity.seq]
                step.is_resolved = True
                task.sent.append(LocalResult(step.command, job, at, len(task.activations) - 1))
            else:
                task.activations.append(Activation(at))
            completion = self._activate(batch, at, task, is_replaying=False)
            if completion.HasField("failed"):
                task.failure = completion.failed.failure
                return
            assert self.run is not None
            batch = []
            for command in completion.successful.commands:
                batch += self._handle(task, command)
                if command.HasField("schedule_local_activity"):
                    seconds, job = run_local(command, self.run)
                    # `_drop_resolved` removes it again if the run cancels it first.
                    heapq.heappush(self._local_results, (at + round(seconds * 1e9), job.resolve_activity.seq, job))
            self._drop_resolved(batch)
            if self.run.is_over:
                break
        self._finish(task)

    def replay(self, tasks: list[Task]) -> None:
        """Replay workflow tasks. Raises Violation if the commands differ from those of the original tasks."""
        for task in tasks:
            replayed = Task(task.number, task.at, task.replay_jobs(), task.history_length)
            self._replay_task(task, replayed)
            expected, actual = task.recorded_commands(), replayed.recorded_commands()
            if expected != actual:
                raise Violation("replay", _difference(task, expected, actual), self.traceback())

    def _replay_task(self, task: Task, replayed: Task) -> None:
        batch = jobs.in_order([job for job in replayed.jobs if not self._is_obsolete(job)])
        index = 0
        if not batch and task.activations and not task.activations[0].local_results:
            index = 1  # it only delivered updates that were rejected
        while True:
            if not batch:
                if index >= len(task.activations) or not task.activations[index].local_results:
                    break
                batch = [job for job in task.activations[index].local_results if not self._is_obsolete(job)]
            at = task.activations[index].at if index < len(task.activations) else task.at
            index += 1
            completion = self._activate(batch, at, replayed, is_replaying=True)
            if completion.HasField("failed"):
                raise Violation("replay", f"replay failed: {completion.failed.failure.message}", self.traceback())
            batch = []
            for command in completion.successful.commands:
                batch += self._handle(replayed, command)
            assert self.run is not None
            if self.run.is_over:
                break
        self._finish(replayed)

    def _activate(
        self, batch: list[WorkflowActivationJob], at: int, task: Task, *, is_replaying: bool
    ) -> WorkflowActivationCompletion:
        act = WorkflowActivation(
            run_id=self._run_id,
            jobs=batch,
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
        """Query the run. Raises LuaError if the query fails."""
        assert self.run is not None
        task = Task(0, at, [], history_length)
        completion = self._activate([jobs.query(name, value)], at, task, is_replaying=False)
        [command] = completion.successful.commands
        answer = command.respond_to_query
        if answer.HasField("failed"):
            raise LuaError(answer.failed.message)
        return payloads.from_payload(answer.succeeded.response)

    def traceback(self) -> str:
        """Return the Lua traceback of the place where the run waits; empty if it is not in the cache."""
        return "" if self.run is None else self.run.host.traceback()

    # Commands -----------------------------------------------------------------------------------------------

    def _handle(self, task: Task, command: WorkflowCommand) -> list[WorkflowActivationJob]:
        """Handle a command; return the jobs with which Core resolves it immediately."""
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

    def _withdraw(self, task: Task, step: _Step) -> bool:
        """Withdraw the command of a step; return false if an earlier task has sent it."""
        if step.index is None:
            return False
        task.sent[step.index] = WorkflowCommand()  # `_finish` removes it; until then the indexes must not change
        step.is_resolved = True
        return True

    def _cancel_timer(self, task: Task, command: WorkflowCommand) -> list[WorkflowActivationJob]:
        step = self._steps.pop(("timer", command.cancel_timer.seq))
        if not self._withdraw(task, step):
            task.sent.append(command)
        return []

    def _cancel_activity(self, task: Task, command: WorkflowCommand) -> list[WorkflowActivationJob]:
        seq = command.request_cancel_activity.seq
        step = self._steps[("activity", seq)]
        if step.is_resolved:
            return []
        schedule = step.command.schedule_activity
        failure = jobs.cancelled_activity(schedule.activity_type, schedule.activity_id)
        waits = schedule.cancellation_type == ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
        if not self._withdraw(task, step):
            if schedule.cancellation_type != ActivityCancellationType.ABANDON:
                task.sent.append(command)
            if waits:
                return []
        step.is_resolved = True
        return [jobs.activity_cancelled(seq, failure)]

    def _cancel_local(self, task: Task, command: WorkflowCommand) -> list[WorkflowActivationJob]:
        seq = command.request_cancel_local_activity.seq
        step = self._steps[("activity", seq)]
        schedule = step.command.schedule_local_activity
        if step.is_resolved or schedule.cancellation_type == ActivityCancellationType.WAIT_CANCELLATION_COMPLETED:
            return []
        step.is_resolved = True
        failure = jobs.cancelled_activity(schedule.activity_type, schedule.activity_id)
        failure.message = "Local Activity cancelled"
        job = jobs.activity_cancelled(seq, failure, is_local=True)
        task.sent.append(LocalResult(step.command, job, None, len(task.activations)))
        return [job]

    def _schedule_local(self, _task: Task, command: WorkflowCommand) -> list[WorkflowActivationJob]:
        self._steps["activity", command.schedule_local_activity.seq] = _Step(command, None)
        return []

    def _cancel_child(self, task: Task, command: WorkflowCommand) -> list[WorkflowActivationJob]:
        seq = command.cancel_child_workflow_execution.child_workflow_seq
        step = self._steps[("child", seq)]
        if step.is_resolved:
            return []
        start = step.command.start_child_workflow_execution
        if self._withdraw(task, step):
            reason = command.cancel_child_workflow_execution.reason
            text = f"Child Workflow Execution cancelled before scheduled: {reason}"
            return [jobs.child_start_cancelled(seq, _child_cancelled(start, text))]
        if start.cancellation_type != ChildWorkflowCancellationType.ABANDON:
            task.sent.append(command)
        immediate = (ChildWorkflowCancellationType.ABANDON, ChildWorkflowCancellationType.TRY_CANCEL)
        if start.cancellation_type not in immediate:
            return []
        step.is_resolved = True
        return [jobs.child_cancelled(seq, _child_cancelled(start, "Child Workflow execution cancelled"))]

    def _cancel_signal(self, task: Task, command: WorkflowCommand) -> list[WorkflowActivationJob]:
        seq = command.cancel_signal_workflow.seq
        step = self._steps[("signal", seq)]
        if step.is_resolved or not self._withdraw(task, step):
            return []
        return [jobs.signal_resolved(seq, jobs.cancelled("Signal was cancelled before being sent"))]

    def _finish(self, task: Task) -> None:
        task.sent = [sent for sent in task.sent if isinstance(sent, LocalResult) or sent.WhichOneof("variant")]
        if task.closing is not None:
            task.sent.append(task.closing)  # after all other commands
        for step in self._steps.values():
            step.index = None

    def _drop_resolved(self, batch: list[WorkflowActivationJob]) -> None:
        """Drop the results of local activities that jobs resolve, because the run has cancelled them."""
        resolved = {job.resolve_activity.seq for job in batch if job.HasField("resolve_activity")}
        if resolved and self._local_results:
            self._local_results = [item for item in self._local_results if item[1] not in resolved]
            heapq.heapify(self._local_results)

    def _is_obsolete(self, job: WorkflowActivationJob) -> bool:
        """Return true if the step of a job is already resolved. Otherwise mark the step if the job resolves it."""
        kind, seq = _step_key(job)
        step = self._steps.get((kind, seq)) if kind else None
        if step is None:
            return False
        if step.is_resolved:
            return True
        step.is_resolved = not job.HasField("resolve_child_workflow_execution_start") or not (
            job.resolve_child_workflow_execution_start.HasField("succeeded")
        )
        return False


def _step_key(job: WorkflowActivationJob) -> tuple[str, int]:
    """Return the kind and the sequence number of the step that a job belongs to; an empty kind if it has none."""
    variant = jobs.variant(job)
    kind = {
        "resolve_activity": "activity",
        "fire_timer": "timer",
        "resolve_child_workflow_execution_start": "child",
        "resolve_child_workflow_execution": "child",
        "resolve_signal_external_workflow": "signal",
        "resolve_request_cancel_external_workflow": "cancel",
    }.get(variant, "")
    return kind, getattr(job, variant).seq if kind else 0


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
    """Describe the first difference between the commands of a task and of its replay."""
    index = next((i for i, pair in enumerate(zip(expected, actual, strict=False)) if pair[0] != pair[1]), None)
    index = min(len(expected), len(actual)) if index is None else index

    def describe(commands: list[WorkflowCommand]) -> str:
        if index >= len(commands):
            return "no command"
        kind = jobs.variant(commands[index])
        return " ".join(f"{kind.replace('_', ' ')} {{{getattr(commands[index], kind)}}}".split())

    return f"replay of workflow task {task.number} differs: recorded {describe(expected)}, replayed {describe(actual)}"


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
