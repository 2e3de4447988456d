"""The limits of a workflow's Lua state: memory, and CPU time per activation.

`limits.lua` enforces them while Lua code runs. This module checks the memory before values are pushed into the state.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from assay.lua.callbacks import Callbacks
from assay.lua.state import Outcome, State
from assay.temporal.workflow.sandbox.errors import CpuLimitReached, HostFailure, WorkflowLimitError
from assay.temporal.workflow.sandbox.python_memory import PythonMemory

_RESERVE = 128 * 1024
"""Memory that is kept free so that small values can always be pushed, in bytes."""


@dataclass(kw_only=True)
class WorkflowLimits:
    """Resource limits of a run. A run that exceeds one fails its workflow task; other runs are not affected.

    Attributes:
        memory_mb: Maximum memory, in MiB.
        cpu_seconds: Maximum CPU time of a workflow task, in seconds; at most 8. Wall-clock time does not count.
    """

    memory_mb: float = 64
    cpu_seconds: float = 1


class RunLimits:
    """The limits of one state, enforced once the state is complete (`enforce`)."""

    __slots__ = ("_callbacks", "_copying_budget", "_state", "began", "memory_bytes", "options", "python_memory")

    def __init__(self, options: WorkflowLimits, *, keeps_old_values: bool) -> None:
        """With `keeps_old_values`, the state also stores old values to roll back writes, and gets twice the memory."""
        self.options = options
        self.memory_bytes = int(options.memory_mb * 1024 * 1024) * (2 if keeps_old_values else 1)
        self.python_memory: PythonMemory | None = None
        """Size of the Python objects of the run."""
        self.began = time.thread_time()
        """CPU time of this thread when the activation began."""
        self._copying_budget = options.cpu_seconds
        self._state: State | None = None
        self._callbacks: Callbacks

    def enforce(self, state: State, callbacks: Callbacks) -> None:
        """Enforce the limits from now on."""
        state.invoke_once(b"limit_memory", self.memory_bytes)
        self._state, self._callbacks = state, callbacks

    def begin_activation(self) -> None:
        """Begin to count the CPU time of an activation, on this thread."""
        self.began = time.thread_time()
        self._copying_budget = self.options.cpu_seconds

    def exclude_copying(self, began: float, run: RunLimits) -> None:
        """Exclude the CPU time since `began`, which was spent on copying, up to a budget per activation.

        `run` has the limits of the run, with that budget.
        """
        excluded = min(time.thread_time() - began, run._copying_budget)
        run._copying_budget -= excluded
        self.began += excluded

    def cpu_used(self) -> float:
        """Return the CPU time of the activation so far, in seconds."""
        return time.thread_time() - self.began

    def cpu_spent(self) -> float | None:
        """Return the CPU time of the activation so far, in seconds; None if the limit is reached."""
        spent = time.thread_time() - self.began
        return spent if spent < self.options.cpu_seconds else None

    def check_room(self, *pushed: Any) -> None:
        """Raise HostFailure if there is no memory for values that are about to be pushed."""
        size = sum(len(item) for item in pushed if isinstance(item, bytes))
        if self.python_memory is not None:
            size += self.python_memory.size()
        if self._state is not None and self._state.headroom() < size + _RESERVE:
            raise HostFailure(WorkflowLimitError(self.memory_text()))

    def has_room(self, *pushed: Any) -> bool:
        """Return true if there is memory for values that are about to be pushed; if not, end the run."""
        try:
            self.check_room(*pushed)
        except HostFailure as failure:
            self._callbacks.end(failure)
            return False
        return True

    def check_outcome(self, outcome: Outcome) -> Outcome:
        """Return the outcome of a call, or the outcome that ends the run if a limit was reached."""
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
        """Return the failure for a limit, and end all tasks of the run with it."""
        failure = HostFailure(WorkflowLimitError(text))
        self._callbacks.ending = self._callbacks.ending or failure
        return failure

    def text(self, limit: bytes, detail: str) -> str:
        """Return the message for a limit that Lua code has reached."""
        if limit == b"memory":
            return self.memory_text()
        if limit == b"interrupted":
            return "the run was interrupted"
        return self.cpu_text() + detail if limit == b"cpu" else f"calls nested too deep: {detail}"

    def cpu_text(self) -> str:
        """Return the message for the CPU limit."""
        limit = f"{self.options.cpu_seconds:g} s of CPU"
        return f"a workflow task took more than {limit} (workflow_limits.cpu_seconds)"

    def memory_text(self) -> str:
        """Return the message for the memory limit."""
        return f"the workflow needs more than {self.options.memory_mb:g} MB (workflow_limits.memory_mb)"
