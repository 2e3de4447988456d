"""The client of Temporal's HTTP API."""

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
    """Options of a client.

    Attributes:
        namespace: Default namespace of all calls.
        api_key: API key, sent with each request as `Authorization: Bearer`.
        timeout: Timeout of each request, in seconds; `math.huge` for no limit.
    """

    namespace: str = "default"
    api_key: str | None = None
    timeout: float = 30


class Client:
    """A client of Temporal's HTTP API. It connects on the first call.

    Attributes:
        namespaces: Namespaces of the server.
        workflows: Workflows of a namespace.
        task_queues: Task queues of a namespace.
        schedules: Schedules of a namespace.
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
        """Create a client without connecting. Raises BuiltinError for an invalid URL or option.

        Args:
            url: URL of the HTTP API, such as `http://localhost:7243`; its port is not the gRPC port.
            options: Namespace, credentials and timeout.
            session: Returns a shared HTTP session; without it the client opens its own, until `close`.
        """
        options = options or ClientOptions()
        self._transport = Transport(url, options.api_key, options.timeout, session)
        self.namespaces = Namespaces(self._transport, options.namespace)
        self.workflows = Workflows(self._transport, options.namespace)
        self.task_queues = TaskQueues(self._transport, options.namespace)
        self.schedules = Schedules(self._transport, options.namespace)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the client's own connections; a later call opens new ones."""
        await self._transport.close()

    @method
    async def health(self) -> bool:
        """Return true if the server responds, false if it does not or cannot be reached. Never raises an error.

        Requests the system information, and `/health` if that is not served.
        """
        try:
            await self._transport.get(f"{API}/system-info")
            return True
        except RestError as error:
            if error.status is None or error.status >= 500:
                return False
            if error.code is not None:
                return True  # a refusal from Temporal itself
        try:
            return await self._transport.status("/health") == 200
        except RestError:
            return False

    @method
    async def system_info(self) -> dict[str, Any]:
        """Return the server's version and capabilities: `{serverVersion, capabilities}`."""
        return await self._transport.get(f"{API}/system-info")
