"""A Lua runtime in which a plain Lua function is a durable Temporal workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.errors import AssayError, DevServerError, LuaError, LuaSyntaxError, RestError, ScriptExit, WireError
    from assay.runtime import Runtime

__version__ = "0.1.0"

__all__ = [
    "AssayError",
    "DevServerError",
    "LuaError",
    "LuaSyntaxError",
    "RestError",
    "Runtime",
    "ScriptExit",
    "WireError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'assay' has no attribute {name!r}")
    import importlib

    module = importlib.import_module("assay.runtime" if name == "Runtime" else "assay.errors")
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
