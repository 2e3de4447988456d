"""What the parts of the client share: the connection, and the way from the SDK's errors to Lua's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from temporalio.common import RawValue

from assay.errors import BuiltinError, ErrorObject
from assay.lua.declare import method
from assay.lua.values import Name, Seconds
from assay.temporal.client.search_attributes import SearchAttributes
from assay.temporal.connection.configuration import headers
from assay.temporal.data.options import seconds

if TYPE_CHECKING:
    from temporalio.client import Client as SdkClient
    from temporalio.client import WorkflowHandle

T = TypeVar("T")


@dataclass(kw_only=True)
class CallOptions:
    """What every call takes.

    Attributes:
        rpc_timeout: Seconds until the server has to answer.
        rpc_metadata: gRPC headers of this call: lower-case name → text. They are added to those of the connection.
    """

    rpc_timeout: Seconds | None = None
    rpc_metadata: dict[str, str] | None = None

    def rpc(self) -> dict[str, Any]:
        """The SDK's arguments. Raises BuiltinError."""
        return {
            "rpc_timeout": seconds(self.rpc_timeout),
            "rpc_metadata": headers(self.rpc_metadata or {}, "rpc_metadata"),
        }


@dataclass(kw_only=True)
class RunOptions(CallOptions):
    """Which workflow.

    Attributes:
        workflow_id: The workflow.
        run_id: One run of it; the latest when left out.
    """

    workflow_id: Name
    run_id: Name | None = None


class Session:
    """A connection, until it is closed."""

    def __init__(self, client: SdkClient) -> None:
        self._sdk: SdkClient | None = client
        self.search_attributes = SearchAttributes(client)

    @property
    def sdk(self) -> SdkClient:
        """The SDK's client. Raises BuiltinError when it is closed."""
        if self._sdk is None:
            raise BuiltinError("the client is closed")
        return self._sdk

    def handle(self, options: RunOptions) -> WorkflowHandle[Any, Any]:
        """The SDK's handle of a run; its results come as `RawValue`."""
        return self.sdk.get_workflow_handle(options.workflow_id, run_id=options.run_id, result_type=RawValue)

    @method
    def close(self) -> None:
        """Close the client: later calls raise an error. Closing it twice does no harm."""
        self._sdk = None
        self.search_attributes = SearchAttributes(None)


async def ended(title: str, what: str, result: Awaitable[T], limit: float | None) -> T:
    """Await the result of `what` for the Lua function `title`, for `limit` seconds at most. Raises Lua's errors."""
    try:
        return await answer(title, asyncio.wait_for(result, limit), what)
    except TimeoutError:
        raise ErrorObject(f"{title}: timed out after {limit:g} s: {what} has not ended", kind="timeout") from None


async def answer(title: str, call: Awaitable[T], what: str = "the workflow") -> T:
    """Await a call of the SDK about `what` for the Lua function `title`; its errors become Lua's."""
    try:
        return await call
    except Exception as error:
        from assay.temporal.client.failures import client_error

        raised = client_error(title, error, what)
        if raised is None:
            raise
        raise raised from error
