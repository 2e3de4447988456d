"""Coverage of schedules: the orders in which pairs of events occurred, and which events were adjacent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

_MAX_LABELS = 60
"""Events of a schedule that are looked at: those that come late have come early elsewhere."""


@dataclass
class Coverage:
    """The orders and neighbours of events seen so far.

    Attributes:
        orders: Pairs of events of which the first came before the second.
        neighbours: Events, what came next, and whether that was in the same workflow task.
    """

    orders: set[tuple[str, str]] = field(default_factory=set)
    neighbours: set[tuple[str, str, bool]] = field(default_factory=set)

    def add(self, labels: Sequence[str]) -> bool:
        """Add what happened in a schedule; returns whether anything was new."""
        before = len(self.orders), len(self.neighbours)
        first: list[str] = []
        last, is_same_task = "", True
        for label in labels[: 3 * _MAX_LABELS]:
            if label == "task":
                is_same_task = False
                continue
            self.neighbours.add((last, label, is_same_task))
            last, is_same_task = label, True
            if label not in first and len(first) < _MAX_LABELS:
                self.orders.update((other, label) for other in first)
                first.append(label)
        return (len(self.orders), len(self.neighbours)) != before

    @property
    def pairs(self) -> int:
        """The number of pairs of events that occurred in one schedule."""
        return len({frozenset(pair) for pair in self.orders})

    def both(self) -> list[tuple[str, str]]:
        """Return those of them that were seen in both orders."""
        return sorted(pair for pair in self.orders if pair[0] < pair[1] and pair[::-1] in self.orders)
