"""Nexus services that a worker serves: Lua functions, and operations that are workflows."""

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
"""The type of the tokens of operations that are workflows."""

_RETRY = {
    None: NexusHandlerErrorRetryBehavior.NEXUS_HANDLER_ERROR_RETRY_BEHAVIOR_UNSPECIFIED,
    True: NexusHandlerErrorRetryBehavior.NEXUS_HANDLER_ERROR_RETRY_BEHAVIOR_RETRYABLE,
    False: NexusHandlerErrorRetryBehavior.NEXUS_HANDLER_ERROR_RETRY_BEHAVIOR_NON_RETRYABLE,
}

_OF_RPC: Mapping[RPCStatusCode, tuple[str, bool | None]] = {
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
"""What a refused call of the server is for the caller of the operation; of the others INTERNAL, to be tried again."""


@dataclass(kw_only=True)
class WorkflowOperation:
    """An operation that is a workflow: it ends when the workflow does, and a cancel of the one cancels the other.

    Attributes:
        workflow_type: The workflow; it gets the operation's input.
        workflow_id: A function of the operation's input that returns the workflow's id; the id of the request when left
            out, which is the same when the request is sent again.
        task_queue: Where a worker looks for it; this worker's own when left out.
        id_conflict_policy: What happens when a workflow with this id is running: the operation fails, or it ends with
            that workflow.
        execution_timeout: Seconds that the workflow may take with its retries and continuations.
        run_timeout: Seconds that one run may take.
    """

    workflow_type: Name
    workflow_id: LuaFunction | None = None
    task_queue: Name | None = None
    id_conflict_policy: Literal["fail", "use_existing"] = "fail"
    execution_timeout: Seconds | None = None
    run_timeout: Seconds | None = None


@dataclass
class NexusRequest:
    """What the function of an operation gets beside the input.

    Attributes:
        service: The service.
        operation: The operation.
        request_id: The same for all attempts of a request.
        headers: The headers of the request.
    """

    service: str
    operation: str
    request_id: str
    headers: dict[str, str]


Services = dict[str, dict[str, LuaFunction | WorkflowOperation]]
"""Service → operation → what runs for it."""


class _HandlerError(Exception):
    """Ends a request: `kind` is a type of Nexus errors, `retryable` None for its default."""

    def __init__(self, message: str, kind: str, *, retryable: bool | None = None, cause: Failure | None = None) -> None:
        super().__init__(message)
        self.failure = Failure(message=message, cause=cause)
        self.failure.nexus_handler_failure_info.type = kind
        self.failure.nexus_handler_failure_info.retry_behavior = _RETRY[retryable]


class NexusTasks:
    """The Nexus tasks of a worker: taken on its thread; Lua functions run on the script's loop."""

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
        """Takes what has to be reported."""
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
        self._requests: dict[bytes, _Request] = {}
        self._idle: asyncio.Event | None = None

    def take(self, data: bytes) -> None:
        """Begin a request, or cancel one."""
        task = NexusTask.FromString(data)
        if task.HasField("cancel_task"):
            request = self._requests.get(task.cancel_task.task_token)
            if request is not None:
                request.cancel()
            return
        given = task.task.request
        request = _Request(self, task.task.task_token, self._script)
        self._requests[task.task.task_token] = request
        if given.HasField("start_operation"):
            operation = given.start_operation
            what = f"RunStartNexusOperationHandler:{operation.service}/{operation.operation}"
            request.begin(self._traced(what, given.header, self._start(operation, given.header, task, data)))
        else:
            ended = given.cancel_operation
            what = f"RunCancelNexusOperationHandler:{ended.service}/{ended.operation}"
            request.begin(self._traced(what, given.header, self._cancel(ended.operation_token)))

    async def drained(self) -> None:
        """Wait until all are reported."""
        self._idle = asyncio.Event()
        if self._requests:
            await self._idle.wait()

    # On the script's loop -----------------------------------------------------------------------------------

    async def complete(self, completion: NexusTaskCompletion) -> None:
        """Report the end of a request."""
        try:
            self._codec.seal(completion, completion.failure if completion.HasField("failure") else None)
            await self._core.complete_nexus_task(completion.SerializeToString())
        except Exception as error:
            text = f"a Nexus operation: its end could not be reported: {error}"
            self.reporter.report(events.NEXUS_NOT_REPORTED, text)
        del self._requests[completion.task_token]
        if self._idle is not None and not self._requests:
            self._worker.call_soon_threadsafe(self._idle.set)

    async def _traced(
        self, what: str, headers: Mapping[str, str], answering: Coroutine[Any, Any, Response]
    ) -> Response:
        with contextlib.nullcontext() if self._spans is None else self._spans.request(what, headers):
            return await answering

    async def _start(
        self, request: StartOperationRequest, headers: Mapping[str, str], task: NexusTask, data: bytes
    ) -> Response:
        entry = self._services.get(request.service, {}).get(request.operation)
        if entry is None:
            known = self._services.get(request.service)
            what = f"service '{request.service}'" if known is None else f"operation '{request.operation}'"
            raise _HandlerError(f"{what} is not registered", "NOT_FOUND")
        title = f"operation '{request.operation}'"
        try:
            self._codec.open(task, data)
            value = payloads.from_payload(request.payload) if request.payload.metadata else None
        except BuiltinError as error:
            raise _HandlerError(f"{title}: {error}", "INTERNAL") from None
        value = Json(b"null") if value is None else value
        if isinstance(entry, WorkflowOperation):
            return Response(start_operation=await self._start_workflow(title, entry, request, value))
        described = NexusRequest(request.service, request.operation, request.request_id, dict(headers))
        result = await _call(title, entry, [value, Json.of(described)], self.reporter)
        problem = payloads.too_large(f"the result of {title}", len(result or b""), self._payload_limit)
        if problem is not None:
            self.reporter.report(events.NEXUS_BAD_VALUE, problem)
            raise _application_error(failures.application(problem, "PayloadTooLarge", non_retryable=True))
        answer = StartOperationResponse()
        answer.sync_success.payload.CopyFrom(payloads.to_payload(result))
        return Response(start_operation=answer)

    async def _start_workflow(
        self, title: str, entry: WorkflowOperation, request: StartOperationRequest, value: Json
    ) -> StartOperationResponse:
        workflow_id: Any = request.request_id
        if entry.workflow_id is not None:
            found = await _call(title, entry.workflow_id, [value], self.reporter)
            workflow_id = None if found is None else payloads.to_python(found)
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
                raise _of_rpc(error) from error
        answer = StartOperationResponse()
        answer.async_success.operation_token = token
        answer.async_success.links.append(
            links.of_event(started.link.workflow_event)
            if started.link.HasField("workflow_event")
            else links.started(self._namespace, workflow_id, started.run_id, request.request_id)
        )
        return answer

    async def _cancel(self, token: str) -> Response:
        workflow_id = _workflow_of(token, self._namespace)
        request = RequestCancelWorkflowExecutionRequest(
            namespace=self._namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id),
            identity=self._service.config.identity,
        )
        try:
            await self._service.workflow_service.request_cancel_workflow_execution(request, retry=True)
        except RPCError as error:
            raise _of_rpc(error) from error
        answer = Response()
        answer.cancel_operation.SetInParent()
        return answer


