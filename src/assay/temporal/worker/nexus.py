"""Nexus services of a worker: operations are Lua functions or workflows."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import orjson
from temporalio.api.common.v1 import Callback, WorkflowExecution
from temporalio.api.enums.v1 import NexusHandlerErrorRetryBehavior, WorkflowIdConflictPolicy
from temporalio.api.failure.v1 import Failure
from temporalio.api.nexus.v1 import Response, StartOperationRequest, StartOperationResponse
from temporalio.api.workflowservice.v1 import RequestCancelWorkflowExecutionRequest, StartWorkflowExecutionRequest
from temporalio.service import RPCError, RPCStatusCode, ServiceClient

from assay import events
from assay.errors import BuiltinError, LuaError
from assay.lua.function import LuaFunction
from assay.lua.values import Json, Name, Seconds
from assay.temporal.core.bridge import CoreWorker
from assay.temporal.core.protos import NexusTask, NexusTaskCompletion
from assay.temporal.data import failures, payloads
from assay.temporal.telemetry.reporter import Reporter
from assay.temporal.worker import links
from assay.temporal.worker.codec import MessageCodec

if TYPE_CHECKING:
    from assay.temporal.telemetry.call_spans import CallSpans

_WORKFLOW_TOKEN = 1
"""The type in the token of a workflow operation."""

_RETRY_BEHAVIORS = {
    None: NexusHandlerErrorRetryBehavior.NEXUS_HANDLER_ERROR_RETRY_BEHAVIOR_UNSPECIFIED,
    True: NexusHandlerErrorRetryBehavior.NEXUS_HANDLER_ERROR_RETRY_BEHAVIOR_RETRYABLE,
    False: NexusHandlerErrorRetryBehavior.NEXUS_HANDLER_ERROR_RETRY_BEHAVIOR_NON_RETRYABLE,
}

_RPC_ERROR_TYPES: Mapping[RPCStatusCode, tuple[str, bool | None]] = {
    RPCStatusCode.INVALID_ARGUMENT: ("BAD_REQUEST", None),
    RPCStatusCode.ALREADY_EXISTS: ("INTERNAL", False),
    RPCStatusCode.FAILED_PRECONDITION: ("INTERNAL", False),
    RPCStatusCode.OUT_OF_RANGE: ("INTERNAL", False),
    RPCStatusCode.ABORTED: ("UNAVAILABLE", None),
    RPCStatusCode.UNAVAILABLE: ("UNAVAILABLE", None),
    RPCStatusCode.NOT_FOUND: ("NOT_FOUND", None),
    RPCStatusCode.RESOURCE_EXHAUSTED: ("RESOURCE_EXHAUSTED", None),
    RPCStatusCode.UNIMPLEMENTED: ("NOT_IMPLEMENTED", None),
    RPCStatusCode.DEADLINE_EXCEEDED: ("UPSTREAM_TIMEOUT", None),
}
"""Nexus error type and retryability for each RPC status; others are INTERNAL and retryable."""


@dataclass(kw_only=True)
class WorkflowOperation:
    """An operation backed by a workflow: it completes with the workflow, and cancelling it cancels the workflow.

    Attributes:
        workflow_type: The workflow type. The workflow gets the input of the operation.
        workflow_id: A function that returns the workflow id for the input of the operation. Default: the request id,
            which stays the same when the request is retried.
        task_queue: The workflow's task queue. Default: the task queue of this worker.
        id_conflict_policy: If a workflow with this id is running: "fail" the operation, or "use_existing" to attach
            the operation to that workflow.
        execution_timeout: Seconds that the workflow may take, including retries and continue-as-new.
        run_timeout: Seconds that a single run may take.
    """

    workflow_type: Name
    workflow_id: LuaFunction | None = None
    task_queue: Name | None = None
    id_conflict_policy: Literal["fail", "use_existing"] = "fail"
    execution_timeout: Seconds | None = None
    run_timeout: Seconds | None = None


@dataclass
class NexusRequest:
    """The second argument of an operation's function.

    Attributes:
        service: The name of the service.
        operation: The name of the operation.
        request_id: The request id, which is the same for all attempts of a request.
        headers: The headers of the request.
    """

    service: str
    operation: str
    request_id: str
    headers: dict[str, str]


Services = dict[str, dict[str, LuaFunction | WorkflowOperation]]
"""Handlers by service and operation."""


class _HandlerError(Exception):
    """Fails a request. `kind` is a Nexus error type; `retryable` None means the default of that type."""

    def __init__(self, message: str, kind: str, *, retryable: bool | None = None, cause: Failure | None = None) -> None:
        super().__init__(message)
        self.failure = Failure(message=message, cause=cause)
        self.failure.nexus_handler_failure_info.type = kind
        self.failure.nexus_handler_failure_info.retry_behavior = _RETRY_BEHAVIORS[retryable]


class NexusTasks:
    """The Nexus tasks of a worker: taken on the worker's thread, handled on the script's loop."""

    def __init__(
        self,
        services: Services,
        script: asyncio.AbstractEventLoop,
        core: CoreWorker,
        codec: MessageCodec,
        spans: CallSpans | None,
        service: ServiceClient,
        namespace: str,
        task_queue: str,
        payload_limit: int,
        reporter: Reporter,
    ) -> None:
        self.reporter = reporter
        self._services = services
        self._script = script
        self._core = core
        self._codec = codec
        self._spans = spans
        self._service = service
        self._namespace = namespace
        self._task_queue = task_queue
        self._payload_limit = payload_limit
        self._worker = asyncio.get_running_loop()
        self._handlers: dict[bytes, _Handler] = {}
        self._idle: asyncio.Event | None = None

    def take(self, data: bytes) -> None:
        """Start handling a request, or cancel one."""
        task = NexusTask.FromString(data)
        if task.HasField("cancel_task"):
            handler = self._handlers.get(task.cancel_task.task_token)
            if handler is not None:
                handler.cancel()
            return
        request = task.task.request
        handler = _Handler(self, task.task.task_token, self._script)
        self._handlers[task.task.task_token] = handler
        if request.HasField("start_operation"):
            start = request.start_operation
            span = f"RunStartNexusOperationHandler:{start.service}/{start.operation}"
            handler.begin(self._traced(span, request.header, self._start(start, request.header, task, data)))
        else:
            cancel = request.cancel_operation
            span = f"RunCancelNexusOperationHandler:{cancel.service}/{cancel.operation}"
            handler.begin(self._traced(span, request.header, self._cancel(cancel.operation_token)))

    async def drained(self) -> None:
        """Wait until all completions are reported."""
        self._idle = asyncio.Event()
        if self._handlers:
            await self._idle.wait()

    # On the script's loop -----------------------------------------------------------------------------------

    async def complete(self, completion: NexusTaskCompletion) -> None:
        """Report the completion of a request."""
        try:
            self._codec.seal(completion, completion.failure if completion.HasField("failure") else None)
            await self._core.complete_nexus_task(completion.SerializeToString())
        except Exception as error:
            text = f"cannot report the completion of a Nexus operation: {error}"
            self.reporter.report(events.NEXUS_NOT_REPORTED, text)
        del self._handlers[completion.task_token]
        if self._idle is not None and not self._handlers:
            self._worker.call_soon_threadsafe(self._idle.set)

    async def _traced(self, span: str, headers: Mapping[str, str], handling: Coroutine[Any, Any, Response]) -> Response:
        with contextlib.nullcontext() if self._spans is None else self._spans.request(span, headers):
            return await handling

    async def _start(
        self, request: StartOperationRequest, headers: Mapping[str, str], task: NexusTask, data: bytes
    ) -> Response:
        entry = self._services.get(request.service, {}).get(request.operation)
        if entry is None:
            is_known = request.service in self._services
            missing = f"operation '{request.operation}'" if is_known else f"service '{request.service}'"
            raise _HandlerError(f"{missing} is not registered", "NOT_FOUND")
        title = f"operation '{request.operation}'"
        try:
            self._codec.open(task, data)
            value = payloads.from_payload(request.payload) if request.payload.metadata else None
        except BuiltinError as error:
            raise _HandlerError(f"{title}: {error}", "INTERNAL") from None
        value = Json(b"null") if value is None else value
        if isinstance(entry, WorkflowOperation):
            return Response(start_operation=await self._start_workflow(title, entry, request, value))
        details = NexusRequest(request.service, request.operation, request.request_id, dict(headers))
        result = await _call(title, entry, [value, Json.of(details)], self.reporter)
        problem = payloads.too_large(f"the result of {title}", len(result or b""), self._payload_limit)
        if problem is not None:
            self.reporter.report(events.NEXUS_BAD_VALUE, problem)
            raise _application_error(failures.application(problem, "PayloadTooLarge", non_retryable=True))
        response = StartOperationResponse()
        response.sync_success.payload.CopyFrom(payloads.to_payload(result))
        return Response(start_operation=response)

    async def _start_workflow(
        self, title: str, entry: WorkflowOperation, request: StartOperationRequest, value: Json
    ) -> StartOperationResponse:
        workflow_id: Any = request.request_id
        if entry.workflow_id is not None:
            result = await _call(title, entry.workflow_id, [value], self.reporter)
            workflow_id = None if result is None else payloads.to_python(result)
        if not isinstance(workflow_id, str) or not workflow_id:
            text = f"{title}: the function 'workflow_id' must return a non-empty string"
            self.reporter.report(events.NEXUS_BAD_VALUE, text)
            raise _application_error(failures.application(text, "BadInput", non_retryable=True))
        token = _token(self._namespace, workflow_id)
        start = StartWorkflowExecutionRequest(
            namespace=self._namespace,
            workflow_id=workflow_id,
            identity=self._service.config.identity,
            request_id=request.request_id,
            workflow_id_conflict_policy=WorkflowIdConflictPolicy.Value(
                f"WORKFLOW_ID_CONFLICT_POLICY_{entry.id_conflict_policy.upper()}"
            ),
            links=links.events(request.links),
        )
        start.workflow_type.name = entry.workflow_type
        start.task_queue.name = entry.task_queue or self._task_queue
        start.input.payloads.append(payloads.to_payload(value))
        if entry.execution_timeout is not None:
            start.workflow_execution_timeout.FromNanoseconds(int(entry.execution_timeout * 1e9))
        if entry.run_timeout is not None:
            start.workflow_run_timeout.FromNanoseconds(int(entry.run_timeout * 1e9))
        if request.callback:
            header = {**request.callback_header, "nexus-operation-token": token}
            callback = Callback.Nexus(url=request.callback, header=header)
            start.completion_callbacks.append(Callback(nexus=callback, links=start.links))
        if start.links or start.completion_callbacks:
            start.on_conflict_options.attach_request_id = True
            start.on_conflict_options.attach_completion_callbacks = True
            start.on_conflict_options.attach_links = True
        with contextlib.nullcontext() if self._spans is None else self._spans.started_workflow(start):
            self._codec.seal(start)
            try:
                started = await self._service.workflow_service.start_workflow_execution(start, retry=True)
            except RPCError as error:
                raise _rpc_error(error) from error
        response = StartOperationResponse()
        response.async_success.operation_token = token
        response.async_success.links.append(
            links.of_event(started.link.workflow_event)
            if started.link.HasField("workflow_event")
            else links.started(self._namespace, workflow_id, started.run_id, request.request_id)
        )
        return response

    async def _cancel(self, token: str) -> Response:
        workflow_id = _workflow_id(token, self._namespace)
        request = RequestCancelWorkflowExecutionRequest(
            namespace=self._namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id),
            identity=self._service.config.identity,
        )
        try:
            await self._service.workflow_service.request_cancel_workflow_execution(request, retry=True)
        except RPCError as error:
            raise _rpc_error(error) from error
        response = Response()
        response.cancel_operation.SetInParent()
        return response


class _Handler:
    """The handling of one request, in a task of the script's loop."""

    def __init__(self, tasks: NexusTasks, token: bytes, script: asyncio.AbstractEventLoop) -> None:
        self._tasks = tasks
        self._token = token
        self._script = script
        self._task: asyncio.Task[None] | None = None
        self._cancelled = False

    def begin(self, handling: Coroutine[Any, Any, Response]) -> None:
        """Start the task. Called on the worker's thread."""

        def start() -> None:
            self._task = asyncio.ensure_future(self._run(handling))

        self._script.call_soon_threadsafe(start)

    def cancel(self) -> None:
        """Cancel the task: its response is no longer needed. Called on the worker's thread."""

        def interrupt() -> None:
            self._cancelled = True
            if self._task is not None:
                self._task.cancel()

        self._script.call_soon_threadsafe(interrupt)

    async def _run(self, handling: Coroutine[Any, Any, Response]) -> None:
        completion = NexusTaskCompletion(task_token=self._token)
        try:
            completion.completed.CopyFrom(await handling)
        except asyncio.CancelledError:
            completion.ack_cancel = self._cancelled
        except _HandlerError as error:
            completion.failure.CopyFrom(error.failure)
        except Exception as error:
            self._tasks.reporter.report(events.NEXUS_ERROR, "a Nexus operation failed unexpectedly", error=error)
            completion.failure.CopyFrom(_HandlerError(f"{error!r}", "INTERNAL").failure)
        await asyncio.shield(self._tasks.complete(completion))


