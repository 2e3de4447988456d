"""Activities that a client completes, after `activity.complete_async()` or beside the worker that runs them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable
from dataclasses import dataclass

from temporalio import client as sdk
from temporalio.common import RawValue

from assay.errors import BuiltinError, ErrorObject, LuaError
from assay.lua.values import Json
from assay.temporal import payloads
from assay.temporal.failures import client_error, to_application_error
from assay.temporal.options import seconds


@dataclass(kw_only=True)
class ActivityTarget:
    """Which activity: its token, or its id and its workflow's.

    Attributes:
        task_token: What `activity.info().task_token` says in the activity. It stands for one attempt.
        workflow_id: The workflow that waits for the activity.
        run_id: The run of that workflow; the latest when left out.
        activity_id: What `activity.info().activity_id` says.
        rpc_timeout: Seconds until the server has to answer.
    """

    task_token: str | None = None
    workflow_id: str | None = None
    run_id: str | None = None
    activity_id: str | None = None
    rpc_timeout: float | None = None


@dataclass(kw_only=True)
class CompleteOptions(ActivityTarget):
    """Which activity to complete.

    Attributes:
        result: Its result.
    """

    result: Json | None = None


@dataclass(kw_only=True)
class FailOptions(ActivityTarget):
    """Which activity to fail, and how. Its retry policy decides whether it is tried again.

    Attributes:
        message: What went wrong. A text of the form `TYPE: message` gives the type too.
        type: What `retry_policy.non_retryable_errors` knows.
        details: More for whoever gets the error.
        non_retryable: Do not try again.
        next_retry_delay: Seconds until the next attempt, in place of what the retry policy says.
    """

    message: str = "the activity was failed by a client"
    type: str | None = None
    details: Json | None = None
    non_retryable: bool = False
    next_retry_delay: float | None = None


@dataclass(kw_only=True)
class HeartbeatOptions(ActivityTarget):
    """Which activity is alive.

    Attributes:
        details: What its next attempt finds in `activity.heartbeat_details()`; without any it finds nothing.
    """

    details: Json | None = None


def _handle(client: sdk.Client, target: ActivityTarget) -> sdk.AsyncActivityHandle:
    if target.task_token is not None:
        for option in ("workflow_id", "run_id", "activity_id"):
            if getattr(target, option) is not None:
                raise BuiltinError(f"bad option '{option}' ('task_token' says it already)")
        try:
            token = base64.b64decode(target.task_token, validate=True)
        except (binascii.Error, ValueError):
            token = b""
        if not token:
            raise BuiltinError("bad option 'task_token' (the Base64 text of activity.info().task_token expected)")
        return client.get_async_activity_handle(task_token=token)
    if target.workflow_id is None or target.activity_id is None:
        raise BuiltinError("missing option 'task_token' (or 'workflow_id' and 'activity_id')")
    return client.get_async_activity_handle(
        workflow_id=target.workflow_id, run_id=target.run_id, activity_id=target.activity_id
    )


async def _tell(title: str, call: Awaitable[None]) -> None:
    try:
        await call
    except sdk.AsyncActivityCancelledError as error:
        raise ErrorObject(f"{title}: the activity was cancelled", kind="cancelled") from error
    except Exception as error:
        raised = client_error(title, error)
        if raised is None:
            raise
        raise raised from error


async def complete(client: sdk.Client, options: CompleteOptions) -> None:
    """Complete an activity with a result."""
    result = RawValue(payloads.to_payload(options.result))
    call = _handle(client, options).complete(result, rpc_timeout=seconds(options.rpc_timeout))
    await _tell("client:complete_activity", call)


async def fail(client: sdk.Client, options: FailOptions) -> None:
    """Fail an activity."""
    value = {"type": options.type, "non_retryable": options.non_retryable, "next_retry_delay": options.next_retry_delay}
    if options.details is not None:
        value["details"] = payloads.to_python(options.details)
    failure = to_application_error(LuaError(options.message, value))
    call = _handle(client, options).fail(failure, rpc_timeout=seconds(options.rpc_timeout))
    await _tell("client:fail_activity", call)


async def heartbeat(client: sdk.Client, options: HeartbeatOptions) -> None:
    """Record a heartbeat. Raises an ErrorObject of kind "cancelled" when the activity is to end."""
    details = [] if options.details is None else [RawValue(payloads.to_payload(options.details))]
    call = _handle(client, options).heartbeat(*details, rpc_timeout=seconds(options.rpc_timeout))
    await _tell("client:heartbeat_activity", call)
