"""Interruption of activities that compute after their attempt was cancelled: the Python side of `stop.lua`."""

from __future__ import annotations

import os

from assay.errors import ErrorObject
from assay.lua.declare import Library
from assay.lua.host import Host
from assay.temporal.worker.attempt import current_attempt

NAME = "_.attempt"
PART = os.path.join(os.path.dirname(__file__), "stop")

library = Library("attempt", "Interruption of activities that compute.")


@library.function(pure=True)
def due() -> int:
    """Return the interruption that is due: 0 for none, or `CANCEL` or `KILL` of `stop.lua`."""
    attempt = current_attempt.get(None)
    return 0 if attempt is None else attempt.interruption()


@library.function(pure=True)
def stop() -> None:
    """Raise a cancellation error."""
    attempt = current_attempt.get(None)
    if attempt is not None:
        attempt.deliver_cancellation()
    raise ErrorObject("cancelled", kind="cancelled")


def watch(host: Host) -> None:
    """Allow the activities of a script to be interrupted while they compute."""
    host.add_tool(NAME, __name__, PART)