def _application_error(cause: Failure) -> _HandlerError:
    info = cause.application_failure_info
    return _HandlerError(
        "Handler failed with non-retryable application error", "INTERNAL", retryable=not info.non_retryable, cause=cause
    )


def _rpc_error(error: RPCError) -> _HandlerError:
    kind, retryable = _RPC_ERROR_TYPES.get(error.status, ("INTERNAL", None))
    return _HandlerError(error.message, kind, retryable=retryable)


async def _call(title: str, function: LuaFunction, arguments: list[Json], reporter: Reporter) -> Json | None:
    """Call a Lua function. Raises _HandlerError if it fails."""
    try:
        result: Json | None = await function.host.run(function, arguments, b"json")
    except LuaError as error:
        failure = failures.of_lua_error(error)
        reporter.report(events.NEXUS_FAILED, f"{title} failed: {failure.message}")
        raise _application_error(failure) from None
    except BuiltinError as error:
        text = f"{title}: {error}"
        reporter.report(events.NEXUS_BAD_VALUE, text)
        raise _application_error(failures.application(text, "BadInput", non_retryable=True)) from None
    return result


def _token(namespace: str, workflow_id: str) -> str:
    """Return the token of a workflow operation, in the format of Temporal's SDKs."""
    text = orjson.dumps({"t": _WORKFLOW_TOKEN, "ns": namespace, "wid": workflow_id})
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def _workflow_id(token: str, namespace: str) -> str:
    try:
        content = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        if content["t"] != _WORKFLOW_TOKEN or content["ns"] != namespace or not content["wid"]:
            raise ValueError
        return str(content["wid"])
    except (ValueError, TypeError, KeyError):
        raise _HandlerError("not the token of a workflow operation", "NOT_FOUND") from None
