"""The workers of a test environment, and what they report to it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.service import RPCError

from assay.errors import AssayError, ErrorObject
from assay.lua.convert import suggest
from assay.lua.host import Host
from assay.permissions import EVERYTHING
from assay.temporal.core.protos import Start, WorkflowActivation, WorkflowActivationCompletion
from assay.temporal.data import failures, payloads
from assay.temporal.worker.activities import ActivityTasks
from assay.temporal.worker.attempt import Attempt
from assay.temporal.worker.options import WorkerOptions
from assay.temporal.worker.worker import Worker
from assay.temporal.workflow.run.run import Run as WorkflowRun
from assay.temporal.workflow.runs import Observer
from assay.testing.options import ActivityCall
from assay.testing.refusals import Refusals
from assay.testing.search_attributes import Registered, set_by
from assay.testing.updates import Handlers

T = TypeVar("T")

SERVER_TIMEOUT = 60.0
"""Seconds for what a worker waits for before it continues."""

_UNRAISED = 5.0  # seconds after which a failed workflow task ends a test that waits for something else
_ENDLESS = 1000  # failed attempts of an activity without a limit, by default more than a day of them


class Reports:
    """What the workers of an environment report: calls of activities, tasks that fail, activities that keep failing."""

    def __init__(self, attributes: Registered, end_test: Callable[[str], None]) -> None:
        """`end_test` lets the running test fail, whatever it waits for."""
        self.calls: list[ActivityCall] = []
        self.first_start: float | None = None
        """When the first workflow was started, in the server's time."""
        self.handlers = Handlers()
        self._attributes = attributes
        self._loop = asyncio.get_running_loop()
        self.refusals = Refusals(self.task_failed)
        self._end_test = end_test
        self._failed: asyncio.Future[str] = self._loop.create_future()
        self._is_raised = False
        self._endless: asyncio.Future[str] = self._loop.create_future()

    @property
    def endless(self) -> str | None:
        """Return what an activity that keeps failing fails with."""
        return self._endless.result() if self._endless.done() else None

    def add_call(self, start: Start) -> None:
        """Note a call of an activity; on the script's loop."""
        at = 0.0 if self.first_start is None else start.scheduled_time.ToMicroseconds() / 1e6 - self.first_start
        value = _decode(start.input[0]) if start.input else None
        self.calls.append(ActivityCall(start.activity_type, value, start.attempt, math.floor(at)))

    def register(self, attributes: Mapping[str, Payload]) -> None:
        """Register search attributes with the server; on a worker's thread."""
        adding = asyncio.run_coroutine_threadsafe(self._attributes.add(attributes), self._loop)
        try:
            adding.result(SERVER_TIMEOUT)
        except (RPCError, TimeoutError) as error:
            self.task_failed(f"the search attributes {', '.join(attributes)} cannot be registered: {error}")

    def task_failed(self, text: str) -> None:
        """Report a workflow task that failed; from any thread."""
        self._loop.call_soon_threadsafe(self._set_failed, text)

    def _set_failed(self, text: str) -> None:
        if not self._failed.done():
            self._failed.set_result(text)
            self._loop.call_later(_UNRAISED, self._end_unraised, text)

    def _end_unraised(self, text: str) -> None:
        if not self._is_raised:
            self._end_test(text)

    def keeps_failing(self, text: str) -> None:
        """Report an activity that keeps failing; from any thread."""
        self._loop.call_soon_threadsafe(_set, self._endless, text)

    async def unless_a_task_fails(self, call: Coroutine[Any, Any, T], *, may_be_endless: bool = False) -> T:
        """Await a call of a client, unless a task fails meanwhile. Raises ErrorObject."""
        waiting = asyncio.ensure_future(call)
        signs = (self._failed, self._endless) if may_be_endless else (self._failed,)
        try:
            await asyncio.wait((waiting, *signs), return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return waiting.result()
            if self._failed.done():
                self._is_raised = True
                raise ErrorObject(self._failed.result(), kind="workflow_task")
            raise ErrorObject(self._endless.result(), kind="timeout")
        finally:
            if not waiting.done():
                waiting.cancel()
                await asyncio.wait((waiting,))


def _set(future: asyncio.Future[str], text: str) -> None:
    if not future.done():
        future.set_result(text)


def _decode(payload: Payload) -> Any:
    try:
        value = payloads.from_payload(payload)
        return None if value is None else payloads.to_python(value)
    except AssayError:
        return None


class _Activities(ActivityTasks):
    """Records the calls of activities, and reports one that keeps failing."""

    def __init__(
        self,
        options: WorkerOptions,
        script: asyncio.AbstractEventLoop,
        reports: Reports,
    ) -> None:
        super().__init__(options.all_activities(), script, options.task_queue)
        self._reports = reports
        self._registered = options.activities

    def on_start(self, attempt: Attempt) -> None:
        """Write down the call."""
        self._reports.add_call(attempt.start)

    def on_failure(self, attempt: Attempt, failure: Failure) -> None:
        """Report an activity without a limit that has failed too often."""
        start = attempt.start
        if start.attempt == _ENDLESS and start.retry_policy.maximum_attempts == 0:
            self._reports.keeps_failing(f"{attempt.title} keeps failing: {failure.message}")

    def unknown(self, name: str) -> Failure:
        """End the test."""
        meant = suggest(name, self._registered) if self._registered else ""
        text = f"activity '{name}' is neither in the script nor in the 'activities' of the environment{meant}"
        return failures.application(text, "UnknownActivity", non_retryable=True)


class TestWorker(Worker):
    """A worker whose activities are watched."""

    always_takes_activities = True

    def __init__(
        self,
        host: Host,
        options: WorkerOptions,
        reports: Reports,
    ) -> None:
        super().__init__(host, options)
        self._reports = reports
        self.permissions = EVERYTHING  # its server belongs to the tool

    def make_observer(self) -> Observer:
        """Make what sees how runs go."""
        return _Runs(self.options.task_queue, self._reports)

    def make_activities(self) -> ActivityTasks:
        """Make what takes the activity tasks."""
        return _Activities(self.options, asyncio.get_running_loop(), self._reports)


class _Runs(Observer):
    """Reports workflow tasks that fail (a run that no time will end); registers what search attributes the others set.

    Called on the threads of workers, before the server sees a task's commands.
    """

    def __init__(self, task_queue: str, reports: Reports) -> None:
        self._task_queue = task_queue
        self._reports = reports

    def unregistered(self, message: str) -> None:
        """Report a workflow that the worker does not have: a client of the test has started it."""
        self._reports.task_failed(f"task queue '{self._task_queue}': {message}")

    def mismatch(self, run: WorkflowRun, message: str, where: str) -> None:
        """Report a run that does not match its history."""
        super().mismatch(run, message, where)
        place = f"\n{where}" if where else ""
        name = f"workflow '{run.start.workflow_type}' ({run.start.workflow_id})"
        self._reports.task_failed(f"{name} does not match its history: {message}{place}")

    def rejected(self, run: WorkflowRun, message: str) -> None:
        """Report commands that the server refuses."""
        self._reports.refusals.rejected(run.start.workflow_type)

    def activated(self, run: WorkflowRun, act: WorkflowActivation, completion: WorkflowActivationCompletion) -> None:
        """Report a workflow task that failed, or register what it sets."""
        if completion.HasField("failed"):
            self._reports.task_failed(completion.failed.failure.message)
            return
        if attributes := set_by(completion):
            self._reports.register(attributes)
        self._reports.handlers.activated(run, act, completion)
