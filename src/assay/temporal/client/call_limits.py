"""The time limit of the SDK client's calls: the SDK limits one attempt, here `rpc_timeout` limits all of them."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from temporalio.client import Interceptor, OutboundInterceptor
from temporalio.service import RPCError, RPCStatusCode

_LONG_POLLS = ("start_workflow_update", "start_update_with_start_workflow")
"""Calls whose time limit is that of one poll of several."""


class _LimitedCalls(OutboundInterceptor):
    pass


def _limit(name: str) -> None:
    async def call(self: _LimitedCalls, input: Any) -> Any:
        forward = getattr(self.next, name)
        limit = getattr(input, "rpc_timeout", None)
        if limit is None:
            return await forward(input)
        try:
            async with asyncio.timeout(limit.total_seconds()) as running:
                return await forward(input)
        except TimeoutError:
            if not running.expired():
                raise
            text = f"no answer from the server within {limit.total_seconds():g} s"
            raise RPCError(text, RPCStatusCode.DEADLINE_EXCEEDED, b"") from None

    setattr(_LimitedCalls, name, call)


for _name, _ in inspect.getmembers(OutboundInterceptor, inspect.iscoroutinefunction):
    if _name not in _LONG_POLLS:
        _limit(_name)


class CallLimits(Interceptor):
    """Makes `rpc_timeout` hold for every call of a client, retries included."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        """Put the limits in front of `next`."""
        return _LimitedCalls(next)
