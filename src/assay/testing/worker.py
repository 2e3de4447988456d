"""The workers of a test environment, and their reports to it."""

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
from assay.testing.rejections import Rejections
from assay.testing.search_attributes import AttributeRegistry, attributes_set_by
from assay.testing.updates import UpdateHandlers

T = TypeVar("T")

SERVER_TIMEOUT = 60.0
"""Timeout of a worker's calls to the test server, in seconds."""

_RAISE_TIMEOUT = 5.0  # seconds after which a failed workflow task fails a test that waits for something else
_MAX_ATTEMPTS = 1000  # failed attempts of an activity without a limit; with the default policy, more than a day


class Reports:
    """The reports of an environment's workers: activity calls, failed workflow tasks, activities that keep failing."""

    def __init__(self, attributes: AttributeRegistry, end_test: Callable[[str], None]) -> None:
        """`end_test` fails the running test, whatever it waits for."""
        self.calls: list[ActivityCall] = []
        self.first_start: float | None = None
        """Start time of the first workflow, in the server's time."""
        self.handlers = UpdateHandlers()
        self._attributes = attributes
        self._loop = asyncio.get_running_loop()
        self.rejections = Rejections(self.task_failed)
        self._end_test = end_test
        self._failed_task: asyncio.Future[str] = self._loop.create_future()
        self._is_raised = False
        self._failing_activity: asyncio.Future[str] = self._loop.create_future()

    @property
    def failing_activity(self) -> str | None:
        """Message about an activity that keeps failing; None if there is none."""
        return self._failing_activity.result() if self._failing_activity.done() else None

    def add_call(self, start: Start) -> None:
        """Record a call of an activity; called on the script's loop."""
        at = 0.0 if self.first_start is None else start.scheduled_time.ToMicroseconds() / 1e6 - self.first_start
        value = _decode(start.input[0]) if start.input else None
        self.calls.append(ActivityCall(start.activity_type, value, start.attempt, math.floor(at)))

    def register(self, attributes: Mapping[str, Payload]) -> None:
        """Register search attributes with the server; called on a worker's thread."""
        adding = asyncio.run_coroutine_threadsafe(self._attributes.add(attributes), self._loop)
        try:
            adding.result(SERVER_TIMEOUT)
        except (RPCError, TimeoutError) as error:
            self.task_failed(f"cannot register the search attributes {', '.join(attributes)}: {error}")

    def task_failed(self, text: str) -> None:
        """Report a failed workflow task; may be called on any thread."""
        self._loop.call_soon_threadsafe(self._set_failed, text)

    def _set_failed(self, text: str) -> None:
        if not self._failed_task.done():
            self._failed_task.set_result(text)
            self._loop.call_later(_RAISE_TIMEOUT, self._end_test_unless_raised, text)

    def _end_test_unless_raised(self, text: str) -> None:
        if not self._is_raised:
            self._end_test(text)

    def keeps_failing(self, text: str) -> None:
        """Report an activity that keeps failing; may be called on any thread."""
        self._loop.call_soon_threadsafe(_set, self._failing_activity, text)

    async def unless_task_fails(self, call: Coroutine[Any, Any, T], *, watch_activities: bool = False) -> T:
        """Await a call of a client. Raise ErrorObject if a workflow task fails first.

        With `watch_activities`, also raise it if an activity keeps failing.
        """
        waiting = asyncio.ensure_future(call)
        reports = (self._failed_task, self._failing_activity) if watch_activities else (self._failed_task,)
        try:
            await asyncio.wait((waiting, *reports), return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return waiting.result()
            if self._failed_task.done():
                self._is_raised = True
                raise ErrorObject(self._failed_task.result(), kind="workflow_task")
            raise ErrorObject(self._failing_activity.result(), kind="timeout")
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
    """Activity tasks whose calls are recorded and reported if they keep failing."""

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
        """Record the call."""
        self._reports.add_call(attempt.start)

    def on_failure(self, attempt: Attempt, failure: Failure) -> None:
        """Report an activity that has failed too often and has no maximum number of attempts."""
        start = attempt.start
        if start.attempt == _MAX_ATTEMPTS and start.retry_policy.maximum_attempts == 0:
            self._reports.keeps_failing(f"{attempt.title} keeps failing: {failure.message}")

    def unknown(self, name: str) -> Failure:
        """Return the failure of a call of an unknown activity."""
        suggestion = suggest(name, self._registered) if self._registered else ""
        text = f"activity '{name}' is neither in the script nor in the 'activities' of the environment{suggestion}"
        return failures.application(text, "UnknownActivity", non_retryable=True)


class TestWorker(Worker):
    """A worker that reports its activity calls and workflow tasks."""

    always_takes_activities = True

    def __init__(
        self,
        host: Host,
        options: WorkerOptions,
        reports: Reports,
    ) -> None:
        super().__init__(host, options)
        self._reports = reports
        self.permissions = EVERYTHING  # it only connects to the test server

    def make_observer(self) -> Observer:
        """Create the observer of the runs."""
        return _RunObserver(self.options.task_queue, self._reports)

    def make_activities(self) -> ActivityTasks:
        """Create the handler of activity tasks."""
        return _Activities(self.options, asyncio.get_running_loop(), self._reports)


class _RunObserver(Observer):
    """Reports failed workflow tasks, and registers the search attributes that successful ones set.

    Its methods are called on the threads of workers, before the server receives the commands of a task.
    """

    def __init__(self, task_queue: str, reports: Reports) -> None:
        self._task_queue = task_queue
        self._reports = reports

    def unregistered(self, message: str) -> None:
        """Report a workflow that the worker does not register, but that a client of the test has started."""
        self._reports.task_failed(f"task queue '{self._task_queue}': {message}")

    def mismatch(self, run: WorkflowRun, message: str, where: str) -> None:
        """Report a run that does not match its history."""
        super().mismatch(run, message, where)
        place = f"\n{where}" if where else ""
        name = f"workflow '{run.start.workflow_type}' ({run.start.workflow_id})"
        self._reports.task_failed(f"{name} does not match its history: {message}{place}")

    def rejected(self, run: WorkflowRun, message: str) -> None:
        """Report commands that the server rejects."""
        self._reports.rejections.rejected(run.start.workflow_type)

    def activated(self, run: WorkflowRun, act: WorkflowActivation, completion: WorkflowActivationCompletion) -> None:
        """Report a failed workflow task, or register the search attributes that it sets."""
        if completion.HasField("failed"):
            self._reports.task_failed(completion.failed.failure.message)
            return
        if attributes := attributes_set_by(completion):
            self._reports.register(attributes)
        self._reports.handlers.activated(run, act, completion)
