"""The limits of a workflow's state: memory, and CPU for each activation."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from assay.lua.callbacks import Callbacks
from assay.lua.state import Outcome, State
from assay.temporal.workflow.sandbox.errors import CpuLimitReached, HostFailure, WorkflowLimitError
from assay.temporal.workflow.sandbox.held import Held

_RESERVE = 128 * 1024
"""Bytes that stay free so that small values can always be pushed."""


@dataclass(kw_only=True)
class WorkflowLimits:
    """What one run may use; a run that uses more fails its workflow task, and no other run.

    Attributes:
        memory_mb: Memory in MiB.
        cpu_seconds: CPU seconds for one workflow task; at most 8. The clock does not count.
    """

    memory_mb: float = 64
    cpu_seconds: float = 1


class RunLimits:
    """The limits of one state. They hold from the moment at which it is complete (`hold`)."""

    __slots__ = ("_callbacks", "_spare", "_state", "began", "held", "memory_bytes", "options")

    def __init__(self, options: WorkflowLimits, *, keeps_old_values: bool) -> None:
        """`keeps_old_values`: the state also keeps what it was, to take back what is written."""
        self.options = options
        self.memory_bytes = int(options.memory_mb * 1024 * 1024) * (2 if keeps_old_values else 1)
        self.held: Held | None = None
        """What Python holds for the run."""
        self.began = time.thread_time()
        """The CPU time of this thread when the activation began."""
        self._spare = options.cpu_seconds
        self._state: State | None = None
        self._callbacks: Callbacks

    def hold(self, state: State, callbacks: Callbacks) -> None:
        """Hold from now on."""
        state.invoke_once(b"limit_memory", self.memory_bytes)
        self._state, self._callbacks = state, callbacks

    def begin_activation(self) -> None:
        """Count CPU from now on, on this thread: an activation begins."""
        self.began = time.thread_time()
        self._spare = self.options.cpu_seconds

    def spare(self, began: float, run: RunLimits) -> None:
        """Do not count the CPU since `began`: it was spent on a copy. There is a limit for that in an activation too.

        `run`: the limits of the run.
        """
        spared = min(time.thread_time() - began, run._spare)
        run._spare -= spared
        self.began += spared

    def cpu_used(self) -> float:
        """Return the CPU seconds that the activation has used so far."""
        return time.thread_time() - self.began

    def cpu_spent(self) -> float | None:
        """Return the CPU seconds that the activation has used so far; None once it has reached the limit."""
        spent = time.thread_time() - self.began
        return spent if spent < self.options.cpu_seconds else None

    def check_room(self, *pushed: Any) -> None:
        """Raise HostFailure when there is no room for what is about to be pushed."""
        size = sum(len(item) for item in pushed if isinstance(item, bytes))
        if self.held is not None:
            size += self.held.size()
        if self._state is not None and self._state.headroom() < size + _RESERVE:
            raise HostFailure(WorkflowLimitError(self.memory_text()))

    def has_room(self, *pushed: Any) -> bool:
        """Return true if there is room for what is about to be pushed; if not, the run ends."""
        try:
            self.check_room(*pushed)
        except HostFailure as failure:
            self._callbacks.end(failure)
            return False
        return True

    def check_outcome(self, outcome: Outcome) -> Outcome:
        """Return the outcome of a call, or what ends the run when a limit was reached."""
        if self._state is None:
            return outcome
        if self.cpu_spent() is None:
            return self._callbacks.end(CpuLimitReached(WorkflowLimitError(self.cpu_text())))
        try:
            self.check_room(*outcome)
        except HostFailure as failure:
            return self._callbacks.end(failure)
        return outcome

    def end(self, text: str) -> HostFailure:
        """Return what ends the run's tasks, this one and all others, because of a limit."""
        failure = HostFailure(WorkflowLimitError(text))
        self._callbacks.ending = self._callbacks.ending or failure
        return failure

    def text(self, limit: bytes, detail: str) -> str:
        """Describe a limit that Lua code has reached."""
        if limit == b"memory":
            return self.memory_text()
        if limit == b"interrupted":
            return "the run was interrupted"
        return self.cpu_text() + detail if limit == b"cpu" else f"calls nested too deep: {detail}"

    def cpu_text(self) -> str:
        """Describe the limit of CPU."""
        limit = f"{self.options.cpu_seconds:g} s of CPU"
        return f"a workflow task took more than {limit} (workflow_limits.cpu_seconds)"

    def memory_text(self) -> str:
        """Describe the limit of memory."""
        return f"the workflow needs more than {self.options.memory_mb:g} MB (workflow_limits.memory_mb)"
