"""The gRPC client: what `temporal.connect` returns."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from temporalio import client as sdk
from temporalio.common import RawValue

from assay.errors import BuiltinError
from assay.lua.declare import method
from assay.lua.values import Json, Value
from assay.temporal import async_activity, payloads
from assay.temporal.async_activity import CompleteOptions, FailOptions, HeartbeatOptions
from assay.temporal.failures import client_error
from assay.temporal.options import RetryPolicyOptions, seconds

T = TypeVar("T")


@dataclass(kw_only=True)
class StartOptions:
    """What to start.

    Attributes:
        task_queue: Where a worker looks for it.
        workflow_type: The name that the worker registered.
        workflow_id: The id; a fresh UUID when left out.
        input: The workflow's input.
        execution_timeout: Seconds that the workflow may take with its retries and continuations.
        run_timeout: Seconds that one run may take.
        task_timeout: Seconds that one workflow task may take.
        retry_policy: When the whole workflow is tried again.
        rpc_timeout: Seconds until the server has to answer.
    """

    task_queue: str
    workflow_type: str
    workflow_id: str | None = None
    input: Value = None
    execution_timeout: float | None = None
    run_timeout: float | None = None
    task_timeout: float | None = None
    retry_policy: RetryPolicyOptions | None = None
    rpc_timeout: float | None = None


@dataclass(kw_only=True)
class SignalOptions:
    """Which signal to send where.

    Attributes:
        workflow_id: The workflow.
        run_id: One run of it; the latest when left out.
        signal_name: The signal.
        input: What `ctx:wait_signal` returns.
        rpc_timeout: Seconds until the server has to answer.
    """

    workflow_id: str
    run_id: str | None = None
    signal_name: str
    input: Value = None
    rpc_timeout: float | None = None


@dataclass(kw_only=True)
class QueryOptions:
    """What to ask where.

    Attributes:
        workflow_id: The workflow.
        run_id: One run of it; the latest when left out.
        query_type: The query.
        input: What the handler gets.
        rpc_timeout: Seconds until the server has to answer.
    """

    workflow_id: str
    run_id: str | None = None
    query_type: str
    input: Value = None
    rpc_timeout: float | None = None


@dataclass(kw_only=True)
class ResultOptions:
    """Whose result to wait for.

    Attributes:
        workflow_id: The workflow.
        run_id: One run of it; the latest when left out.
        follow_runs: Go on with the next run when the workflow continued as new or was retried.
        timeout: Seconds to wait; without it as long as it takes.
        rpc_timeout: Seconds until the server has to answer one poll.
    """

    workflow_id: str
    run_id: str | None = None
    follow_runs: bool = True
    timeout: float | None = None
    rpc_timeout: float | None = None


@dataclass(kw_only=True)
class Target:
    """One workflow.

    Attributes:
        workflow_id: The workflow.
        run_id: One run of it; the latest when left out.
        reason: Why; kept in the history.
        rpc_timeout: Seconds until the server has to answer.
    """

    workflow_id: str
    run_id: str | None = None
    reason: str | None = None
    rpc_timeout: float | None = None


@dataclass
class Started:
    """What was started.

    Attributes:
        workflow_id: Its id.
        run_id: The id of its first run.
    """

    workflow_id: str
    run_id: str | None


@dataclass
class Description:
    """What the server knows of a workflow. Times are seconds since 1970-01-01 UTC.

    Attributes:
        workflow_id: The workflow.
        run_id: The run.
        status: RUNNING, COMPLETED, FAILED, CANCELED, TERMINATED, CONTINUED_AS_NEW or TIMED_OUT.
        workflow_type: The name that the worker registered.
        task_queue: Where its worker looks for it.
        start_time: When the run started.
        execution_time: When its first task was or is due.
        close_time: When it ended; absent while it runs.
        history_length: The number of its events.
        parent_id: The workflow that started it, if one did.
    """

    workflow_id: str
    run_id: str
    status: str | None
    workflow_type: str
    task_queue: str
    start_time: float | None
    execution_time: float | None
    close_time: float | None
    history_length: int
    parent_id: str | None


def _timestamp(value: datetime | None) -> float | None:
    return None if value is None else value.timestamp()


def encode_input(value: Value) -> Json | None:
    """The JSON text of an `input` option. Raises BuiltinError when JSON cannot carry it."""
    if value is None:
        return None
    import orjson

    try:
        return Json(orjson.dumps(_json_value(value, "input")))
    except orjson.JSONEncodeError as error:
        raise BuiltinError(f"bad option 'input' (JSON cannot carry it: {error})") from None


def _json_value(value: Value, path: str) -> Value:
    if isinstance(value, bytes):
        raise BuiltinError(f"bad option 'input' (JSON cannot carry a string that is not UTF-8 text at {path})")
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        raise BuiltinError(f"bad option 'input' (JSON cannot carry {value} at {path})")
    if isinstance(value, dict):
        for key, item in value.items():
            _json_value(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value, 1):
            _json_value(item, f"{path}[{index}]")
    return value


def _target(target: str | Target) -> Target:
    return Target(workflow_id=target) if isinstance(target, str) else target


async def _answer(title: str, call: Awaitable[T]) -> T:
    """Await a call of the SDK; its errors become Lua's."""
    try:
        return await call
    except Exception as error:
        raised = client_error(title, error)
        if raised is None:
            raise
        raise raised from error


