"""`assert`: assertions whose messages show both values."""

from __future__ import annotations

import os.path

from assay.lua.declare import Library
from assay.lua.values import Value

library = Library(
    "assert",
    """Assertions whose error messages show both values.

    Equality is deep: numbers are compared across integer and float, tables by their fields. Each function accepts a
    string that is appended to the error message.
    """,
    lua=os.path.join(os.path.dirname(__file__), "assert.lua"),
)


@library.call(pure=True, native=True)
def assert_(value: Value, message: Value = None, *rest: Value) -> Value:
    """Raise an error if a value is false or nil, else return all arguments: Lua's own `assert`.

    Args:
        value: The value to check.
        message: The error.
        rest: More values to return.
    """


@library.function(pure=True, native=True)
def eq(a: Value, b: Value, message: str | None = None) -> None:
    """Check that two values are equal. For large tables the error lists the fields that differ.

    Args:
        a: One value.
        b: The other value.
        message: Text to append to the error message.
    """


@library.function(pure=True, native=True)
def ne(a: Value, b: Value, message: str | None = None) -> None:
    """Check that two values are not equal.

    Args:
        a: One value.
        b: The other value.
        message: Text to append to the error message.
    """


@library.function(pure=True, native=True)
def gt(a: float | str, b: float | str, message: str | None = None) -> None:
    """Check that `a` is greater than `b`; both are numbers or both are strings.

    Args:
        a: The greater value.
        b: The smaller value.
        message: Text to append to the error message.
    """


@library.function(pure=True, native=True)
def lt(a: float | str, b: float | str, message: str | None = None) -> None:
    """Check that `a` is less than `b`; both are numbers or both are strings.

    Args:
        a: The smaller value.
        b: The greater value.
        message: Text to append to the error message.
    """


@library.function(pure=True, native=True)
def contains(whole: str | list[Value], part: Value, message: str | None = None) -> None:
    """Check that a string contains a string, or that an array has an item equal to a value.

    Args:
        whole: A string or an array.
        part: The expected substring or item.
        message: Text to append to the error message.
    """


@library.function(pure=True, native=True)
def not_nil(value: Value, message: str | None = None) -> None:
    """Check that a value is not nil.

    Args:
        value: The value to check.
        message: Text to append to the error message.
    """


@library.function(pure=True, native=True)
def matches(text: str, pattern: str, message: str | None = None) -> None:
    """Check that a string matches a Lua pattern.

    Args:
        text: The string.
        pattern: A Lua pattern, which may match anywhere in the string.
        message: Text to append to the error message.
    """
