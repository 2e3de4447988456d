"""What `repl.lua` asks: whether Ctrl-C was pressed while its code runs, and which methods a handle has."""

from __future__ import annotations

from assay.lua import registry
from assay.lua.declare import Library

library = Library("repl", "Inside the REPL.")

pressed = [False]
"""Set by the signal handler."""


@library.function(pure=True)
def interrupted() -> bool:
    """Return true if the running code is to end."""
    return pressed[0]


@library.function(pure=True)
def methods(name: str) -> list[str]:
    """The methods of the handles of a class."""
    return registry.method_names(name)
