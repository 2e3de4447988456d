"""`ctx`: what a workflow function calls. Each method asks the SDK; a failure becomes a Lua error object."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Literal, TypeVar

from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import ActivityError, FailureError

from assay.errors import BuiltinError, LuaError
from assay.lua.declare import method
from assay.lua.function import LuaFunction
from assay.lua.host import Several
from assay.lua.spawned import TaskResults
from assay.lua.values import Json
from assay.temporal import payloads
from assay.temporal.failures import to_error_object
from assay.temporal.options import RetryPolicyOptions, seconds
from assay.temporal.workflow.host import WorkflowHost
from assay.temporal.workflow.info import Info
from assay.temporal.workflow.nexus import Nexus
from assay.temporal.workflow.others import Others
from assay.temporal.workflow.randomness import Randomness
from assay.temporal.workflow.visibility import Visibility

T = TypeVar("T")

SIDE_EFFECT_ACTIVITY = "assay.side_effect"
SIDE_EFFECT_TIMEOUT = timedelta(seconds=10)


@dataclass(kw_only=True)
class ActivityOptions:
    """How an activity is run. All times are seconds.

    Attributes:
        start_to_close_timeout: How long one attempt may take.
        schedule_to_close_timeout: How long all attempts may take, with the time in the queue.
        schedule_to_start_timeout: How long an attempt may wait for a worker.
        heartbeat_timeout: How long an attempt may go without a heartbeat.
        retry_policy: When and how often to try again.
        task_queue: Where its worker looks for it; the workflow's own when left out.
    """

    start_to_close_timeout: float | None = None
    schedule_to_close_timeout: float | None = None
    schedule_to_start_timeout: float | None = None
    heartbeat_timeout: float | None = None
    retry_policy: RetryPolicyOptions | None = None
    task_queue: str | None = None


@dataclass(kw_only=True)
class ChildOptions:
    """How a child workflow is started. All times are seconds.

    Attributes:
        workflow_id: Its id; one made of the run's own random numbers when left out.
        task_queue: Where its worker looks for it; the workflow's own when left out.
        parent_close_policy: What happens to it when this workflow ends first.
        execution_timeout: How long it may take with its retries and continuations.
        run_timeout: How long one run may take.
        task_timeout: How long one workflow task may take.
        retry_policy: When the whole child is tried again.
    """

    workflow_id: str | None = None
    task_queue: str | None = None
    parent_close_policy: Literal["terminate", "abandon", "request_cancel"] = "terminate"
    execution_timeout: float | None = None
    run_timeout: float | None = None
    task_timeout: float | None = None
    retry_policy: RetryPolicyOptions | None = None


@dataclass(kw_only=True)
class SleepOptions:
    """How a timer is shown.

    Attributes:
        summary: What the Web UI and the history show beside it.
    """

    summary: str | None = None


@dataclass(kw_only=True)
class WaitOptions:
    """How long to wait.

    Attributes:
        timeout: Seconds; without it as long as it takes.
    """

    timeout: float | None = None


def _positive(name: str, value: float | None) -> timedelta | None:
    if value is not None and not 0 < value < float("inf"):
        raise BuiltinError(f"bad option '{name}' (a positive number of seconds expected, got {value:g})")
    return seconds(value)


async def _answer(call: Awaitable[T]) -> T:
    try:
        return await call
    except FailureError as error:
        raise to_error_object(error) from error


class Context(Visibility, Info, Others, Randomness, Nexus):
    """The first argument of a workflow function."""

    lua_name: ClassVar[str] = "Context"
    lua_prefix: ClassVar[str] = "ctx"

    def __init__(self, host: WorkflowHost) -> None:
        self._host = host
        self._side_effects = 0

    @method
    async def execute_activity(
        self, name: str, input: Json | None = None, options: ActivityOptions | None = None
    ) -> Json:
        """Run an activity and return its result; its failure, after the last retry, is raised.

        Args:
            name: The name under which a worker registered it.
            input: What it gets.
            options: Time limits and retries; one attempt may take 300 seconds by default.
        """
        given = options or ActivityOptions()
        start_to_close = _positive("start_to_close_timeout", given.start_to_close_timeout)
        schedule_to_close = _positive("schedule_to_close_timeout", given.schedule_to_close_timeout)
        if start_to_close is None and schedule_to_close is None:
            start_to_close = timedelta(seconds=300)
        call = workflow.execute_activity(
            name,
            args=payloads.arguments(input),
            result_type=RawValue,
            task_queue=given.task_queue,
            start_to_close_timeout=start_to_close,
            schedule_to_close_timeout=schedule_to_close,
            schedule_to_start_timeout=_positive("schedule_to_start_timeout", given.schedule_to_start_timeout),
            heartbeat_timeout=_positive("heartbeat_timeout", given.heartbeat_timeout),
            retry_policy=given.retry_policy.to_sdk() if given.retry_policy else None,
        )
        return payloads.to_json(await _answer(call))

    @method
    async def execute_child_workflow(
        self, type: str, input: Json | None = None, options: ChildOptions | None = None
    ) -> Json:
        """Start a child workflow, wait for its end and return its result; its failure is raised.

        Args:
            type: The name under which a worker registered it.
            input: What it gets.
            options: How it is started.
        """
        given = options or ChildOptions()
        call = workflow.execute_child_workflow(
            type,
            args=payloads.arguments(input),
            result_type=RawValue,
            id=given.workflow_id,
            task_queue=given.task_queue,
            parent_close_policy=workflow.ParentClosePolicy[given.parent_close_policy.upper()],
            execution_timeout=_positive("execution_timeout", given.execution_timeout),
            run_timeout=_positive("run_timeout", given.run_timeout),
            task_timeout=_positive("task_timeout", given.task_timeout),
            retry_policy=given.retry_policy.to_sdk() if given.retry_policy else None,
        )
        return payloads.to_json(await _answer(call))

    @method
    async def wait_signal(self, name: str, options: WaitOptions | None = None) -> Json | bool | None:
        """Wait for a signal and return its payload (`true` for a signal without one), or `nil` on a timeout.

        Signals are kept in order until they are waited for.

        Args:
            name: The signal.
            options: How long to wait.
        """
        queue = self._host.signals.setdefault(name, deque())
        timeout = _positive("timeout", options.timeout) if options else None
        try:
            await workflow.wait_condition(lambda: bool(queue), timeout=timeout)
        except TimeoutError:
            return None
        payload = queue.popleft()
        return True if payload == b"null" else payload

    @method
    async def sleep(self, duration: float, options: SleepOptions | None = None) -> None:
        """Wait by a timer of the server, which outlives this process.

        Args:
            duration: Seconds.
            options: How the timer is shown.
        """
        if not 0 <= duration < float("inf"):
            raise BuiltinError(f"bad argument 'duration' (a number of at least 0 expected, got {duration:g})")
        await workflow.sleep(duration, summary=options.summary if options else None)

    @method
    async def side_effect(self, function: LuaFunction) -> Json:
        """Run a function once in the life of the run, with the real clock and randomness; return its result.

        The result is in the history, a replay returns it without running the function. It runs on a copy of what it
        reaches: what it assigns is gone afterwards, only its result comes back.

        Args:
            function: What to run. It must not wait.
        """
        self._side_effects += 1
        key = self._side_effects
        self._host.side_effects[key] = function
        call = workflow.execute_local_activity(
            SIDE_EFFECT_ACTIVITY,
            args=[workflow.info().run_id, key],
            result_type=RawValue,
            start_to_close_timeout=SIDE_EFFECT_TIMEOUT,
            retry_policy=RetryPolicy(maximum_attempts=1),
        )
        try:
            return payloads.to_json(await call)
        except FailureError as error:
            cause = error.cause if isinstance(error, ActivityError) else error
            raise to_error_object(cause if isinstance(cause, FailureError) else error) from error
        finally:
            self._host.side_effects.pop(key, None)

    @method
    async def shield(self, function: LuaFunction) -> TaskResults:
        """Run a function to its end although the workflow is cancelled meanwhile; return its results.

        The cancellation is raised where the workflow waits next.

        Args:
            function: The clean-up. It may use every method of `ctx`.
        """
        import asyncio

        host = self._host
        task = host.start(function, (), b"keep")
        inner = asyncio.ensure_future(host.drive(task, host.step(task)))
        cancelled = False
        while not inner.done():
            try:
                await asyncio.wait([inner])
            except asyncio.CancelledError:
                host.check_alive()
                cancelled = True
        current = asyncio.current_task()
        if cancelled and current is not None:
            current.cancel()
        if inner.cancelled() or isinstance(inner.exception(), LuaError):
            return TaskResults(task)
        inner.result()
        return TaskResults(task)

    @method
    def is_cancelled(self) -> bool:
        """Tell whether somebody has asked the workflow to cancel."""
        return workflow.cancellation_reason() is not None

    @method
    def patched(self, id: str) -> bool:
        """Tell whether this run takes the new way of a change: new runs do, runs from before the change do not.

        Args:
            id: A name of the change.
        """
        return workflow.patched(id)

    @method
    def deprecate_patch(self, id: str) -> None:
        """Say that no run from before a change is open any more, before its `patched` is removed.

        Args:
            id: The name of the change.
        """
        workflow.deprecate_patch(id)

    @method
    def now(self) -> float:
        """Return the workflow's time: seconds since 1970-01-01 UTC, the same on every replay."""
        return workflow.time()

    @method
    def uuid(self) -> str:
        """Return a UUID, the same on every replay."""
        return str(workflow.uuid4())

    @method
    def is_replaying(self) -> bool:
        """Tell whether the run is being rebuilt from its history. For logs and metrics only."""
        return workflow.unsafe.is_replaying()

    @method
    def poll_signal(self, name: str) -> Several:
        """Take a signal without waiting: returns whether there was one, and its payload.

        Args:
            name: The signal.
        """
        queue = self._host.signals.get(name)
        if not queue:
            return Several((False, None))
        payload = payloads.to_python(queue.popleft())
        return Several((True, True if payload is None else payload))

    @method
    def register_query(self, name: str, handler: LuaFunction) -> None:
        """Answer a query while the workflow waits and after it has ended.

        Args:
            name: The query.
            handler: Gets the query's input, returns the answer. It runs on a copy of what it reaches: it only reads.
        """
        self._host.queries[name] = handler
