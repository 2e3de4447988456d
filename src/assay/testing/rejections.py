"""Reports workflow tasks that the test server rejects: Core logs the reason, the run knows its workflow type."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from assay.temporal.telemetry import runtime

_TIMEOUT = 2.0
"""Seconds to wait for the reason once the type is known, or for the type once the reason is known."""


class Rejections:
    """Combines the reason and the workflow type, and reports the rejection. The first one ends the test."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._loop = asyncio.get_running_loop()
        self._workflow = ""
        self._reason = ""
        self._timer: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Start listening."""
        runtime.on_refusal.add(self._refused)

    def close(self) -> None:
        """Stop listening."""
        runtime.on_refusal.discard(self._refused)
        if self._timer is not None:
            self._timer.cancel()

    def rejected(self, workflow_type: str) -> None:
        """Handle a run whose workflow task was rejected; may be called on any thread."""
        self._loop.call_soon_threadsafe(self._add, workflow_type, "")

    def _refused(self, reason: str) -> None:
        self._loop.call_soon_threadsafe(self._add, "", reason)

    def _add(self, workflow: str, reason: str) -> None:
        self._workflow, self._reason = workflow or self._workflow, reason or self._reason
        if self._workflow and self._reason:
            self._report_rejection()
        elif self._timer is None:
            self._timer = self._loop.call_later(_TIMEOUT, self._report_rejection)

    def _report_rejection(self) -> None:
        subject = f"workflow '{self._workflow}'" if self._workflow else "a workflow"
        self._report(f"the server rejected the commands of {subject}: {self._reason or 'no reason given'}")
        if self._timer is not None:
            self._timer.cancel()
        self._workflow, self._reason, self._timer = "", "", None
