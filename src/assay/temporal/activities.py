"""Activities: Lua functions of the script's state, called from the worker's thread."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from temporalio import activity
from temporalio.common import MetricMeter, RawValue
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from assay.errors import BuiltinError, LuaError
from assay.lua.function import LuaFunction
from assay.lua.values import Json
from assay.temporal import payloads
from assay.temporal.activity import live
from assay.temporal.failures import to_application_error
from assay.temporal.workflow.ctx.activities import SIDE_EFFECT_ACTIVITY
from assay.temporal.workflow.runs import Runs, UnknownRunError
from assay.temporal.workflow.sandbox.host import HostFailure
from assay.temporal.workflow.settings import Settings

logger = logging.getLogger(__name__)

HEARTBEATS_PER_TIMEOUT = 3
"""How often an activity keeps itself alive within its heartbeat timeout."""
_TOLD = 3  # failed attempts that are told one by one: one that is tried for days would bury everything else


@dataclass(kw_only=True)
class LimitedActivity:
    """An activity with a limit of its own.

    Attributes:
        run: The function; it gets the input and returns the result.
        max_concurrent: How many of it run at once on this worker. One that waits for its turn has begun for the
            server: its `start_to_close_timeout` runs, its heartbeats go on, and it counts for
            `max_concurrent_activities`.
    """

    run: LuaFunction
    max_concurrent: int | None = None


class Attempt:
    """One attempt of an activity: a task on the script's loop, seen from the worker's loop.

    A cancellation is passed on, and waited for: the Lua code may clean up. Made in the SDK's coroutine.
    """

    def __init__(self, function: LuaFunction, script: asyncio.AbstractEventLoop) -> None:
        self.info = activity.info()
        self.cancelled = False
        self.ended = False
        self.completes_later = False
        self._function = function
        self._script = script
        self._worker = asyncio.get_running_loop()
        self._context = contextvars.copy_context()  # the SDK finds its activity in it
        self._task: asyncio.Task[Any] | None = None
        self._noticed = False
        # A heartbeat without details would take the last ones away from the next attempt.
        self._details: list[RawValue] = list(self.info.heartbeat_details)
        self._is_due = False

    # On the worker's loop -----------------------------------------------------------------------------------

    async def result(self, arguments: list[Json]) -> Json | None:
        """Run the function and wait for its result; a cancellation only after the Lua code let it through."""
        running = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._run(arguments), self._script))
        while not running.done():
            try:
                await asyncio.wait((running,))
            except asyncio.CancelledError:
                self.cancelled = True
                self._script.call_soon_threadsafe(self._cancel)
        result: Json | None = running.result()
        return result

    async def keep_alive(self) -> None:
        """Send heartbeats until cancelled, if the server expects any."""
        if self.info.heartbeat_timeout is None:
            return
        pause = self.info.heartbeat_timeout.total_seconds() / HEARTBEATS_PER_TIMEOUT
        while True:
            await asyncio.sleep(pause)
            self._send()

    def _send(self) -> None:
        self._is_due = False
        activity.heartbeat(*self._details)

    # On the script's loop -----------------------------------------------------------------------------------

    async def _run(self, arguments: list[Json]) -> Any:
        self._task = asyncio.current_task()
        live.set(self)
        try:
            if self.cancelled:
                raise asyncio.CancelledError
            return await self._function.host.run(self._function, arguments, b"json")
        except LuaError as error:
            if self.cancelled and isinstance(error.value, dict) and error.value.get("kind") == "cancelled":
                raise asyncio.CancelledError from error
            raise
        finally:
            self.ended = True

    def _cancel(self) -> None:
        if self._task is not None and not self._noticed:
            self._noticed = True
            self._task.cancel()

    def notice_cancellation(self) -> bool:
        """Tell whether the activity was cancelled; if so, the Lua code knows it now."""
        self._noticed = self._noticed or self.cancelled
        return self.cancelled

    def heartbeat(self, details: Json | None) -> None:
        """Send a heartbeat, with the last details when there are no new ones."""
        if details is not None:
            self._details = [RawValue(payloads.to_payload(details))]
        if not self._is_due and not self.info.is_local:
            self._is_due = True
            self._worker.call_soon_threadsafe(self._send, context=self._context)

    def metric_meter(self) -> MetricMeter:
        """The SDK's meter of this activity."""
        return self._context.copy().run(activity.metric_meter)

    def cancellation_details(self) -> activity.ActivityCancellationDetails | None:
        """Why it was cancelled."""
        return self._context.copy().run(activity.cancellation_details)

    def is_worker_shutdown(self) -> bool:
        """Whether the worker was asked to end."""
        return self._context.copy().run(activity.is_worker_shutdown)

    async def worker_shutdown(self) -> None:
        """Wait until the worker is asked to end."""
        told = self._context.copy().run(
            asyncio.run_coroutine_threadsafe, activity.wait_for_worker_shutdown(), self._worker
        )
        await asyncio.wrap_future(told)

    def details_before(self) -> Json | None:
        """The details of the attempt before: the first, if another SDK sent several."""
        details = self.info.heartbeat_details
        return payloads.to_json(details[0]) if details else None


