"""The policy of a test file: its clients register the search attributes that they set with the test server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from assay.lua.policy import Policy
from assay.permissions import Permissions

if TYPE_CHECKING:
    from assay.lua.declare import Function
    from assay.temporal.client import Client, StartOptions
    from assay.testing.server import Server


class TestPolicy(Policy):
    """The policy of a test file."""

    __slots__ = ("_server",)

    def __init__(self, permissions: Permissions, server: Callable[[], Server | None]) -> None:
        """`server` returns the test server, or None before it is started."""
        super().__init__(permissions)
        self._server = server

    def implementation(self, function: Function) -> Callable[..., Any]:
        """Return the implementation that runs when the test calls `function`."""
        implementation = super().implementation(function)
        if function.title == "temporal.connect":

            async def connect(*arguments: Any) -> Client:
                client: Client = await implementation(*arguments)
                if (server := self._server()) is not None:
                    client.search_attributes = await server.attributes_of(client)
                return client

            return connect
        if function.title == "temporal.start":

            async def start(host: Any, options: StartOptions) -> Any:
                if (server := self._server()) is not None and options.search_attributes:
                    await (await server.attributes()).add_values(options.search_attributes)
                return await implementation(host, options)

            return start
        return implementation
