"""The client of the HTTP API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from assay.errors import RestError
from assay.lua.declare import method
from assay.temporal.rest.namespaces import Namespaces
from assay.temporal.rest.schedules import Schedules
from assay.temporal.rest.task_queues import TaskQueues
from assay.temporal.rest.transport import API, Transport
from assay.temporal.rest.workflows import Workflows

if TYPE_CHECKING:
    import aiohttp


@dataclass(kw_only=True)
class ClientOptions:
    """How to ask.

    Attributes:
        namespace: The namespace of all calls that name no other.
        api_key: Sent with each request, as `Authorization: Bearer`.
        timeout: Seconds that the server has for each answer; `math.huge` for no limit.
    """

    namespace: str = "default"
    api_key: str | None = None
    timeout: float = 30


class Client:
    """A client for Temporal's HTTP API; its connections open at the first call.

    Attributes:
        namespaces: The namespaces of the server.
        workflows: The workflows of a namespace.
        task_queues: The task queues of a namespace.
        schedules: The schedules of a namespace.
    """

    lua_name: ClassVar[str] = "assay.temporal.Client"
    lua_prefix: ClassVar[str] = "c"
    lua_fields: ClassVar[Mapping[str, type]] = MappingProxyType(
        {"namespaces": Namespaces, "workflows": Workflows, "task_queues": TaskQueues, "schedules": Schedules}
    )

    def __init__(
        self,
        url: str,
        options: ClientOptions | None = None,
        session: Callable[[], aiohttp.ClientSession] | None = None,
    ) -> None:
        """Prepare a client. Raises BuiltinError for what no request could use.

        Args:
            url: The address of the HTTP API, which is not the gRPC port's: `http://localhost:7243`.
            options: How to ask.
            session: Gives a session that is shared with others; without it the client has its own until `close`.
        """
        given = options or ClientOptions()
        self._transport = Transport(url, given.api_key, given.timeout, session)
        self.namespaces = Namespaces(self._transport, given.namespace)
        self.workflows = Workflows(self._transport, given.namespace)
        self.task_queues = TaskQueues(self._transport, given.namespace)
        self.schedules = Schedules(self._transport, given.namespace)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; the next call would open new ones."""
        await self._transport.close()

    @method
    async def health(self) -> bool:
        """Return true if the server answers; false also when it cannot be reached, but never an error.

        Asks for the system information, and where that is not served, for `/health`.
        """
        try:
            await self._transport.get(f"{API}/system-info")
            return True
        except RestError as error:
            if error.status is None or error.status >= 500:
                return False
            if error.code is not None:
                return True  # the server itself refuses
        try:
            return await self._transport.status("/health") == 200
        except RestError:
            return False

    @method
    async def system_info(self) -> dict[str, Any]:
        """Return the server's version and what it can do: `{serverVersion, capabilities}`."""
        return await self._transport.get(f"{API}/system-info")
