"""`json`: parse and encode JSON."""

from __future__ import annotations

import os.path
from dataclasses import dataclass

from assay.lua.declare import Library
from assay.lua.values import Value

library = Library(
    "json",
    """Parse and encode JSON.

    Integers stay integers and floats stay floats. A parsed value encodes to the same JSON again, including empty
    arrays; a new `{}` is an object. `null` is an absent key in an object and `json.null` in an array. Keys are sorted;
    integer keys become strings.
    """,
    lua=os.path.join(os.path.dirname(__file__), "json.lua"),
    constants={"null": "The value of `null` in an array.", "empty_array": "A constant empty array."},
)


@dataclass
class EncodeOptions:
    """Options of the encoder.

    Attributes:
        pretty: Use line breaks and two-space indentation.
    """

    pretty: bool = False


@library.function(pure=True, native=True)
def parse(text: str) -> Value:
    """Parse JSON. A syntax error is raised with its line and column.

    Args:
        text: One JSON value.
    """


@library.function(pure=True, native=True)
def decode(text: str) -> Value:
    """Parse JSON: an alias of `json.parse`.

    Args:
        text: One JSON value.
    """


@library.function(pure=True, native=True)
def encode(value: Value, options: EncodeOptions | None = None) -> str:
    """Encode a value as JSON. NaN, infinity, functions and cycles raise an error with their path in the value.

    Args:
        value: The value.
        options: Options of the encoder.
    """
    raise NotImplementedError


@library.function(pure=True, native=True)
def array(t: list[Value] | None = None) -> list[Value]:
    """Mark a table as an array, so that it encodes as `[]` when it is empty; return the table.

    Args:
        t: The table; a new one by default.
    """
    raise NotImplementedError
