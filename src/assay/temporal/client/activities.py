"""Activities that a client completes, after `activity.complete_async()` or beside the worker that runs them."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING

from temporalio.common import RawValue

from assay.errors import BuiltinError, LuaError
from assay.lua.declare import method
from assay.lua.values import Json, Name, Seconds
from assay.temporal.client.session import CallOptions, Session, answer
from assay.temporal.data import payloads

if TYPE_CHECKING:
    from temporalio import client as sdk


@dataclass(kw_only=True)
class ActivityTarget(CallOptions):
    """Which activity: its token, or its id and its workflow's.

    Attributes:
        task_token: What `activity.info().task_token` says in the activity. It represents one attempt.
        workflow_id: The workflow that waits for the activity.
        run_id: The run of that workflow; the latest when left out.
        activity_id: What `activity.info().activity_id` says.
    """

    task_token: Name | None = None
    workflow_id: Name | None = None
    run_id: Name | None = None
    activity_id: Name | None = None


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
        last_heartbeat_details: What the next attempt finds in `activity.heartbeat_details()`.
    """

    message: str = "the activity was failed by a client"
    type: str | None = None
    details: Json | None = None
    non_retryable: bool = False
    next_retry_delay: Seconds | None = None
    last_heartbeat_details: Json | None = None


@dataclass(kw_only=True)
class HeartbeatOptions(ActivityTarget):
    """Which activity is alive.

    Attributes:
        details: What its next attempt finds in `activity.heartbeat_details()`; without any it finds nothing.
    """

    details: Json | None = None


@dataclass(kw_only=True)
class CancelledOptions(ActivityTarget):
    """Which activity has ended.

    Attributes:
        details: What whoever waits for the activity finds in the error's `details`.
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


def _details(details: Json | None) -> list[RawValue]:
    return [] if details is None else [RawValue(payloads.to_payload(details))]


class ActivityMethods(Session):
    """The client's methods that represent an activity."""

    @method
    async def complete_activity(self, options: CompleteOptions) -> None:
        """Complete an activity from outside: one that `activity.complete_async()` left open.

        Args:
            options: Which activity, and its result.
        """
        result = RawValue(payloads.to_payload(options.result))
        call = _handle(self.sdk, options).complete(result, **options.rpc())
        await answer("client:complete_activity", call)

    @method
    async def fail_activity(self, options: FailOptions) -> None:
        """Fail an activity from outside.

        Args:
            options: Which activity, and how.
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
        await answer("client:fail_activity", call)

    @method
    async def heartbeat_activity(self, options: HeartbeatOptions) -> None:
        """Tell the server that an activity is alive; an error of kind "cancelled" when it is to end.

        Args:
            options: Which activity, and how far it is.
        """
        call = _handle(self.sdk, options).heartbeat(*_details(options.details), **options.rpc())
        await answer("client:heartbeat_activity", call)

    @method
    async def report_activity_cancelled(self, options: CancelledOptions) -> None:
        """Tell the server that an activity has ended because it was cancelled.

        Only for one that was: `heartbeat_activity` raises an error of kind "cancelled" then.

        Args:
            options: Which activity, and what it leaves.
        """
        call = _handle(self.sdk, options).report_cancellation(*_details(options.details), **options.rpc())
        await answer("client:report_activity_cancelled", call)
