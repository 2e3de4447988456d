"""Whether Ctrl-C was pressed while the REPL's code runs: what its Lua state asks every now and then."""

from __future__ import annotations

from assay.lua.declare import Library

library = Library("repl", "Inside the REPL.")

pressed = [False]
"""Set by the signal handler."""


@library.function(pure=True)
def interrupted() -> bool:
    """Tell whether the running code is to end."""
    return pressed[0]
