"""What a run lends to the copy in which its readers run: the contents of its tables, as they are asked for."""

from __future__ import annotations

import time
from typing import Any

from assay.temporal.workflow.sandbox.errors import HostFailure, WorkflowLimitError
from assay.temporal.workflow.sandbox.host import WorkflowHost


class Lending:
    """Reads the tables of a run for a copy of it. It only reads: the run is between two steps."""

    __slots__ = ("_copy", "_lent", "_run")

    def __init__(self, run: WorkflowHost, copy: WorkflowHost) -> None:
        self._run = run
        self._copy = copy
        self._lent = 0.0  # when something was lent, in CPU seconds of this thread

    def contents(self, number: int, more: int, *key: Any) -> Any:
        """Return a message with the contents of a table and `more` others; None if it finds no room."""
        return self._lend(b"lend", number, more, bool(key), *key)

    def length(self, number: int) -> Any:
        """Return the length of a table; None if there is no room."""
        return self._lend(b"lend_length", number)

    def done(self) -> None:
        """Note that the copy has read the last message."""
        self._copy.limits.spare(self._lent, self._run.limits)

    def _lend(self, what: bytes, *arguments: Any) -> Any:
        began = time.thread_time()
        try:
            lent = self._run.state.invoke(what, *arguments)
        except MemoryError:
            self._copy.callbacks.end(HostFailure(WorkflowLimitError(self._run.limits.memory_text())))
            return None
        except Exception as error:  # unforeseen: the reader ends
            self._copy.callbacks.end(HostFailure(error))
            return None
        self._copy.limits.spare(began, self._run.limits)
        self._lent = time.thread_time()
        return lent if self._copy.limits.has_room(lent) else None
