"""`template`: Jinja2 templates."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from assay.errors import BuiltinError
from assay.lua.declare import Library
from assay.lua.host import Host
from assay.lua.values import Path, Value
from assay.permissions import Permissions, paths
from assay.permissions.needs import NOTHING, reads

if TYPE_CHECKING:
    import minijinja

library = Library(
    "template",
    """Texts from templates in the syntax of Jinja2.

    An undefined variable is empty. What a template prints is escaped by the extension of its file: for HTML in `.html`,
    `.htm` and `.xml`, as JSON in `.json`, `.json5`, `.js`, `.yaml` and `.yml`, not at all otherwise; a `.j2` behind the
    extension plays no part.
    """,
)

_CAUSE = "caused by: "

Load = Callable[[str], str | None]


@library.function(needs=reads("path"))
def render(host: Host, path: Path, vars: dict[str, Value] | None = None) -> str:
    """Render a template file.

    `{% include %}`, `{% extends %}` and `{% import %}` take files of the same folder and the folders in it.

    Args:
        path: The file.
        vars: The variables.
    """
    folder, name = os.path.split(os.fsdecode(paths.given(path)))
    source = _read(path, host.permissions)
    return _render(source, name, vars, lambda other: _load(folder, other, host.permissions))


@library.function(needs=NOTHING)
def render_string(text: str, vars: dict[str, Value] | None = None) -> str:
    """Render a template given as a text, without escaping. It cannot include files.

    Args:
        text: The template.
        vars: The variables.
    """
    return _render(text, "<string>", vars, lambda other: None)


def _render(source: str, name: str, variables: dict[str, Value] | None, load: Load) -> str:
    import minijinja

    context = {key: _wrap(value) for key, value in (variables or {}).items()}
    environment = minijinja.Environment(loader=load, finalizer=minijinja.pass_state(_finalize))
    try:
        return environment.render_str(source, name, **context)
    except minijinja.TemplateError as error:
        raise BuiltinError(_describe(error)) from None
    except BuiltinError:
        raise
    except (AttributeError, TypeError) as error:
        method = getattr(error, "name", None)
        what = f"a table or an array has no method '{method}'" if method else "a value is used as a function"
        raise BuiltinError(f"{what} (in {name})") from None


def _describe(error: minijinja.TemplateError) -> str:
    """The errors of a chain in one line, the innermost last; the other lines show the source."""
    first, *rest = str(error).splitlines()
    return ": ".join([first, *(line.removeprefix(_CAUSE) for line in rest if line.startswith(_CAUSE))])


def _read(path: bytes, permissions: Permissions) -> str:
    with permissions.open(path) as file:
        raw = file.read()
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise BuiltinError(f"{os.fsdecode(paths.given(path))}: not UTF-8 text") from None


def _load(folder: str, name: str, permissions: Permissions) -> str | None:
    """Read another template; None when there is none, or outside of the folder. Raises DeniedError."""
    parts = name.split("/")
    if not all(parts) or ".." in parts:
        return None
    try:
        return _read(os.fsencode(os.path.join(folder, *parts)), permissions)
    except OSError:
        return None


# Values: what a template sees of Python's own types is kept to what Jinja2 has -------------------------------


class _Method:
    """A method of a table: it can be called, and is as good as undefined otherwise."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __bool__(self) -> bool:
        return False

    def __iter__(self) -> Iterator[Any]:
        return iter(())


class _Table(dict[str, Any]):
    """A Lua table with named keys."""

    _METHODS = frozenset({"get", "items", "keys", "values"})

    def __getattribute__(self, name: str) -> Any:
        if name in _Table._METHODS:
            return _Method(super().__getattribute__(name))
        if name.startswith("_"):
            return super().__getattribute__(name)
        raise AttributeError(name=name)


def _wrap(value: Any) -> Any:
    if isinstance(value, dict):
        return _Table({key: _wrap(item) for key, item in value.items()})
    if isinstance(value, list):
        return tuple(map(_wrap, value))
    if isinstance(value, bytes):
        raise BuiltinError("bad argument 'vars' (a string that is not UTF-8 text cannot be rendered)")
    return value


def _finalize(state: Any, value: Any) -> Any:
    """Print booleans, null and collections in the words of Lua and JSON, not in Python's."""
    if state.auto_escape == "json":
        return NotImplemented
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, _Method):
        return ""
    return _show(value) if isinstance(value, dict | list | tuple) else NotImplemented


def _show(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, default=str)
