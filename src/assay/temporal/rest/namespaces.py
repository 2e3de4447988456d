"""`c.namespaces`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from assay.lua.declare import method
from assay.temporal.rest.part import Part
from assay.temporal.rest.transport import API, items, page_token, segment


@dataclass(kw_only=True)
class NamespacesOptions:
    """How much to list.

    Attributes:
        page_size: How many to list at most.
        next_page_token: Continue where an answer with this token ended.
    """

    page_size: int | None = None
    next_page_token: str | None = None


@dataclass
class NamespaceList:
    """Namespaces.

    Attributes:
        namespaces: What the server says of each.
        next_page_token: The option with which to ask for more; absent at the end.
    """

    namespaces: list[dict[str, Any]]
    next_page_token: str | None


class Namespaces(Part):
    """The namespaces of the server."""

    lua_name: ClassVar[str] = "assay.temporal.Namespaces"
    lua_prefix: ClassVar[str] = "c.namespaces"

    @method
    async def list(self, options: NamespacesOptions | None = None) -> NamespaceList:
        """List the namespaces.

        Args:
            options: How much to list.
        """
        given = options or NamespacesOptions()
        parameters = {"pageSize": given.page_size, "nextPageToken": given.next_page_token}
        answer = await self._transport.get(f"{API}/namespaces", parameters)
        return NamespaceList(items(answer, "namespaces"), page_token(answer))

    @method
    async def get(self, name: str) -> dict[str, Any]:
        """Tell what the server knows of a namespace.

        Args:
            name: The namespace.
        """
        return await self._transport.get(f"{API}/namespaces/{segment(name, 'name')}")

    @method
    async def __call__(self, options: NamespacesOptions | None = None) -> NamespaceList:
        """List the namespaces: the same as `c.namespaces:list`.

        Args:
            options: How much to list.
        """
        return await self.list(options)
