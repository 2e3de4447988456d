"""Base class of the client's methods, and the conversion of the SDK's errors into Lua errors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

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
    """Options of every call.

    Attributes:
        rpc_timeout: Timeout of the call including retries, in seconds. By default, a call fails once the server has
            been unreachable for a minute.
        rpc_metadata: gRPC headers of the call by lower-case name, added to those of the connection.
    """

    lua_last: ClassVar[bool] = True
    """The reference shows these options after those of derived classes."""

    rpc_timeout: Seconds | None = None
    rpc_metadata: dict[str, str] | None = None

    def rpc(self) -> dict[str, Any]:
        """Return the SDK's arguments. Raises BuiltinError."""
        return {
            "rpc_timeout": seconds(self.rpc_timeout),
            "rpc_metadata": headers(self.rpc_metadata or {}, "rpc_metadata"),
        }


@dataclass(kw_only=True)
class RunOptions(CallOptions):
    """A workflow, or one of its runs.

    Attributes:
        workflow_id: Workflow id.
        run_id: Run id; the latest run if omitted.
    """

    workflow_id: Name
    run_id: Name | None = None


class Session:
    """A client's connection, open until `close`."""

    def __init__(self, client: SdkClient) -> None:
        self._sdk: SdkClient | None = client
        self.search_attributes = SearchAttributes(client)

    @property
    def sdk(self) -> SdkClient:
        """The SDK's client. Raises BuiltinError once it is closed."""
        if self._sdk is None:
            raise BuiltinError("the client is closed")
        return self._sdk

    def handle(self, options: RunOptions) -> WorkflowHandle[Any, Any]:
        """Return the SDK's handle of a run, which returns results as `RawValue`."""
        return self.sdk.get_workflow_handle(options.workflow_id, run_id=options.run_id, result_type=RawValue)

    @method
    def close(self) -> None:
        """Close the client; later calls raise an error. A second `close` has no effect."""
        self._sdk = None
        self.search_attributes = SearchAttributes(None)


async def await_completion(title: str, subject: str, result: Awaitable[T], max_seconds: float | None) -> T:
    """Await the result of `subject` for at most `max_seconds`, on behalf of the Lua function `title`."""
    try:
        return await call_server(title, asyncio.wait_for(result, max_seconds), subject)
    except TimeoutError:
        text = f"{title}: timed out after {max_seconds:g} s: {subject} has not ended"
        raise ErrorObject(text, kind="timeout") from None


async def call_server(title: str, call: Awaitable[T], subject: str = "the workflow") -> T:
    """Await an SDK call about `subject` on behalf of the Lua function `title`; raise its errors as Lua errors."""
    try:
        return await call
    except Exception as error:
        from assay.temporal.client.failures import client_error

        converted = client_error(title, error, subject)
        if converted is None:
            raise
        raise converted from error
