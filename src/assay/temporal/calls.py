"""What every call of the SDK's client gets on its way: a time limit that holds, and a readable query failure."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from temporalio.api.errordetails.v1 import QueryFailedFailure
from temporalio.client import Interceptor, OutboundInterceptor, QueryWorkflowInput, WorkflowQueryFailedError
from temporalio.converter import DataConverter
from temporalio.service import RPCError, RPCStatusCode

_LONG_POLLS = ("start_workflow_update", "start_update_with_start_workflow")
"""Calls whose time limit is that of one poll of several."""


class _Calls(OutboundInterceptor):
    """The SDK limits one attempt of a call; here `rpc_timeout` limits all attempts together."""

    def __init__(self, next: OutboundInterceptor, converter: DataConverter) -> None:
        super().__init__(next)
        self._converter = converter

    async def query_workflow(self, input: QueryWorkflowInput) -> Any:
        """Ask; a failure's text is decoded, which the SDK leaves out."""
        try:
            return await _limited(self.next.query_workflow, input)
        except WorkflowQueryFailedError as error:
            message = await self._message(error.__context__)
            if message is None:
                raise
            raise WorkflowQueryFailedError(message) from None

    async def _message(self, error: BaseException | None) -> str | None:
        for detail in error.grpc_status.details if isinstance(error, RPCError) else ():
            failed = QueryFailedFailure()
            if detail.Unpack(failed) and failed.failure.HasField("encoded_attributes"):
                return str(await self._converter.decode_failure(failed.failure))
        return None


async def _limited(call: Callable[[Any], Awaitable[Any]], input: Any) -> Any:
    limit = getattr(input, "rpc_timeout", None)
    if limit is None:
        return await call(input)
    try:
        async with asyncio.timeout(limit.total_seconds()) as running:
            return await call(input)
    except TimeoutError:
        if not running.expired():
            raise
        text = f"no answer from the server within {limit.total_seconds():g} s"
        raise RPCError(text, RPCStatusCode.DEADLINE_EXCEEDED, b"") from None


def _limit(name: str) -> None:
    async def call(self: _Calls, input: Any) -> Any:
        return await _limited(getattr(self.next, name), input)

    setattr(_Calls, name, call)


for _name, _ in inspect.getmembers(OutboundInterceptor, inspect.iscoroutinefunction):
    if _name not in (*_LONG_POLLS, "query_workflow"):
        _limit(_name)


class CallsInterceptor(Interceptor):
    """Puts `_Calls` before the calls of a client."""

    def __init__(self, converter: DataConverter) -> None:
        self._converter = converter

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        """Put it in front of `next`."""
        return _Calls(next, self._converter)
