"""Workflow tasks whose commands the test server refuses: Core's log has the reason, the run has the workflow's name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from assay.temporal.telemetry import runtime

_TIMEOUT = 2.0
"""Seconds for which one of the two waits for the other."""


class Refusals:
    """Joins both, and reports each refusal once. One at a time: the test ends with the first."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._loop = asyncio.get_running_loop()
        self._workflow = ""
        self._reason = ""
        self._ending: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Begin to listen."""
        runtime.on_refusal.add(self._refused)

    def close(self) -> None:
        """Listen no longer."""
        runtime.on_refusal.discard(self._refused)
        if self._ending is not None:
            self._ending.cancel()

    def rejected(self, workflow_type: str) -> None:
        """Note that a run of a workflow has to begin its task anew; on any thread."""
        self._loop.call_soon_threadsafe(self._take, workflow_type, "")

    def _refused(self, reason: str) -> None:
        self._loop.call_soon_threadsafe(self._take, "", reason)

    def _take(self, workflow: str, reason: str) -> None:
        self._workflow, self._reason = workflow or self._workflow, reason or self._reason
        if self._workflow and self._reason:
            self._report_both()
        elif self._ending is None:
            self._ending = self._loop.call_later(_TIMEOUT, self._report_both)

    def _report_both(self) -> None:
        whose = f"workflow '{self._workflow}'" if self._workflow else "a workflow"
        self._report(f"the server rejected the commands of {whose}: {self._reason or 'no reason given'}")
        if self._ending is not None:
            self._ending.cancel()
        self._workflow, self._reason, self._ending = "", "", None
