"""`time`: the wall clock."""

from __future__ import annotations

import time as clock

from assay.lua.declare import Library
from assay.permissions.needs import NOTHING

library = Library("time", "The current time.", needs=NOTHING)


@library.call()
def time() -> float:
    """Return the seconds since 1970-01-01 UTC, with fractions."""
    return clock.time()
