"""`time`: the wall clock."""

from __future__ import annotations

import time as clock

from assay.lua.declare import Library

library = Library("time", "The wall clock.")


@library.call()
def time() -> float:
    """Return the seconds since 1970-01-01 UTC, with fractions."""
    return clock.time()
