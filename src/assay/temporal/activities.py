"""Activities: Lua functions of the script's state, called from the worker's thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import orjson
from temporalio import activity
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from assay.errors import BuiltinError, LuaError
from assay.lua.function import LuaFunction
from assay.lua.values import Json
from assay.temporal import payloads
from assay.temporal.failures import to_application_error
from assay.temporal.workflow.context import SIDE_EFFECT_ACTIVITY, as_json
from assay.temporal.workflow.instance import Settings

logger = logging.getLogger(__name__)


class Call:
    """A Lua function running as a task on the script's loop, seen from the worker's loop.

    A cancellation is passed on, and waited for: the Lua code may clean up.
    """

    def __init__(self, function: LuaFunction, arguments: list[Json], script: asyncio.AbstractEventLoop) -> None:
        self._function = function
        self._arguments = arguments
        self._script = script
        self._task: asyncio.Task[Any] | None = None

    async def _run(self) -> Any:
        self._task = asyncio.current_task()
        return await self._function.host.run(self._function, self._arguments, b"json")

    async def result(self) -> Json | None:
        """Wait for the function's result."""
        future = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._run(), self._script))
        while True:
            try:
                result: Json | None = await asyncio.shield(future)
            except asyncio.CancelledError:
                if future.done():
                    raise
                self._script.call_soon_threadsafe(self._cancel)
            else:
                return result

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()


def activity_function(name: str, function: LuaFunction, script: asyncio.AbstractEventLoop) -> Callable[..., Any]:
    """The SDK's activity for a Lua function."""

    async def run(*arguments: RawValue) -> RawValue:
        try:
            result = await Call(function, as_json(arguments), script).result()
        except LuaError as error:
            logger.warning("activity '%s' failed (attempt %d): %s", name, activity.info().attempt, error.message)
            raise to_application_error(error) from error
        except BuiltinError as error:
            raise ApplicationError(f"activity '{name}': {error}", type="BadInput", non_retryable=True) from error
        return RawValue(payloads.to_payload(result))

    return activity.defn(name=name)(run)


def side_effect_activity(settings: Settings) -> Callable[..., Any]:
    """The local activity behind `ctx:side_effect`: it calls back into the state of the run."""

    async def run(*arguments: RawValue) -> RawValue:
        run_id, key = (orjson.loads(bytes(text)) for text in as_json(arguments))
        host = settings.runs.get(run_id)
        if host is None:
            raise ApplicationError("the run has left this worker", type="RunEvicted")
        loop = asyncio.get_running_loop()
        try:
            result = await loop.run_in_executor(None, host.run_side_effect, key)
        except LuaError as error:
            raise to_application_error(error) from error
        return RawValue(payloads.to_payload(result))

    return activity.defn(name=SIDE_EFFECT_ACTIVITY)(run)
