"""Client methods that complete activities asynchronously, after `activity.complete_async()`."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING

from temporalio.common import RawValue

from assay.errors import BuiltinError, LuaError
from assay.lua.declare import method
from assay.lua.values import Json, Name, Seconds
from assay.temporal.client.session import CallOptions, Session, call_server
from assay.temporal.data import payloads

if TYPE_CHECKING:
    from temporalio import client as sdk


@dataclass(kw_only=True)
class ActivityTarget(CallOptions):
    """An activity, identified by a task token, or by its own and its workflow's id.

    Attributes:
        task_token: Value of `activity.info().task_token` in the activity. It identifies one attempt.
        workflow_id: Id of the workflow that waits for the activity.
        run_id: Run id of that workflow; the latest run if omitted.
        activity_id: Value of `activity.info().activity_id`.
    """

    task_token: Name | None = None
    workflow_id: Name | None = None
    run_id: Name | None = None
    activity_id: Name | None = None


@dataclass(kw_only=True)
class CompleteOptions(ActivityTarget):
    """Options of `client:complete_activity`.

    Attributes:
        result: Result of the activity.
    """

    result: Json | None = None


@dataclass(kw_only=True)
class FailOptions(ActivityTarget):
    """Options of `client:fail_activity`. The retry policy decides whether the activity is retried.

    Attributes:
        message: Error message. A message of the form `TYPE: message` also sets the type.
        type: Error type, as matched by `retry_policy.non_retryable_errors`.
        details: Any value, returned as `details` of the error.
        non_retryable: Do not retry the activity.
        next_retry_delay: Delay of the next attempt, in seconds, instead of the retry policy's.
        last_heartbeat_details: Value that the next attempt reads with `activity.heartbeat_details()`.
    """

    message: str = "the activity was failed by a client"
    type: str | None = None
    details: Json | None = None
    non_retryable: bool = False
    next_retry_delay: Seconds | None = None
    last_heartbeat_details: Json | None = None


@dataclass(kw_only=True)
class HeartbeatOptions(ActivityTarget):
    """Options of `client:heartbeat_activity`.

    Attributes:
        details: Value that the next attempt reads with `activity.heartbeat_details()`; cleared if omitted.
    """

    details: Json | None = None


@dataclass(kw_only=True)
class CancelledOptions(ActivityTarget):
    """Options of `client:report_activity_cancelled`.

    Attributes:
        details: Any value, returned as `details` of the error that the workflow gets.
    """

    details: Json | None = None


def _handle(client: sdk.Client, target: ActivityTarget) -> sdk.AsyncActivityHandle:
    if target.task_token is not None:
        for option in ("workflow_id", "run_id", "activity_id"):
            if getattr(target, option) is not None:
                raise BuiltinError(f"bad option '{option}' (mutually exclusive with 'task_token')")
        try:
            token = base64.b64decode(target.task_token, validate=True)
        except (binascii.Error, ValueError):
            token = b""
        if not token:
            raise BuiltinError("bad option 'task_token' (Base64 string of activity.info().task_token expected)")
        return client.get_async_activity_handle(task_token=token)
    if target.workflow_id is None or target.activity_id is None:
        raise BuiltinError("missing option 'task_token' (or 'workflow_id' and 'activity_id')")
    return client.get_async_activity_handle(
        workflow_id=target.workflow_id, run_id=target.run_id, activity_id=target.activity_id
    )


def _details(details: Json | None) -> list[RawValue]:
    return [] if details is None else [RawValue(payloads.to_payload(details))]


class ActivityMethods(Session):
    """Client methods that complete activities asynchronously."""

    @method
    async def complete_activity(self, options: CompleteOptions) -> None:
        """Complete an activity that called `activity.complete_async()`.

        Args:
            options: Activity and result.
        """
        result = RawValue(payloads.to_payload(options.result))
        call = _handle(self.sdk, options).complete(result, **options.rpc())
        await call_server("client:complete_activity", call)

    @method
    async def fail_activity(self, options: FailOptions) -> None:
        """Fail an activity that called `activity.complete_async()`.

        Args:
            options: Activity and error.
        """
        value = {
            "type": options.type,
            "non_retryable": options.non_retryable,
            "next_retry_delay": options.next_retry_delay,
        }
        if options.details is not None:
            value["details"] = payloads.to_python(options.details)
        from assay.temporal.client.conversion import to_application_error

        failure = to_application_error(LuaError(options.message, value))
        call = _handle(self.sdk, options).fail(
            failure, last_heartbeat_details=_details(options.last_heartbeat_details), **options.rpc()
        )
        await call_server("client:fail_activity", call)

    @method
    async def heartbeat_activity(self, options: HeartbeatOptions) -> None:
        """Send a heartbeat for an activity. Raises an error of kind "cancelled" if its cancellation was requested.

        Args:
            options: Activity and progress.
        """
        call = _handle(self.sdk, options).heartbeat(*_details(options.details), **options.rpc())
        await call_server("client:heartbeat_activity", call)

    @method
    async def report_activity_cancelled(self, options: CancelledOptions) -> None:
        """Report that an activity has been cancelled.

        Valid only after a cancellation request: `heartbeat_activity` then raises an error of kind "cancelled".

        Args:
            options: Activity and details.
        """
        call = _handle(self.sdk, options).report_cancellation(*_details(options.details), **options.rpc())
        await call_server("client:report_activity_cancelled", call)
