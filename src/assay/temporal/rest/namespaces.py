"""The resource `c.namespaces`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from assay.lua.declare import method
from assay.temporal.rest.resource import Resource
from assay.temporal.rest.transport import API, items, page_token, segment


@dataclass(kw_only=True)
class NamespacesOptions:
    """Options of `c.namespaces:list`.

    Attributes:
        page_size: Maximum number of namespaces per page.
        next_page_token: Token of the page to return, from the result of the previous page.
    """

    page_size: int | None = None
    next_page_token: str | None = None


@dataclass
class NamespaceList:
    """A page of namespaces.

    Attributes:
        namespaces: Descriptions of the namespaces.
        next_page_token: Token of the next page; absent on the last page.
    """

    namespaces: list[dict[str, Any]]
    next_page_token: str | None


class Namespaces(Resource):
    """The namespaces of the server."""

    lua_name: ClassVar[str] = "assay.temporal.Namespaces"
    lua_prefix: ClassVar[str] = "c.namespaces"

    @method
    async def list(self, options: NamespacesOptions | None = None) -> NamespaceList:
        """List namespaces.

        Args:
            options: Page to return.
        """
        options = options or NamespacesOptions()
        parameters = {"pageSize": options.page_size, "nextPageToken": options.next_page_token}
        response = await self._transport.get(f"{API}/namespaces", parameters)
        return NamespaceList(items(response, "namespaces"), page_token(response))

    @method
    async def get(self, name: str) -> dict[str, Any]:
        """Describe a namespace.

        Args:
            name: Name of the namespace.
        """
        return await self._transport.get(f"{API}/namespaces/{segment(name, 'name')}")

    @method
    async def __call__(self, options: NamespacesOptions | None = None) -> NamespaceList:
        """List namespaces; same as `c.namespaces:list`.

        Args:
            options: Page to return.
        """
        return await self.list(options)