def activity_function(
    name: str | None,
    function: LuaFunction,
    script: asyncio.AbstractEventLoop,
    settings: Settings,
    max_concurrent: int | None = None,
) -> Callable[..., Any]:
    """The SDK's activity for a Lua function, of which `max_concurrent` run at once; without a name the dynamic one."""
    turns = contextlib.nullcontext() if max_concurrent is None else asyncio.Semaphore(max_concurrent)

    async def attempt_it(arguments: Sequence[RawValue]) -> RawValue:
        attempt = Attempt(function, script)
        title = f"activity '{attempt.info.activity_type}'"
        keeping_alive = asyncio.create_task(attempt.keep_alive())
        try:
            async with turns:
                result = await attempt.result(payloads.as_json(arguments))
        except LuaError as error:
            failure = to_application_error(error)
            is_news = failure.category != ApplicationErrorCategory.BENIGN and _is_told(attempt.info.attempt)
            level = logging.WARNING if is_news else logging.DEBUG
            logger.log(level, "%s failed (attempt %d): %s", title, attempt.info.attempt, failure.message)
            raise failure from failure.__cause__
        except BuiltinError as error:
            raise ApplicationError(f"{title}: {error}", type="BadInput", non_retryable=True) from None
        finally:
            keeping_alive.cancel()
        if attempt.completes_later:
            activity.raise_complete_async()
        return payloads.result(f"the result of {title}", result, settings.payload_limit)

    async def run(*arguments: RawValue) -> RawValue:
        return await attempt_it(arguments)

    async def run_any(arguments: Sequence[RawValue]) -> RawValue:
        return await attempt_it(arguments)

    return activity.defn(dynamic=True)(run_any) if name is None else activity.defn(name=name)(run)


def _is_told(attempt: int) -> bool:
    """Whether a failed attempt is worth a warning: the first ones, then the 10th, the 100th, …"""
    return attempt <= _TOLD or attempt == 10 ** (len(str(attempt)) - 1)


def unknown_activity(registered: Iterable[str]) -> Callable[..., Any]:
    """The SDK's activity for every name that is not registered here: the attempt fails, another worker may know it."""
    known = ", ".join(sorted(registered)) or "none"

    async def run(arguments: Sequence[RawValue]) -> None:
        text = f"activity '{activity.info().activity_type}' is not registered (registered: {known})"
        logger.warning("%s", text)
        raise ApplicationError(text, type="NotFoundError")

    return activity.defn(dynamic=True)(run)


def side_effect_activity(runs: Runs, settings: Settings) -> Callable[..., Any]:
    """The local activity behind `ctx:side_effect`: it calls back into the state of the run."""

    async def run(*arguments: RawValue) -> RawValue:
        run_id, key = map(payloads.to_python, payloads.as_json(arguments))
        loop = asyncio.get_running_loop()
        try:
            result = await loop.run_in_executor(None, runs.side_effect, run_id, key)
        except UnknownRunError as error:
            raise ApplicationError(str(error), type="RunEvicted") from None
        except LuaError as error:
            failure = to_application_error(error)
            raise failure from failure.__cause__
        except HostFailure as failure:
            raise ApplicationError(str(failure.cause), type=SIDE_EFFECT_ACTIVITY) from failure.cause
        return payloads.result("the result of a side effect", result, settings.payload_limit)

    return activity.defn(name=SIDE_EFFECT_ACTIVITY)(run)
