"""`template`: Jinja2 templates."""

from __future__ import annotations

import os

from assay.errors import BuiltinError
from assay.lua.declare import Library
from assay.lua.host import Host
from assay.lua.values import Path, Value
from assay.permissions import Permissions, paths
from assay.permissions.needs import NOTHING, reads

library = Library(
    "template",
    """Templates with Jinja2 syntax.

    An undefined variable renders as an empty string. Output is escaped according to the file's extension: as HTML for
    `.html`, `.htm` and `.xml`, as JSON for `.json`, `.json5`, `.js`, `.yaml` and `.yml`, and not at all otherwise; a
    trailing `.j2` is ignored. The guide "Templates" lists the filters, tests, functions and operators.
    """,
)


@library.function(needs=reads("path"))
def render(host: Host, path: Path, vars: dict[str, Value] | None = None) -> str:
    """Render a template file.

    `{% include %}`, `{% extends %}` and `{% import %}` load files from the same folder and its subfolders. Symbolic
    links out of the folder are not followed.

    Args:
        path: The file.
        vars: The variables.
    """
    from assay.builtins.template import engine

    folder, name = os.path.split(os.fsdecode(paths.given(path)))
    source = _read(path, host.permissions)
    return engine.render(source, name, vars or {}, lambda other: _load(folder, other, host.permissions))


@library.function(needs=NOTHING)
def render_string(text: str, vars: dict[str, Value] | None = None) -> str:
    """Render a template from a string, without escaping. It cannot include files.

    Args:
        text: The template.
        vars: The variables.
    """
    from assay.builtins.template import engine

    return engine.render(text, "<string>", vars or {}, lambda other: None)


def _read(path: bytes, permissions: Permissions) -> str:
    with permissions.open(path) as file:
        raw = file.read()
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise BuiltinError(f"{os.fsdecode(paths.given(path))}: invalid UTF-8") from None


def _load(folder: str, name: str, permissions: Permissions) -> str | None:
    """Read another template; return None if it does not exist or lies outside the folder. Raises DeniedError."""
    parts = name.split("/")
    if not all(parts) or ".." in parts:
        return None
    path, root = os.path.join(folder, *parts), os.path.realpath(folder)
    try:
        if os.path.commonpath([root, os.path.realpath(path)]) != root:
            return None
        return _read(os.fsencode(path), permissions)
    except (OSError, ValueError):
        return None
