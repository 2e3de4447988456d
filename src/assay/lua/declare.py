"""Declarations of builtins as typed Python functions with docstrings.

    library = Library("base64", "Base64, binary safe.")

    @library.function(pure=True)
    def encode(data: bytes) -> str:
        ...

The Lua function, its argument checks, its reference page and its editor annotations are derived from the declaration.
An `async def` suspends only the calling Lua coroutine. A parameter of type `Host` receives the host and is not visible
to Lua.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from assay.permissions.needs import NOTHING, Needs

if TYPE_CHECKING:
    from assay.lua.arguments import Parameter
    from assay.lua.function import TaskHost

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)
T = TypeVar("T")

_CO_VARARGS, _CO_COROUTINE = 0x04, 0x80


class Function:
    """A declared function or method."""

    def __init__(
        self,
        name: str,
        title: str,
        find: Callable[[], Callable[..., Any]],
        *,
        pure: bool,
        native: bool = False,
        types: str | None = None,
        workflow_bytes: int | None = None,
        attribute: bool = False,
        owner: type | None = None,
        needs: Needs | None = None,
    ) -> None:
        """`find` returns the Python function; it may import a module to do so."""
        self.name = name
        self.title = title
        self._find = find
        self.pure = pure
        self.native = native
        self.types = types
        self.workflow_bytes = workflow_bytes
        self.attribute = attribute
        self.owner = owner
        self.needs = NOTHING if needs is None and pure else needs
        """Rights that a call needs; None if undeclared, in which case every policy denies the call."""
        self._signature: tuple[list[Parameter], bool, Any] | None = None

    @cached_property
    def python(self) -> Callable[..., Any]:
        """The Python function."""
        return self._find()

    @cached_property
    def doc(self) -> str:
        """The docstring."""
        return self.python.__doc__ or ""

    @cached_property
    def waits(self) -> bool:
        """True if a call suspends the calling coroutine."""
        return bool(self.python.__code__.co_flags & _CO_COROUTINE)

    def _resolve(self) -> tuple[list[Parameter], bool, Any]:
        if self._signature is None:
            import importlib
            import types
            import typing

            from assay.lua.arguments import Parameter, is_host
            from assay.lua.convert import without_none

            names_of_types = None if self.types is None else vars(importlib.import_module(self.types))
            hints = typing.get_type_hints(self.python, localns=names_of_types)
            code = self.python.__code__
            names = list(code.co_varnames[: code.co_argcount])
            defaults = self.python.__defaults__ or ()
            first_default = len(names) - len(defaults)
            parameters, takes_host = [], False
            for position, name in enumerate(names):
                if is_host(hints.get(name)):
                    takes_host = True
                    continue
                if name == "self":
                    if self.owner is not None:
                        parameters.append(Parameter(name, self.owner, False, False))
                    continue
                hint, nullable = without_none(hints[name])
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
        """The parameters that are visible to Lua."""
        return self._resolve()[0]

    @cached_property
    def takes_host(self) -> bool:
        """True if the first parameter receives the host."""
        return self._resolve()[1]

    @property
    def result(self) -> Any:
        """The annotated return type."""
        return self._resolve()[2]

    def read(self, host: TaskHost, given: tuple[Any, ...]) -> list[Any]:
        """Convert the raw arguments of a call, `given`. Raises BuiltinError for an invalid one."""
        parameters = self.parameters
        attachments = given[len(parameters) :]
        arguments: list[Any] = [host] if self.takes_host else []
        for parameter, raw in zip(parameters, given, strict=False):
            read = parameter.read
            if raw is None:
                if not parameter.rest:
                    arguments.append(parameter.default)
            elif read is None:
                arguments.append(raw)
            elif parameter.rest:
                arguments.extend(read(host, raw, attachments))
            else:
                arguments.append(read(host, raw, attachments))
        return arguments


class Handle:
    """A class whose objects are handles in Lua: tables with methods and an id."""

    def __init__(self, name: str, find: Callable[[], type], needs: Needs | None) -> None:
        """`find` returns the class, `name` is its name in messages, `needs` are the rights that its methods need.

        The attribute `lua_needs` of the class overrides `needs`.
        """
        self.name = name
        self._find = find
        self._needs = needs

    @cached_property
    def python(self) -> type:
        """The class."""
        return self._find()

    @cached_property
    def methods(self) -> list[Function]:
        """The methods of the class, then those of its base classes."""
        cls = self.python
        prefix = self.prefix
        needs: Needs | None = getattr(cls, "lua_needs", self._needs)
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
                        _constant(python),
                        pure=python._pure,
                        native=native,
                        attribute=field,
                        owner=cls,
                        needs=None if python._pure else needs,
                    )
                )
        return methods

    @property
    def prefix(self) -> str:
        """Prefix of the methods' titles."""
        prefix: str = getattr(self.python, "lua_prefix", self.name.rpartition(".")[2].lower())
        return prefix

    @property
    def fields(self) -> Mapping[str, type]:
        """Handles that the library's Lua file stores in fields of each handle: name → class."""
        return getattr(self.python, "lua_fields", {})

    @property
    def is_bound(self) -> bool:
        """True if the library's Lua file binds the methods to their handle, so that they work without a colon."""
        return getattr(self.python, "lua_bound", False)

    def method(self, name: str) -> Function | None:
        """Return the method with a name, or None."""
        return next((method for method in self.methods if method.name == name), None)


