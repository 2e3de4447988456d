"""The library `workflow`: functions for the private Lua side of a workflow, and the handle classes of `ctx`."""

from __future__ import annotations

import time as clock

from assay.lua.declare import Library
from assay.lua.host import Host
from assay.permissions.needs import NOTHING
from assay.temporal.telemetry import meter
from assay.temporal.workflow.ctx.context import Context
from assay.temporal.workflow.ctx.futures import Future
from assay.temporal.workflow.sandbox.host import WorkflowHost

library = Library("workflow", "Inside a workflow.", needs=NOTHING)
library.handle(Context)
library.handle(Future)
meter.add_handles(library)


@library.function(pure=True)
def now(host: Host) -> float:
    """Return the workflow's time; in a side effect, the real time."""
    assert isinstance(host, WorkflowHost)
    return clock.time() if host.live else host.source.now


@library.function(pure=True)
def started(host: Host) -> float:
    """Return the start time of the run; in a side effect, 0."""
    assert isinstance(host, WorkflowHost)
    return 0.0 if host.live else host.source.started


@library.function(pure=True)
def seed(host: Host) -> int:
    """Return a new seed from the run's random numbers; a copy of the run has separate ones."""
    assert isinstance(host, WorkflowHost)
    return host.seed()
