"""`json`: parse and encode JSON."""

from __future__ import annotations

import os.path
from dataclasses import dataclass

from assay.lua.declare import Library
from assay.lua.values import Value

library = Library(
    "json",
    """Parse and encode JSON.

    Integers stay integers and floats stay floats; what was parsed encodes back to the same JSON, empty arrays
    included. A fresh `{}` is an object. In an object `null` is an absent key, in an array it is `json.null`.
    Keys are sorted, integer keys become strings.
    """,
    lua=os.path.join(os.path.dirname(__file__), "json.lua"),
    constants={"null": "The null in an array.", "empty_array": "An array without items."},
)


@dataclass
class EncodeOptions:
    """How to write JSON.

    Attributes:
        pretty: Indent by two spaces.
    """

    pretty: bool = False


@library.function(pure=True, native=True)
def parse(text: str) -> Value:
    """Parse a JSON text; raises an error with line and column for anything else.

    Args:
        text: One JSON value.
    """


@library.function(pure=True, native=True)
def decode(text: str) -> Value:
    """Parse a JSON text: another name of `json.parse`.

    Args:
        text: One JSON value.
    """


@library.function(pure=True, native=True)
def encode(value: Value, options: EncodeOptions | None = None) -> str:
    """Encode a value. NaN, infinity, functions and cycles are errors that name the place in the value.

    Args:
        value: What to encode.
        options: How to write it.
    """
    raise NotImplementedError


@library.function(pure=True, native=True)
def array(t: list[Value] | None = None) -> list[Value]:
    """Mark a table as an array, so that it encodes as `[]` when it is empty; returns it.

    Args:
        t: The table; a new one when left out.
    """
    raise NotImplementedError
