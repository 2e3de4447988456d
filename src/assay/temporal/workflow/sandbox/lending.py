"""Lends the tables of a run to its copy on demand, so that the copy does not have to copy all of them."""

from __future__ import annotations

import time
from typing import Any

from assay.temporal.workflow.sandbox.errors import HostFailure, WorkflowLimitError
from assay.temporal.workflow.sandbox.host import WorkflowHost


class Lending:
    """Reads the tables of a run for its copy. The run is idle and is not changed."""

    __slots__ = ("_copy", "_lent_at", "_run")

    def __init__(self, run: WorkflowHost, copy: WorkflowHost) -> None:
        self._run = run
        self._copy = copy
        self._lent_at = 0.0  # CPU time of this thread when the last message was sent

    def contents(self, number: int, more: int, *key: Any) -> Any:
        """Return a message with the contents of a table and up to `more` others; None if there is no memory for it."""
        return self._lend(b"lend", number, more, bool(key), *key)

    def length(self, number: int) -> Any:
        """Return the length of a table; None if there is no memory for it."""
        return self._lend(b"lend_length", number)

    def done(self) -> None:
        """Called when the copy has read the last message."""
        self._copy.limits.exclude_copying(self._lent_at, self._run.limits)

    def _lend(self, function: bytes, *arguments: Any) -> Any:
        began = time.thread_time()
        try:
            message = self._run.state.invoke(function, *arguments)
        except MemoryError:
            self._copy.callbacks.end(HostFailure(WorkflowLimitError(self._run.limits.memory_text())))
            return None
        except Exception as error:  # unexpected: end the reader
            self._copy.callbacks.end(HostFailure(error))
            return None
        self._copy.limits.exclude_copying(began, self._run.limits)
        self._lent_at = time.thread_time()
        return message if self._copy.limits.has_room(message) else None