class Client:
    """A connection to a Temporal server."""

    lua_name: ClassVar[str] = "temporal.Client"

    def __init__(self, client: sdk.Client) -> None:
        self._client = client

    def _handle(self, workflow_id: str, run_id: str | None) -> sdk.WorkflowHandle[Any, Any]:
        return self._client.get_workflow_handle(workflow_id, run_id=run_id)

    @method
    async def start_workflow(self, options: StartOptions) -> Started:
        """Start a workflow. An id that is taken by a running workflow is an error of kind "already_started".

        Args:
            options: What to start.
        """
        handle = await _answer(
            "client:start_workflow",
            self._client.start_workflow(
                options.workflow_type,
                args=payloads.arguments(encode_input(options.input)),
                id=options.workflow_id or str(uuid.uuid4()),
                task_queue=options.task_queue,
                execution_timeout=seconds(options.execution_timeout),
                run_timeout=seconds(options.run_timeout),
                task_timeout=seconds(options.task_timeout),
                retry_policy=options.retry_policy.to_sdk() if options.retry_policy else None,
                rpc_timeout=seconds(options.rpc_timeout),
            ),
        )
        return Started(handle.id, handle.first_execution_run_id)

    @method
    async def signal_workflow(self, options: SignalOptions) -> None:
        """Send a signal to a running workflow.

        Args:
            options: Which signal to send where.
        """
        handle = self._handle(options.workflow_id, options.run_id)
        args = payloads.arguments(encode_input(options.input))
        call = handle.signal(options.signal_name, args=args, rpc_timeout=seconds(options.rpc_timeout))
        await _answer("client:signal_workflow", call)

    @method
    async def query_workflow(self, options: QueryOptions) -> Json:
        """Ask a workflow's query handler; returns what it answers.

        Args:
            options: What to ask where.
        """
        handle = self._handle(options.workflow_id, options.run_id)
        args = payloads.arguments(encode_input(options.input))
        call = handle.query(
            options.query_type, args=args, result_type=RawValue, rpc_timeout=seconds(options.rpc_timeout)
        )
        return payloads.to_json(await _answer("client:query_workflow", call))

    @method
    async def describe_workflow(self, target: str | Target) -> Description:
        """Tell what the server knows of a workflow.

        Args:
            target: Its id, or a table.
        """
        where = _target(target)
        handle = self._handle(where.workflow_id, where.run_id)
        found = await _answer("client:describe_workflow", handle.describe(rpc_timeout=seconds(where.rpc_timeout)))
        return Description(
            workflow_id=found.id,
            run_id=found.run_id,
            status=found.status.name if found.status is not None else None,
            workflow_type=found.workflow_type,
            task_queue=found.task_queue,
            start_time=_timestamp(found.start_time),
            execution_time=_timestamp(found.execution_time),
            close_time=_timestamp(found.close_time),
            history_length=found.history_length,
            parent_id=found.parent_id,
        )

    @method
    async def get_result(self, options: ResultOptions) -> Json:
        """Wait until a workflow has ended; returns its result, or raises its failure.

        Args:
            options: Whose result to wait for.
        """
        import asyncio

        from assay.errors import ErrorObject

        handle = self._client.get_workflow_handle(options.workflow_id, run_id=options.run_id, result_type=RawValue)
        result = handle.result(follow_runs=options.follow_runs, rpc_timeout=seconds(options.rpc_timeout))
        try:
            raw = await _answer("client:get_result", asyncio.wait_for(result, options.timeout))
        except TimeoutError:
            raise ErrorObject(
                f"client:get_result: workflow '{options.workflow_id}' has not ended within {options.timeout:g} s",
                kind="timeout",
            ) from None
        return payloads.to_json(raw) if isinstance(raw, RawValue) else Json(b"null")

    @method
    async def cancel_workflow(self, target: str | Target) -> None:
        """Ask a workflow to cancel: what it waits for raises an error of kind "cancelled".

        Args:
            target: Its id, or a table.
        """
        where = _target(target)
        handle = self._handle(where.workflow_id, where.run_id)
        call = handle.cancel(reason=where.reason or "", rpc_timeout=seconds(where.rpc_timeout))
        await _answer("client:cancel_workflow", call)

    @method
    async def terminate_workflow(self, target: str | Target) -> None:
        """End a workflow at once, without asking it.

        Args:
            target: Its id, or a table.
        """
        where = _target(target)
        handle = self._handle(where.workflow_id, where.run_id)
        call = handle.terminate(reason=where.reason, rpc_timeout=seconds(where.rpc_timeout))
        await _answer("client:terminate_workflow", call)

    @method
    async def complete_activity(self, options: CompleteOptions) -> None:
        """Complete an activity from outside: one that `activity.complete_async()` left open.

        Args:
            options: Which activity, and its result.
        """
        await async_activity.complete(self._client, options)

    @method
    async def fail_activity(self, options: FailOptions) -> None:
        """Fail an activity from outside.

        Args:
            options: Which activity, and how.
        """
        await async_activity.fail(self._client, options)

    @method
    async def heartbeat_activity(self, options: HeartbeatOptions) -> None:
        """Tell the server that an activity is alive; an error of kind "cancelled" when it is to end.

        Args:
            options: Which activity, and how far it is.
        """
        await async_activity.heartbeat(self._client, options)
