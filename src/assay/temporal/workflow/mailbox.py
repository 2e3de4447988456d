"""What reaches a run from outside: who handles it, and the signals that nobody has taken yet."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass

from assay.lua.function import LuaFunction
from assay.lua.values import Json


@dataclass(frozen=True)
class Handler:
    """What answers a signal, a query or an update.

    Attributes:
        run: The function.
        validator: What may reject an update before.
        description: One line about it for the Web UI.
        may_be_abandoned: The run may end while it is running, without a warning.
    """

    run: LuaFunction
    validator: LuaFunction | None = None
    description: str = ""
    may_be_abandoned: bool = False


class Handlers:
    """The handlers of one kind of message: by name, and the dynamic one, which is for all other names."""

    __slots__ = ("dynamic", "named")

    def __init__(self) -> None:
        self.named: dict[str, Handler] = {}
        self.dynamic: Handler | None = None

    def find(self, name: str, arguments: list[Json]) -> tuple[Handler, list[Json]] | None:
        """Who answers a message, and the arguments for it: a dynamic handler gets the name before the others."""
        named = self.named.get(name)
        if named is not None:
            return named, arguments
        return None if self.dynamic is None else (self.dynamic, [Json.of(name), *arguments])

    def names(self) -> str:
        """The names that are registered, as a text."""
        return ", ".join(sorted(self.named)) or "none"


Queue = deque[tuple[int, list[Json]]]
"""Signals of one name that have not been taken: which one of the run it is, and its arguments."""


class Mailbox:
    """The handlers of a run, which of them are running, and the signals that it keeps."""

    __slots__ = ("_expected", "_kept", "_queues", "may_be_abandoned", "queries", "running", "signals", "updates")

    def __init__(self) -> None:
        self.signals = Handlers()
        self.queries = Handlers()
        self.updates = Handlers()
        self.running: Counter[str] = Counter()
        """The handlers of signals and updates that are running, by a title."""
        self.may_be_abandoned: Counter[str] = Counter()
        """Those of them that nobody needs to be warned of."""
        self._queues: dict[str, Queue] = {}
        self._expected: set[str] = set()
        self._kept = 0

    @property
    def expected(self) -> frozenset[str]:
        """The signals that a task has waited for or polled: a dynamic handler leaves them alone."""
        return frozenset(self._expected)

    def keep(self, name: str, arguments: list[Json]) -> None:
        """Keep a signal until somebody wants it."""
        self._kept += 1
        self._queues.setdefault(name, deque()).append((self._kept, arguments))

    def expect(self, name: str) -> Queue:
        """The signals of a name that have not been taken, now and later: a task wants them."""
        self._expected.add(name)
        return self._queues.setdefault(name, deque())

    def take(self, name: str) -> Iterator[tuple[str, list[Json]]]:
        """Take all kept signals of a name, in the order in which they came."""
        for _, arguments in self._queues.pop(name, ()):
            yield name, arguments

    def has_for_dynamic(self) -> bool:
        """Whether the dynamic handler is still to get signals."""
        return self.signals.dynamic is not None and not self._queues.keys() <= self._expected

    def take_unexpected(self) -> Iterator[tuple[str, list[Json]]]:
        """Take all kept signals of names that no task has asked for, in the order in which they came."""
        names = self._queues.keys() - self._expected
        kept = [(at, name, arguments) for name in names for at, arguments in self._queues.pop(name)]
        for _, name, arguments in sorted(kept, key=lambda signal: signal[0]):
            yield name, arguments
