"""Search attributes that a client sets, with the types registered on the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from assay.errors import BuiltinError
from assay.lua.convert import suggest
from assay.lua.values import Value
from assay.temporal.data import search_attributes

if TYPE_CHECKING:
    from temporalio.client import Client


class SearchAttributes:
    """Types of a namespace's search attributes, fetched on first use and again for an unknown name."""

    def __init__(self, client: Client | None) -> None:
        self._client = client
        self._types: Mapping[str, str] = {}
        self._accepts_any = False
        """True if the server does not report types, so that any name may be valid."""

    async def typed(self, values: Mapping[str, Value]) -> TypedSearchAttributes:
        """Convert values into the SDK's search attributes. Raises BuiltinError for an unknown name or a wrong type."""
        if not self._accepts_any and not values.keys() <= self._types.keys():
            await self._fetch()
        return TypedSearchAttributes([self._pair(name, value) for name, value in values.items() if value is not None])

    async def _fetch(self) -> None:
        assert self._client is not None
        request = ListSearchAttributesRequest(namespace=self._client.namespace)
        try:
            response = await self._client.operator_service.list_search_attributes(request, retry=True)
        except RPCError as error:
            if error.status not in (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED):
                raise
            self._accepts_any = True
        else:
            self._types = {name: _type_name(kind) for name, kind in response.custom_attributes.items()}

    def _pair(self, name: str, value: Value) -> SearchAttributePair[Any]:
        if not self._accepts_any and name not in self._types:
            known = suggest(name, self._types) if self._types else " (none is registered)"
            raise BuiltinError(f"unknown search attribute '{name}'{known}")
        update = search_attributes.update(name, value, self._types.get(name))
        return SearchAttributePair(update.key, update.value)


def _type_name(kind: IndexedValueType.ValueType) -> str:
    """Return the name of a type, such as "keyword"."""
    return IndexedValueType.Name(kind).removeprefix("INDEXED_VALUE_TYPE_").lower()
