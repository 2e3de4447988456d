"""A Lua runtime in which a plain Lua function is a durable Temporal workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.version import __version__

if TYPE_CHECKING:
    from assay.errors import (
        AssayError,
        DeniedError,
        DevServerError,
        LuaError,
        LuaSyntaxError,
        RestError,
        ScriptExit,
        WireError,
    )
    from assay.permissions import Permissions
    from assay.runtime import Runtime

__all__ = [
    "AssayError",
    "DeniedError",
    "DevServerError",
    "LuaError",
    "LuaSyntaxError",
    "Permissions",
    "RestError",
    "Runtime",
    "ScriptExit",
    "WireError",
    "__version__",
]


_MODULES = {"Permissions": "assay.permissions", "Runtime": "assay.runtime"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'assay' has no attribute {name!r}")
    import importlib

    module = importlib.import_module(_MODULES.get(name, "assay.errors"))
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
