"""Coverage of schedules: the order of each pair of events, and the pairs of adjacent events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

_MAX_LABELS = 60
"""Number of different events per schedule that are compared. Later ones are likely to come early in other schedules."""


@dataclass
class Coverage:
    """The pairs of events that the schedules so far contained.

    Attributes:
        orders: Pairs of events of which the first occurred before the second.
        neighbors: Pairs of adjacent events, and whether they were in the same workflow task.
    """

    orders: set[tuple[str, str]] = field(default_factory=set)
    neighbors: set[tuple[str, str, bool]] = field(default_factory=set)

    def add(self, labels: Sequence[str]) -> bool:
        """Add the trace of a schedule; return true if it contains a new pair."""
        before = len(self.orders), len(self.neighbors)
        seen: list[str] = []
        last, is_same_task = "", True
        for label in labels[: 3 * _MAX_LABELS]:
            if label == "task":
                is_same_task = False
                continue
            self.neighbors.add((last, label, is_same_task))
            last, is_same_task = label, True
            if label not in seen and len(seen) < _MAX_LABELS:
                self.orders.update((other, label) for other in seen)
                seen.append(label)
        return (len(self.orders), len(self.neighbors)) != before

    @property
    def pairs(self) -> int:
        """Number of pairs of events that occurred in the same schedule."""
        return len({frozenset(pair) for pair in self.orders})

    def seen_in_both_orders(self) -> list[tuple[str, str]]:
        """Return the pairs of events that occurred in both orders, sorted."""
        return sorted(pair for pair in self.orders if pair[0] < pair[1] and pair[::-1] in self.orders)
