"""`sleep`: wait."""

from __future__ import annotations

from assay.errors import BuiltinError
from assay.lua.declare import Library
from assay.permissions.needs import NOTHING

library = Library("sleep", "Pause the calling task.", needs=NOTHING)


@library.call()
async def sleep(seconds: float) -> None:
    """Wait without blocking other coroutines, tasks or request handlers.

    Args:
        seconds: The duration, with fractions; 0 lets other tasks run.
    """
    import asyncio

    if not 0 <= seconds < float("inf"):
        raise BuiltinError(f"bad argument 'seconds' (a finite number of at least 0 expected, got {seconds})")
    await asyncio.sleep(seconds)
