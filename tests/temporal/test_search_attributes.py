"""Search attributes as payloads, compared with the SDK's converter."""

from __future__ import annotations

import pytest
from temporalio.api.common.v1 import Payload, SearchAttributes
from temporalio.converter import decode_typed_search_attributes, encode_typed_search_attribute_value

from assay.errors import BuiltinError
from assay.lua.values import Value
from assay.temporal.data import search_attributes

VALUES: list[Value] = [
    "a word",
    'é "\u2028" \U0001f600 \\',
    7,
    -(2**63),
    0.1,
    1e300,
    2.0,
    True,
    ["a", "ü"],
    {},
    {"type": "text", "value": "some words"},
    {"type": "keyword_list", "value": {}},
    {"type": "double", "value": 3},
    {"type": "datetime", "value": 1.5},
    {"type": "datetime", "value": "2026-01-01T01:00:00.25+01:00"},
    None,
]


def payload(data: bytes, **metadata: bytes) -> Payload:
    return Payload(metadata={"encoding": b"json/plain", **metadata}, data=data)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_payloads_are_those_of_the_sdk(value: Value) -> None:
    change = search_attributes.update("A", value)
    ours = search_attributes.to_payload(change)
    theirs = encode_typed_search_attribute_value(change.key, change.value)
    assert ours.SerializeToString(deterministic=True) == theirs.SerializeToString(deterministic=True)


SENT = {
    **{
        f"Sent{index}": search_attributes.to_payload(search_attributes.update("A", value))
        for index, value in enumerate(VALUES)
    },
    "Screaming": payload(b'["a","b"]', type=b"INDEXED_VALUE_TYPE_KEYWORD_LIST"),
    "OneInAList": payload(b'["a"]', type=b"Keyword"),
    "TwoInAList": payload(b'["a","b"]', type=b"Keyword"),
    "NoneInAList": payload(b"[]", type=b"Int"),
    "WholeDouble": payload(b"2", type=b"Double"),
    "Nanoseconds": payload(b'"2026-01-01T00:00:00.123456789Z"', type=b"Datetime"),
    "WrongType": payload(b'"two"', type=b"Int"),
    "Number": payload(b"5", type=b"Text"),
    "UnknownType": payload(b'"a"', type=b"Color"),
    "NoType": payload(b'"a"'),
    "Null": payload(b"null", type=b"Keyword"),
    "Bytes": Payload(metadata={"encoding": b"binary/plain", "type": b"Keyword"}, data=b"a"),
}


@pytest.mark.parametrize("name", SENT)
def test_they_are_read_as_the_sdk_reads_them(name: str) -> None:
    message = SearchAttributes(indexed_fields={name: SENT[name]})
    theirs = search_attributes.as_table(decode_typed_search_attributes(message))
    assert search_attributes.from_payloads(message) == theirs
    assert [*map(type, search_attributes.from_payloads(message).values())] == [*map(type, theirs.values())]


def test_an_encoding_that_is_not_known_is_an_error() -> None:
    message = SearchAttributes(indexed_fields={"A": Payload(metadata={"encoding": b"x", "type": b"Text"})})
    with pytest.raises(BuiltinError, match="a payload with the encoding 'x' cannot be read"):
        search_attributes.from_payloads(message)
