"""Declarations of builtins: a typed Python function with a docstring, and nothing else.

    library = Library("base64", "Base64, binary safe.")

    @library.function(pure=True)
    def encode(data: bytes) -> str:
        ...

From that come the Lua function, its argument errors, its page in the reference and its editor stub. An `async def`
waits without stopping other coroutines. A parameter of type `Host` is filled in and not seen by Lua.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeVar

from assay.permissions.needs import NOTHING, Needs

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)

_CO_VARARGS, _CO_COROUTINE = 0x04, 0x80


class Parameter:
    """One argument as Lua sees it: its name, the word for its type, whether it may be left out."""

    def __init__(self, name: str, hint: Any, optional: bool, rest: bool, default: Any = None) -> None:
        from assay.lua import arguments, convert

        self.name = name
        self.default = default
        self.hint = hint
        self.optional = optional
        self.rest = rest
        self.kind = "rest" if rest else convert.kind_of(hint)
        self.read = arguments.reader(self)

    @cached_property
    def convert(self) -> Callable[[Any, str], Any]:
        """The converter of its type."""
        from assay.lua import convert

        return convert.converter(self.hint)


class Function:
    """A declared function or method."""

    def __init__(
        self,
        name: str,
        title: str,
        python: Callable[..., Any],
        *,
        pure: bool,
        native: bool = False,
        workflow_bytes: int | None = None,
        attribute: bool = False,
        owner: type | None = None,
        needs: Needs | None = None,
    ) -> None:
        self.name = name
        self.title = title
        self.python = python
        self.pure = pure
        self.native = native
        self.workflow_bytes = workflow_bytes
        self.attribute = attribute
        self.owner = owner
        self.needs = NOTHING if needs is None and pure else needs
        """What a policy has to grant for a call; None: it is not stated, and no policy lets the call through."""
        self.doc = python.__doc__ or ""
        self.waits = bool(python.__code__.co_flags & _CO_COROUTINE)
        self._signature: tuple[list[Parameter], bool, Any] | None = None

    def _resolve(self) -> tuple[list[Parameter], bool, Any]:
        if self._signature is None:
            import types
            import typing

            from assay.lua import convert
            from assay.lua.host import Host

            hints = typing.get_type_hints(self.python)
            code = self.python.__code__
            names = list(code.co_varnames[: code.co_argcount])
            defaults = self.python.__defaults__ or ()
            first_default = len(names) - len(defaults)
            parameters, takes_host = [], False
            for position, name in enumerate(names):
                if hints.get(name) is Host:
                    takes_host = True
                    continue
                if name == "self":
                    if self.owner is not None:
                        parameters.append(Parameter(name, self.owner, False, False))
                    continue
                hint, nullable = convert.without_none(hints[name])
                has_default = position >= first_default
                default = defaults[position - first_default] if has_default else None
                parameters.append(Parameter(name, hint, nullable or has_default, False, default))
            if code.co_flags & _CO_VARARGS:
                name = code.co_varnames[code.co_argcount + code.co_kwonlyargcount]
                parameters.append(Parameter(name, types.GenericAlias(list, hints[name]), True, True))
            self._signature = parameters, takes_host, hints.get("return", Any)
        return self._signature

    @cached_property
    def parameters(self) -> list[Parameter]:
        """The parameters that Lua sees."""
        return self._resolve()[0]

    @cached_property
    def takes_host(self) -> bool:
        return self._resolve()[1]

    @property
    def result(self) -> Any:
        """The annotated result type."""
        return self._resolve()[2]


class Handle:
    """A class whose objects Lua sees as handles: tables with methods and an id."""

    def __init__(self, python: type, methods: list[Function]) -> None:
        self.name: str = python.lua_name  # type: ignore[attr-defined]
        self.python = python
        self.methods = methods
        self.fields: Mapping[str, type] = getattr(python, "lua_fields", {})
        """Handles that the library's Lua file puts into each handle: their names and classes."""
        self.is_bound: bool = getattr(python, "lua_bound", False)
        """Whether the library's Lua file makes the methods know their handle: they may be called without a colon."""


