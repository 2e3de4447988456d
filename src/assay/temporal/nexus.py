"""Nexus services that a worker serves: Lua functions, and operations that are workflows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from temporalio import nexus
from temporalio.common import RawValue, WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError

from assay.errors import BuiltinError, LuaError
from assay.lua.function import LuaFunction
from assay.lua.values import Json, Name, Seconds
from assay.temporal import payloads
from assay.temporal.failures import to_application_error
from assay.temporal.options import seconds
from assay.temporal.workflow.instance import Settings

logger = logging.getLogger(__name__)


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


def service_handlers(services: Services, script: asyncio.AbstractEventLoop, settings: Settings) -> Sequence[Any]:
    """The SDK's handlers of the services. `script` is the loop on which their functions run."""
    return [_service(name, operations, script, settings) for name, operations in services.items()]


def _service(
    name: str,
    operations: Mapping[str, LuaFunction | WorkflowOperation],
    script: asyncio.AbstractEventLoop,
    settings: Settings,
) -> Any:
    members: dict[str, Any] = {}
    for number, (operation, entry) in enumerate(operations.items()):
        title = f"operation '{operation}'"
        declare: Any
        if isinstance(entry, WorkflowOperation):
            method, declare = _of_workflow(title, entry, script), nexus.workflow_run_operation
        else:
            method, declare = _of_function(title, entry, script, settings), sync_operation
        # The SDK finds a method by its name, and takes its types from those of the arguments after `self`.
        method.__name__ = f"operation_{number}"
        del method.__annotations__["self"]
        members[method.__name__] = declare(name=operation)(method)
    cls: Any = service_handler(name=name)(type("LuaService", (), members))
    return cls()


def _of_function(
    title: str, function: LuaFunction, script: asyncio.AbstractEventLoop, settings: Settings
) -> Callable[..., Any]:
    """An operation that a Lua function answers at once."""

    async def run(self: Any, context: StartOperationContext, value: RawValue) -> RawValue:
        request = NexusRequest(context.service, context.operation, context.request_id, dict(context.headers))
        arguments = [payloads.to_json(value), Json.of(request)]
        result = await _call(title, function, arguments, script)
        return payloads.result(f"the result of {title}", result, settings.payload_limit)

    return run


def _of_workflow(title: str, options: WorkflowOperation, script: asyncio.AbstractEventLoop) -> Callable[..., Any]:
    """An operation that a workflow answers when it ends."""

    async def run(
        self: Any, context: nexus.WorkflowRunOperationContext, value: RawValue
    ) -> nexus.WorkflowHandle[RawValue]:
        workflow_id: Any = context.request_id
        if options.workflow_id is not None:
            found = await _call(title, options.workflow_id, [payloads.to_json(value)], script)
            workflow_id = None if found is None else payloads.to_python(found)
        if not isinstance(workflow_id, str) or not workflow_id:
            text = f"{title}: the function 'workflow_id' must return a text that is not empty"
            logger.warning("%s", text)
            raise ApplicationError(text, type="BadInput", non_retryable=True)
        return await context.start_workflow(
            options.workflow_type,
            value,
            id=workflow_id,
            task_queue=options.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy[options.id_conflict_policy.upper()],
            execution_timeout=seconds(options.execution_timeout),
            run_timeout=seconds(options.run_timeout),
            result_type=RawValue,
        )

    return run


async def _call(
    title: str, function: LuaFunction, arguments: list[Json], script: asyncio.AbstractEventLoop
) -> Json | None:
    """Run a function on the script's loop, from the worker's."""
    try:
        call = function.host.run(function, arguments, b"json")
        result: Json | None = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call, script))
    except LuaError as error:
        logger.warning("%s failed: %s", title, error.message)
        failure = to_application_error(error)
        raise failure from failure.__cause__
    except BuiltinError as error:
        raise ApplicationError(f"{title}: {error}", type="BadInput", non_retryable=True) from None
    return result