class Library:
    """The functions of a Lua global, or of a module for `require`."""

    def __init__(
        self,
        name: str,
        doc: str,
        lua: str | None = None,
        constants: Mapping[str, str] = MappingProxyType({}),
        callbacks: Mapping[str, str] = MappingProxyType({}),
        callback_tables: Sequence[str] = (),
        *,
        needs: Needs | None = None,
    ) -> None:
        """Declare a library without functions.

        Args:
            name: Name of the global or module.
            doc: Description.
            lua: Path of a Lua file that implements the functions declared `native` and defines the `constants`.
            constants: Name → description.
            callbacks: Types of arguments, results and options: `title.argument`, `title.return` or `table.option` →
                "fun(input: any): any".
            callback_tables: Dataclasses that are used only in `callbacks`, as "module:name".
            needs: Default rights of the functions.
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
        types: str | None = None,
        workflow_bytes: int | None = None,
        needs: Needs | None = None,
    ) -> Callable[[F], F]:
        """Declare a function.

        Args:
            pure: Workflows may call it; it needs no permission.
            native: The library's Lua file implements it.
            name: Name in Lua, by default that of the Python function.
            types: Module with the classes of the signature; imported when the function is first called.
            workflow_bytes: Maximum size of the arguments in a workflow, which bounds how long the call takes.
            needs: Rights that a call needs.
        """

        def declare(python: F) -> F:
            lua_name = name or python.__name__
            title = f"{self.name}.{lua_name.lstrip('_')}"
            self.functions.append(
                Function(
                    lua_name,
                    title,
                    _constant(python),
                    pure=pure,
                    native=native,
                    types=types,
                    workflow_bytes=workflow_bytes,
                    needs=self.needs if needs is None and not pure else needs,
                )
            )
            return python

        return declare

    def call(self, *, pure: bool = False, native: bool = False) -> Callable[[F], F]:
        """Declare the function that a call of the library itself runs."""

        def declare(python: F) -> F:
            self.entry = Function(self.name, self.name, _constant(python), pure=pure, native=native, needs=self.needs)
            return python

        return declare

    def handle(self, cls: C) -> C:
        """Declare a class of handles. `lua_name` is its name in messages; `@method` marks its methods.

        Methods of base classes are included, after those of the class itself. `__call__` makes handles callable;
        `await_` is called `await` in Lua; names that begin with _ are for private Lua code. The prefix of a handle that
        is a field of another one is the other's prefix, a dot and its own; its `__call__` is called with a colon, as a
        method of the other. `lua_needs` are the rights that its methods need, by default those of the library.
        """
        self.handles.append(Handle(cls.lua_name, _constant(cls), self.needs))  # type: ignore[attr-defined]
        return cls

    def lazy_handle(self, name: str, module: str) -> Handle:
        """Declare the class of handles `name`, whose last part is the class in `module`, imported on first use."""

        def find() -> type:
            import importlib

            cls: type = getattr(importlib.import_module(module), name.rpartition(".")[2])
            return cls

        handle = Handle(name, find, self.needs)
        self.handles.append(handle)
        return handle

    def methods_of(self, handle: Handle, names: Iterable[str]) -> None:
        """Declare methods of a handle as functions of the library, whose Lua file chooses the object."""
        for name in names:
            find = partial(_python_of, handle, name)
            self.functions.append(
                Function(name, f"{self.name}.{name}", find, pure=False, native=True, needs=self.needs)
            )

    def owner(self, handle: Handle) -> Handle | None:
        """Return the handle class that has this one as a field, or None."""
        if "." not in handle.prefix:
            return None
        return next((other for other in self.handles if handle.python in other.fields.values()), None)


def _constant(value: T) -> Callable[[], T]:
    return lambda: value


def _python_of(handle: Handle, name: str) -> Callable[..., Any]:
    function = handle.method(name)
    assert function is not None, f"{handle.name} has no method {name}"
    return function.python


def method(python: F) -> F:
    """Mark a method of a handle class as visible to Lua."""
    python._pure = False  # type: ignore[attr-defined]
    return python


def reader(python: F) -> F:
    """Mark a read-only method, which may also be called in query handlers, validators and conditions."""
    python._pure = True  # type: ignore[attr-defined]
    return python


def attribute(python: F) -> F:
    """Mark a method that is a field of the handle in Lua."""
    python._attribute = True  # type: ignore[attr-defined]
    return reader(python)


def native(python: F) -> F:
    """Mark a method that private Lua code implements."""
    python._native = True  # type: ignore[attr-defined]
    return method(python)


__all__ = ["Function", "Handle", "Library", "attribute", "method", "native", "reader"]
