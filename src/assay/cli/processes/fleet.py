"""What is known of the processes together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from assay.cli.processes.child import Child


@dataclass
class Fleet:
    """The processes by their numbers, from 1.

    Attributes:
        size: How many there are.
        children: Those that run.
        finished: The numbers of those whose script has come to its end.
        restarts: How often each was started again.
        stopping: All of them are to end.
    """

    size: int
    children: dict[int, Child] = field(default_factory=dict)
    finished: set[int] = field(default_factory=set)
    restarts: Counter[int] = field(default_factory=Counter)
    stopping: bool = False

    def numbers(self) -> list[int]:
        """Return the numbers of the processes that ought to run."""
        return [number for number in range(1, self.size + 1) if number not in self.finished]
