"""Permission checks for requests: hosts, including those of redirects and proxies, and files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver

from assay.builtins.http.connection import Connector
from assay.builtins.http.options import Part, RequestOptions
from assay.permissions import Permissions

if TYPE_CHECKING:
    from yarl import URL

Right = Literal["net", "temporal"]


def connector(permissions: Permissions, right: Right) -> Connector:
    """Return a connector that opens only connections that the policy allows for a right."""
    return _Connector(permissions, right) if permissions.restricts else Connector()


class _Connector(Connector):
    """Checks the host of each request, also on a reused connection."""

    def __init__(self, permissions: Permissions, right: Right) -> None:
        # Temporal servers are checked by name only, because they usually have private addresses.
        super().__init__(_Resolver(permissions) if right == "net" else None)
        self._permissions = permissions
        self._right: Right = right

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:  # noqa: ASYNC109 as aiohttp has it
        urls: Iterable[URL | None] = (req.url, req.proxy)
        for url in urls:
            if url is not None:
                self._permissions.check_host(self._right, url.raw_host or "", url.port or 0)
        return await super().connect(req, traces, timeout)


class _Resolver(AbstractResolver):
    """Resolves a name to the addresses that the policy allows.

    aiohttp connects to one of them, so the name cannot be resolved again to another address after the check.
    """

    def __init__(self, permissions: Permissions) -> None:
        self._inner = DefaultResolver()
        self._permissions = permissions

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        results = await self._inner.resolve(host, port, family)
        allowed = self._permissions.admit_addresses(host, port, [result["host"] for result in results])
        return [result for result in results if result["host"] in allowed]

    async def close(self) -> None:
        await self._inner.close()


def admit(options: RequestOptions, permissions: Permissions) -> RequestOptions:
    """Return the options with checked paths. Raises DeniedError for a file that may not be used."""
    if not permissions.restricts:
        return options
    changes: dict[str, Any] = {}
    if options.file is not None:
        changes["file"] = permissions.path("read", options.file)
    if options.save_to is not None:
        changes["save_to"] = permissions.path("write", options.save_to, link=True)
    if options.multipart is not None:
        changes["multipart"] = [_admit_part(part, permissions) for part in options.multipart]
    return replace(options, **changes)


def _admit_part(part: Part, permissions: Permissions) -> Part:
    if part.file is None:
        return part
    file: Any = permissions.path("read", part.file)
    return replace(part, file=file)
