"""`assert`: checks with messages that show both sides."""

from __future__ import annotations

import os.path

from assay.lua.declare import Library
from assay.lua.values import Value

library = Library(
    "assert",
    """Checks that raise an error whose message shows both sides.

    Values are compared by what they hold: numbers across integer and float, tables by their fields. Each check takes
    a string to append to the message.
    """,
    lua=os.path.join(os.path.dirname(__file__), "assert.lua"),
)


@library.call(pure=True, native=True)
def assert_(value: Value, message: Value = None, *rest: Value) -> Value:
    """Raise an error when a value is false or nil, else return all arguments: Lua's own `assert`.

    Args:
        value: What is checked.
        message: The error.
        rest: More values to return.
    """


@library.function(pure=True, native=True)
def eq(a: Value, b: Value, message: str | None = None) -> None:
    """Check that two values are equal. Of two large tables the error lists the fields that differ.

    Args:
        a: One value.
        b: The other value.
        message: What is said at the end of the error.
    """


@library.function(pure=True, native=True)
def ne(a: Value, b: Value, message: str | None = None) -> None:
    """Check that two values are not equal.

    Args:
        a: One value.
        b: The other value.
        message: What is said at the end of the error.
    """


@library.function(pure=True, native=True)
def gt(a: float | str, b: float | str, message: str | None = None) -> None:
    """Check that `a` is greater than `b`; both are numbers or both are strings.

    Args:
        a: The greater value.
        b: The smaller value.
        message: What is said at the end of the error.
    """


@library.function(pure=True, native=True)
def lt(a: float | str, b: float | str, message: str | None = None) -> None:
    """Check that `a` is less than `b`; both are numbers or both are strings.

    Args:
        a: The smaller value.
        b: The greater value.
        message: What is said at the end of the error.
    """


@library.function(pure=True, native=True)
def contains(whole: str | list[Value], part: Value, message: str | None = None) -> None:
    """Check that a string contains a string, or that an array has an item equal to a value.

    Args:
        whole: A string or an array.
        part: What has to be in it.
        message: What is said at the end of the error.
    """


@library.function(pure=True, native=True)
def not_nil(value: Value, message: str | None = None) -> None:
    """Check that a value is not nil.

    Args:
        value: What is checked.
        message: What is said at the end of the error.
    """


@library.function(pure=True, native=True)
def matches(text: str, pattern: str, message: str | None = None) -> None:
    """Check that a Lua pattern is found in a text.

    Args:
        text: The text.
        pattern: A pattern as of `string.find`.
        message: What is said at the end of the error.
    """