class Library:
    """The functions of one Lua global (or of one module for `require`)."""

    def __init__(
        self,
        name: str,
        doc: str,
        lua: str | None = None,
        constants: Mapping[str, str] = MappingProxyType({}),
        callbacks: Mapping[str, str] = MappingProxyType({}),
        callback_tables: Sequence[type] = (),
        *,
        needs: Needs | None = None,
    ) -> None:
        """Declare a library without functions.

        Args:
            name: The global, or the module.
            doc: Its description.
            lua: The path of a Lua file that implements the functions declared `native`, and has the `constants`.
            constants: Name → description.
            callbacks: The functions that a script gives, as types for editors: the title of a function, or the name of
                an option table, with a dot and the name of the argument or option → "fun(input: any): any".
            callback_tables: Dataclasses that `callbacks` mention and nothing else does.
            needs: What each function needs that states nothing else.
        """
        self.name = name
        self.doc = doc
        self.lua = lua
        self.constants = constants
        self.callbacks = callbacks
        self.callback_tables = callback_tables
        self.needs = needs
        self.functions: list[Function] = []
        self.handles: list[Handle] = []
        self.entry: Function | None = None

    def function(
        self,
        *,
        pure: bool = False,
        native: bool = False,
        name: str | None = None,
        workflow_bytes: int | None = None,
        needs: Needs | None = None,
    ) -> Callable[[F], F]:
        """Declare a function.

        `pure`: workflows may call it, with at most `workflow_bytes` of arguments, so that it cannot run for long there;
        it needs no permission. `native`: the library's Lua file implements it. `needs`: what a policy has to grant.
        """

        def declare(python: F) -> F:
            lua_name = name or python.__name__
            title = f"{self.name}.{lua_name.lstrip('_')}"
            self.functions.append(
                Function(
                    lua_name,
                    title,
                    python,
                    pure=pure,
                    native=native,
                    workflow_bytes=workflow_bytes,
                    needs=self.needs if needs is None and not pure else needs,
                )
            )
            return python

        return declare

    def call(self, *, pure: bool = False, native: bool = False) -> Callable[[F], F]:
        """Declare what a call of the library itself does."""

        def declare(python: F) -> F:
            self.entry = Function(self.name, self.name, python, pure=pure, native=native, needs=self.needs)
            return python

        return declare

    def handle(self, cls: C) -> C:
        """Declare a class of handles: its `lua_name` is the name in messages; `@method` marks its methods.

        Those of its base classes are its methods too, those of the class itself first. A `__call__` among them is what
        a call of the handle itself does; `await_` is called `await` in Lua; those that begin with _ are for private Lua
        code. A field of another handle has that one's prefix and a dot before its own; its `__call__` is called with a
        colon, as if it were a method of the other. Its `lua_needs` is what its methods need; without one they need what
        the functions of the library do.
        """
        lua_name: str = cls.lua_name  # type: ignore[attr-defined]
        prefix: str = getattr(cls, "lua_prefix", lua_name.rpartition(".")[2].lower())
        needs: Needs | None = getattr(cls, "lua_needs", self.needs)
        methods = []
        attributes: dict[str, Any] = {}
        for base in cls.__mro__:
            for attribute, python in vars(base).items():
                attributes.setdefault(attribute, python)
        for attribute, python in attributes.items():
            if hasattr(python, "_pure"):
                name = attribute if attribute == "__call__" else attribute.removesuffix("_")
                field, native = hasattr(python, "_attribute"), hasattr(python, "_native")
                title = f"{prefix}{'.' if field else ':'}{name.lstrip('_')}"
                if name == "__call__":
                    title = ":".join(prefix.rsplit(".", 1))
                methods.append(
                    Function(
                        name,
                        title,
                        python,
                        pure=python._pure,
                        native=native,
                        attribute=field,
                        owner=cls,
                        needs=None if python._pure else needs,
                    )
                )
        self.handles.append(Handle(cls, methods))
        return cls

    def owner(self, handle: Handle) -> Handle | None:
        """The handle that has this one as a field."""
        return next((other for other in self.handles if handle.python in other.fields.values()), None)


def method(python: F) -> F:
    """Mark a method of a handle class for Lua."""
    python._pure = False  # type: ignore[attr-defined]
    return python


def reader(python: F) -> F:
    """Mark a method that only reads, and may be called where nothing may happen."""
    python._pure = True  # type: ignore[attr-defined]
    return python


def attribute(python: F) -> F:
    """Mark a method that Lua sees as a field of the handle."""
    python._attribute = True  # type: ignore[attr-defined]
    return reader(python)


def native(python: F) -> F:
    """Mark a method that private Lua code implements."""
    python._native = True  # type: ignore[attr-defined]
    return method(python)


__all__ = ["Function", "Handle", "Library", "Parameter", "attribute", "method", "native", "reader"]