class _Request:
    """A request that is being answered, by a task of the script's loop."""

    def __init__(self, tasks: NexusTasks, token: bytes, script: asyncio.AbstractEventLoop) -> None:
        self._tasks = tasks
        self._token = token
        self._script = script
        self._task: asyncio.Task[None] | None = None
        self._cancelled = False

    def begin(self, answering: Coroutine[Any, Any, Response]) -> None:
        """Start the task; from the worker's thread."""

        def start() -> None:
            self._task = asyncio.ensure_future(self._answer(answering))

        self._script.call_soon_threadsafe(start)

    def cancel(self) -> None:
        """Interrupt it: its answer is no longer needed; from the worker's thread."""

        def interrupt() -> None:
            self._cancelled = True
            if self._task is not None:
                self._task.cancel()

        self._script.call_soon_threadsafe(interrupt)

    async def _answer(self, answering: Coroutine[Any, Any, Response]) -> None:
        completion = NexusTaskCompletion(task_token=self._token)
        try:
            completion.completed.CopyFrom(await answering)
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


def _of_rpc(error: RPCError) -> _HandlerError:
    kind, retryable = _OF_RPC.get(error.status, ("INTERNAL", None))
    return _HandlerError(error.message, kind, retryable=retryable)


async def _call(title: str, function: LuaFunction, arguments: list[Json], reporter: Reporter) -> Json | None:
    """Run a function; on the script's loop."""
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
    """The token of an operation that is a workflow, as Temporal's SDKs write it."""
    text = orjson.dumps({"t": _WORKFLOW_TOKEN, "ns": namespace, "wid": workflow_id})
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def _workflow_of(token: str, namespace: str) -> str:
    try:
        found = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        if found["t"] != _WORKFLOW_TOKEN or found["ns"] != namespace or not found["wid"]:
            raise ValueError
        return str(found["wid"])
    except (ValueError, TypeError, KeyError):
        raise _HandlerError("not the token of an operation that is a workflow", "NOT_FOUND") from None
