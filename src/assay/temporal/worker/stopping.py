"""What `stop.lua` asks while Lua code computes: whether the attempt that it belongs to is over."""

from __future__ import annotations

import os

from assay.errors import ErrorObject
from assay.lua.declare import Library
from assay.lua.host import Host
from assay.temporal.worker.attempt import live

NAME = "_.attempt"
PART = os.path.join(os.path.dirname(__file__), "stop")

library = Library("attempt", "The end of activities that compute.")


@library.function(pure=True)
def due() -> int:
    """Return 0 outside of an activity whose attempt is over, else what is due (`TELL`, `INSIST`)."""
    attempt = live.get(None)
    return 0 if attempt is None else attempt.interruption()


@library.function(pure=True)
def stop() -> None:
    """Raise the error of a cancellation."""
    attempt = live.get(None)
    if attempt is not None:
        attempt.notice_cancellation()
    raise ErrorObject("cancelled", kind="cancelled")


def watch(host: Host) -> None:
    """Let the activities of a script be stopped while they compute."""
    host.add_tool(NAME, __name__, PART)
