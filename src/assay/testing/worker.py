"""The workers of an environment: they report what a test has to hear of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure

from assay.lua.convert import suggest
from assay.lua.host import Host
from assay.permissions import EVERYTHING
from assay.temporal.core.protos import Start, WorkflowActivation, WorkflowActivationCompletion
from assay.temporal.data import failures
from assay.temporal.worker.activities import ActivityTasks
from assay.temporal.worker.attempt import Attempt
from assay.temporal.worker.options import WorkerOptions
from assay.temporal.worker.worker import Worker
from assay.temporal.workflow.run.run import Run
from assay.temporal.workflow.runs import Observer
from assay.testing.refusals import Refusals
from assay.testing.search_attributes import set_by
from assay.testing.updates import Handlers

_ENDLESS = 1000  # failed attempts of an activity without a limit, by default more than a day of them


@dataclass(frozen=True)
class Hooks:
    """What the workers of an environment call, on their threads.

    Attributes:
        note: With each attempt of an activity.
        failed: With the reason why a workflow cannot go on.
        endless: With what is said of an activity that fails again and again.
        register: With the search attributes of a workflow task, before the server sees them.
        handlers: What follows the handlers of updates.
        refusals: What waits for the reasons of refused commands.
    """

    note: Callable[[Start], None]
    failed: Callable[[str], None]
    endless: Callable[[str], None]
    register: Callable[[Mapping[str, Payload]], None]
    handlers: Handlers
    refusals: Refusals


class _Activities(ActivityTasks):
    """Writes down the calls of activities, and reports one that fails again and again."""

    def __init__(self, options: WorkerOptions, script: asyncio.AbstractEventLoop, hooks: Hooks) -> None:
        super().__init__(options.all_activities(), script, options.task_queue)
        self._hooks = hooks
        self._registered = options.activities

    def on_start(self, attempt: Attempt) -> None:
        """Write down the call."""
        self._hooks.note(attempt.start)

    def on_failure(self, attempt: Attempt, failure: Failure) -> None:
        """Report an activity without a limit that has failed too often."""
        start = attempt.start
        if start.attempt == _ENDLESS and start.retry_policy.maximum_attempts == 0:
            self._hooks.endless(f"{attempt.title} fails again and again: {failure.message}")

    def unknown(self, name: str) -> Failure:
        """End the test."""
        meant = suggest(name, self._registered) if self._registered else ""
        text = f"activity '{name}' is neither in the script nor in the 'activities' of the environment{meant}"
        return failures.application(text, "UnknownActivity", non_retryable=True)


class TestWorker(Worker):
    """A worker that reports how its runs and activities go."""

    always_takes_activities = True

    def __init__(self, host: Host, options: WorkerOptions, hooks: Hooks) -> None:
        super().__init__(host, options)
        self._hooks = hooks
        self.permissions = EVERYTHING  # its server belongs to the tool

    def make_observer(self) -> Observer:
        """Make what sees how runs go."""
        return _Runs(self.options.task_queue, self._hooks)

    def make_activities(self) -> ActivityTasks:
        """Make what takes the activity tasks."""
        return _Activities(self.options, asyncio.get_running_loop(), self._hooks)


class _Runs(Observer):
    """Reports workflow tasks that fail (a run that no time will end); registers what search attributes the others set.

    Called on the threads of workers, before the server sees a task's commands.
    """

    def __init__(self, task_queue: str, hooks: Hooks) -> None:
        self._task_queue = task_queue
        self._hooks = hooks

    def unregistered(self, message: str) -> None:
        """Report a workflow that the worker does not have: a client of the test has started it."""
        self._hooks.failed(f"task queue '{self._task_queue}': {message}")

    def mismatch(self, run: Run, message: str, where: str) -> None:
        """Report a run that does not match its history."""
        super().mismatch(run, message, where)
        place = f"\n{where}" if where else ""
        name = f"workflow '{run.start.workflow_type}' ({run.start.workflow_id})"
        self._hooks.failed(f"{name} does not match its history: {message}{place}")

    def rejected(self, run: Run, message: str) -> None:
        """Report commands that the server refuses."""
        self._hooks.refusals.rejected(run.start.workflow_type)

    def activated(self, run: Run, act: WorkflowActivation, completion: WorkflowActivationCompletion) -> None:
        """Report a workflow task that failed, or register what it sets."""
        if completion.HasField("failed"):
            self._hooks.failed(completion.failed.failure.message)
            return
        if attributes := set_by(completion):
            self._hooks.register(attributes)
        self._hooks.handlers.activated(run, act, completion)
