"""The event loop: uvloop if it is installed, else asyncio's own."""

from __future__ import annotations

import asyncio
import os


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Create an event loop."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    _fill_standard_streams()
    return uvloop.new_event_loop()


def _fill_standard_streams() -> None:
    """Open closed standard streams: libuv aborts the process if one of its descriptors gets a number from 0 to 2."""
    while True:
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor > 2:
            os.close(descriptor)
            return
