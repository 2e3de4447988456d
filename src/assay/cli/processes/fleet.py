"""State of all processes, shared by the supervisor and its endpoints."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from assay.cli.processes.child import Child


@dataclass
class Fleet:
    """The processes, by number from 1.

    Attributes:
        size: Number of processes.
        children: Running processes.
        finished: Numbers of the processes whose script has ended.
        restarts: Number of restarts of each process.
        stopping: Whether the shutdown has begun.
    """

    size: int
    children: dict[int, Child] = field(default_factory=dict)
    finished: set[int] = field(default_factory=set)
    restarts: Counter[int] = field(default_factory=Counter)
    stopping: bool = False

    def numbers(self) -> list[int]:
        """Return the numbers of the processes that should be running."""
        return [number for number in range(1, self.size + 1) if number not in self.finished]
