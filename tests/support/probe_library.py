"""A library with every kind of declaration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from assay.errors import BuiltinError, ErrorObject
from assay.lua.declare import Library, method
from assay.lua.function import LuaFunction
from assay.lua.host import Host
from assay.lua.outcomes import Results
from assay.lua.values import Json, Value

library = Library("probe", "Functions for tests.")


@library.handle
class Box:
    """Holds a value."""

    lua_name = "probe.Box"
    alive = 0

    def __init__(self, value: Any) -> None:
        self.value = value
        Box.alive += 1

    def __del__(self) -> None:
        Box.alive -= 1

    @method
    def get(self) -> Value:
        """Return the value."""
        return self.value

    @method
    async def wait(self, seconds: float = 0) -> Value:
        """Return the value after a while.

        Args:
            seconds: Delay.
        """
        import asyncio

        await asyncio.sleep(seconds)
        return self.value


@library.handle
class Lid:
    """A handle of another type than Box."""

    lua_name = "probe.Lid"

    @method
    def turn(self) -> None:
        """Turn it."""


@dataclass
class Inner:
    """Nested options.

    Attributes:
        size: A size.
    """

    size: int = 1


@dataclass
class Options:
    """Every kind of option.

    Attributes:
        name: A required string.
        count: An integer.
        ratio: A number.
        on: A boolean.
        mode: One of two strings.
        tags: Strings.
        headers: Strings by name.
        inner: More options.
        done: A function.
        value: Any value.
        data: Any bytes.
    """

    name: str
    count: int = 0
    ratio: float | None = None
    on: bool = False
    mode: Literal["fast", "slow"] = "fast"
    tags: list[str] = field(default_factory=list)
    headers: dict[str, str | list[str]] | None = None
    inner: Inner | None = None
    done: LuaFunction | None = None
    value: Value = None
    data: bytes = b""


@library.function(pure=True)
def echo(value: Value) -> Value:
    """Return a value.

    Args:
        value: Any value.
    """
    return value


@library.function()
def text(value: str) -> str:
    """Return a string."""
    return value


@library.function()
def data(value: bytes) -> bytes:
    """Return bytes."""
    return value


@library.function()
def integer(value: int) -> int:
    """Return an integer."""
    return value


@library.function()
def number(value: float) -> float:
    """Return a number."""
    return value


@library.function()
def boolean(value: bool) -> bool:
    """Return a boolean."""
    return value


@library.function()
def word(value: Literal["fast", "slow"]) -> str:
    """Return one of two strings."""
    return value


@library.function()
def words(value: list[str]) -> list[str]:
    """Return an array of strings."""
    return value


@library.function()
def rows(value: dict[str, int]) -> dict[str, int]:
    """Return numbers by name."""
    return value


@library.function()
def either(value: str | list[str]) -> Value:
    """Return a string or an array of strings."""
    return value


@library.function()
def optional(value: int | None = None, other: str = "none") -> Value:
    """Return both."""
    return [value, other]


@library.function()
def rest(first: str, *others: Value) -> Value:
    """Return all but the first."""
    return list(others)


@library.function()
def options(value: Options) -> Value:
    """Return the options as a table."""
    shown = dict(vars(value))
    shown["inner"] = value.inner and vars(value.inner)
    shown["done"] = value.done is not None
    return shown


@library.function()
def as_json(value: Json) -> str:
    """Return the JSON text of a value."""
    return value.decode()


@library.function()
async def call(function: LuaFunction, *arguments: Value) -> Value:
    """Call a Lua function and return its first result."""
    return await function(*arguments)


@library.function()
def hold(function: LuaFunction) -> None:
    """Accept a function and release it."""


@library.function()
def box(value: Value = None) -> Box:
    """Make a box."""
    return Box(value)


@library.function()
def lid() -> Lid:
    """Make a lid."""
    return Lid()


@library.function()
def unbox(value: Box) -> Value:
    """Return the value of a box."""
    return value.value


@library.function()
def several() -> Results:
    """Return three results."""
    return Results((1, None, "three"))


@library.function()
def fail(how: str) -> None:
    """Fail in some way."""
    if how == "refused":
        raise BuiltinError("refused")
    if how == "object":
        raise ErrorObject("whole message", kind="odd", details={"n": 1}, cause={"message": "inner", "kind": "deep"})
    if how == "object with an unsupported value":
        raise ErrorObject("whole message", kind="odd", details=object())
    if how == "file":
        raise FileNotFoundError(2, "No such file or directory", b"/x/\xff")
    if how == "unexpected":
        raise RuntimeError("unforeseen")
    if how == "no words":
        raise KeyError


@library.function()
def strange() -> Value:
    """Return a value that has no Lua representation."""
    return {"a": object()}


@library.function()
def runtime_of(host: Host, value: int) -> bool:
    """Return true if the host argument comes from the host, not from Lua."""
    return isinstance(host, Host)
