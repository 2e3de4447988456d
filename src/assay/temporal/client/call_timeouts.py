"""Interceptor that applies `rpc_timeout` to a whole call; the SDK applies it to each attempt."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from temporalio.client import Interceptor, OutboundInterceptor
from temporalio.service import RPCError, RPCStatusCode

_LONG_POLLS = ("start_workflow_update", "start_update_with_start_workflow")
"""Calls that poll repeatedly, for which the timeout applies to one poll."""


class _TimedCalls(OutboundInterceptor):
    pass


def _add_timeout(name: str) -> None:
    async def call(self: _TimedCalls, input: Any) -> Any:
        forward = getattr(self.next, name)
        timeout = getattr(input, "rpc_timeout", None)
        if timeout is None:
            return await forward(input)
        try:
            async with asyncio.timeout(timeout.total_seconds()) as scope:
                return await forward(input)
        except TimeoutError:
            if not scope.expired():
                raise
            text = f"no response from the server within {timeout.total_seconds():g} s"
            raise RPCError(text, RPCStatusCode.DEADLINE_EXCEEDED, b"") from None

    setattr(_TimedCalls, name, call)


for _name, _ in inspect.getmembers(OutboundInterceptor, inspect.iscoroutinefunction):
    if _name not in _LONG_POLLS:
        _add_timeout(_name)


class CallTimeouts(Interceptor):
    """Limits every call of a client to `rpc_timeout`, including retries."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        """Wrap `next` with the timeouts."""
        return _TimedCalls(next)
