"""The event loop: uvloop's where it exists."""

from __future__ import annotations

import asyncio
import os


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Make an event loop."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    _fill_standard_streams()
    return uvloop.new_event_loop()


def _fill_standard_streams() -> None:
    """Open what is closed of the three: libuv aborts the process when one of its own descriptors takes the place."""
    while True:
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor > 2:
            os.close(descriptor)
            return
