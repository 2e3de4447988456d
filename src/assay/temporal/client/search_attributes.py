"""Search attributes: Lua values as the type that the server has registered, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeIndexedValueType as IndexedType
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from assay.errors import BuiltinError
from assay.lua import convert
from assay.lua.values import Value
from assay.temporal.client.values import moment


def _text(value: Value, where: str) -> str:
    if not isinstance(value, str):
        raise BuiltinError(f"bad {where} (string expected, got {convert.lua_type(value)})")
    return value


def _texts(value: Value, where: str) -> list[str]:
    if not isinstance(value, list):
        raise BuiltinError(f"bad {where} (array of strings expected, got {convert.lua_type(value)})")
    return [_text(item, where) for item in value]


def _float(value: Value, where: str) -> float:
    return float(convert.converter(float)(value, where))


_CONVERTERS: dict[IndexedType, tuple[str, Callable[[str], SearchAttributeKey[Any]], Callable[[Any, str], Any]]] = {
    IndexedType.TEXT: ("Text", SearchAttributeKey.for_text, _text),
    IndexedType.KEYWORD: ("Keyword", SearchAttributeKey.for_keyword, _text),
    IndexedType.INT: ("Int", SearchAttributeKey.for_int, convert.converter(int)),
    IndexedType.DOUBLE: ("Double", SearchAttributeKey.for_float, _float),
    IndexedType.BOOL: ("Bool", SearchAttributeKey.for_bool, convert.converter(bool)),
    IndexedType.DATETIME: ("Datetime", SearchAttributeKey.for_datetime, moment),
    IndexedType.KEYWORD_LIST: ("KeywordList", SearchAttributeKey.for_keyword_list, _texts),
}


class SearchAttributes:
    """The types of a namespace's search attributes, asked for once and again when a name is not among them."""

    def __init__(self, client: Client | None) -> None:
        self._client = client
        self._types: Mapping[str, IndexedType] = {}
        self._open = False
        """The server tells no types: any name may do."""

    async def typed(self, values: Mapping[str, Value]) -> TypedSearchAttributes:
        """Search attributes as the SDK wants them. Raises BuiltinError for a wrong name or type."""
        if not self._open and not values.keys() <= self._types.keys():
            await self._ask()
        return TypedSearchAttributes([self._pair(name, value) for name, value in values.items()])

    async def _ask(self) -> None:
        assert self._client is not None
        request = ListSearchAttributesRequest(namespace=self._client.namespace)
        try:
            answer = await self._client.operator_service.list_search_attributes(request, retry=True)
        except RPCError as error:
            if error.status not in (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED):
                raise
            self._open = True
        else:
            self._types = {name: IndexedType(kind) for name, kind in answer.custom_attributes.items()}

    def _pair(self, name: str, value: Value) -> SearchAttributePair[Any]:
        kind = _guess(value) if self._open else self._types.get(name)
        if kind is None:
            known = convert.suggest(name, self._types) if self._types else " (none is registered)"
            raise BuiltinError(f"unknown search attribute '{name}'{known}")
        word, key, converter = _CONVERTERS[kind]
        return SearchAttributePair(key(name), converter(value, f"search attribute '{name}' of type {word}"))


def _guess(value: Value) -> IndexedType:
    """The usual type for a Lua value, where the server does not tell."""
    if isinstance(value, bool):
        return IndexedType.BOOL
    if isinstance(value, int):
        return IndexedType.INT
    if isinstance(value, float):
        return IndexedType.DOUBLE
    return IndexedType.KEYWORD_LIST if isinstance(value, list) else IndexedType.KEYWORD


def plain(attributes: TypedSearchAttributes) -> dict[str, Value]:
    """Search attributes as plain values; times are seconds since 1970-01-01 UTC."""
    return {pair.key.name: plain_value(pair.value) for pair in attributes}


def plain_value(value: Any) -> Value:
    """The value of one search attribute; a time is seconds since 1970-01-01 UTC."""
    if isinstance(value, datetime):
        return value.timestamp()
    return value if isinstance(value, str | int | float) else list(value)
