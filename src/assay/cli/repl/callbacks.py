"""Callbacks of `repl.lua`."""

from __future__ import annotations

from assay.lua import registry
from assay.lua.declare import Library

library = Library("repl", "Callbacks of the REPL.")

is_interrupted = [False]
"""Whether Ctrl-C was pressed while code runs. Set by the signal handler."""


@library.function(pure=True)
def interrupted() -> bool:
    """Return true if the running code must end."""
    return is_interrupted[0]


@library.function(pure=True)
def methods(name: str) -> list[str]:
    """Return the methods of a class of handles."""
    return registry.method_names(name)
