"""What reaches a run from outside: its handlers, and the signals that have not been taken yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from assay.lua.function import LuaFunction
from assay.lua.values import Json
from assay.temporal.workflow.run.entries import Entry


@dataclass(frozen=True)
class Handler:
    """A handler of a signal, a query or an update.

    Attributes:
        run: The function.
        validator: A function that may reject an update before.
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
        """Return the handler of a message and its arguments: a dynamic one gets the name before the others."""
        named = self.named.get(name)
        if named is not None:
            return named, arguments
        return None if self.dynamic is None else (self.dynamic, [Json.of(name), *arguments])

    def names(self) -> str:
        """Return the names that are registered, as a list in a sentence."""
        return ", ".join(sorted(self.named)) or "none"


@dataclass(eq=False, slots=True)
class Signal:
    """A signal that is kept.

    Attributes:
        number: Its number among those that the run has kept.
        name: Its name.
        arguments: What it brings.
        is_due: Whether it has had its turn in its activation: only then a wait for it ends.
    """

    number: int
    name: str
    arguments: list[Json]
    is_due: bool = False


class Queue:
    """The signals of one name that have not been taken, in order, and the fibers that wait for one."""

    __slots__ = ("_waiting", "signals")

    def __init__(self) -> None:
        self.signals: list[Signal] = []
        self._waiting: list[Entry[bool]] = []

    def put(self, signal: Signal) -> None:
        """Add a signal, which is due at once if a fiber waits for it: the one that has waited longest continues."""
        self.signals.append(signal)
        signal.is_due = self._wake()

    def make_due(self, signal: Signal) -> None:
        """Let a wait end with a signal."""
        signal.is_due = True
        self.wake_next()

    def has_due(self) -> bool:
        """Return true if a wait for a signal ends at once."""
        return bool(self.signals) and self.signals[0].is_due

    def take(self) -> list[Json]:
        """Take the first signal."""
        return self.signals.pop(0).arguments

    def next(self) -> Entry[bool]:
        """Return an entry that ends with true when a signal comes."""
        entry: Entry[bool] = Entry()
        self._waiting.append(entry)
        return entry

    def stop_waiting(self, entry: Entry[bool]) -> None:
        """Forget an entry of `next`; whoever awaited one that a signal has ended takes the signal."""
        if entry in self._waiting:
            self._waiting.remove(entry)

    def wake_next(self) -> None:
        """Let the next one that waits continue, if there is a signal for it."""
        if self.has_due():
            self._wake()

    def _wake(self) -> bool:
        while self._waiting:
            entry = self._waiting.pop(0)
            if not entry.is_done:
                entry.resolve(True)
                return True
        return False


class Mailbox:
    """The handlers of a run, which of them are running, and the signals that it keeps."""

    __slots__ = ("_expected", "_last", "_queues", "may_be_abandoned", "queries", "running", "signals", "updates")

    def __init__(self) -> None:
        self.signals = Handlers()
        self.queries = Handlers()
        self.updates = Handlers()
        self.running: dict[str, int] = {}
        """How many handlers of signals and updates are running, by a title."""
        self.may_be_abandoned: dict[str, int] = {}
        """Those of them that need no warning when the run ends."""
        self._queues: dict[str, Queue] = {}
        self._expected: dict[str, None] = {}
        self._last = 0

    @property
    def expected(self) -> frozenset[str]:
        """The signals that a task has waited for or polled: a dynamic handler leaves them alone."""
        return frozenset(self._expected)

    def keep(self, name: str, arguments: list[Json]) -> Signal:
        """Keep a signal until it is taken."""
        self._last += 1
        signal = Signal(self._last, name, arguments)
        self._queue(name).put(signal)
        return signal

    def holds(self, signal: Signal) -> bool:
        """Return true if a signal has not been taken."""
        queue = self._queues.get(signal.name)
        return queue is not None and signal in queue.signals

    def make_due(self, signal: Signal) -> None:
        """Let a wait end with a signal that is kept."""
        self._queues[signal.name].make_due(signal)

    def remove(self, signal: Signal) -> None:
        """Forget a signal that is kept."""
        self._queues[signal.name].signals.remove(signal)

    def _queue(self, name: str) -> Queue:
        queue = self._queues.get(name)
        if queue is None:
            queue = self._queues[name] = Queue()
        return queue

    def expect(self, name: str) -> Queue:
        """Return the queue of a name, whose signals go to tasks from now on."""
        self._expected[name] = None
        return self._queue(name)

    def take_due(self, name: str) -> Iterator[list[Json]]:
        """Take the kept signals of a name that are due, in the order in which they came."""
        queue = self._queues.get(name)
        while queue is not None and queue.has_due():
            yield queue.take()

    def handler(self, name: str) -> Handler | None:
        """Return the handler that is to get the kept signals of a name: none when they are for tasks."""
        named = self.signals.named.get(name)
        return self.signals.dynamic if named is None and name not in self._expected else named

    def has_for_handlers(self) -> bool:
        """Return true if handlers are still to get signals."""
        return any(queue.signals and self.handler(name) is not None for name, queue in self._queues.items())

    def take_unexpected(self) -> list[Signal]:
        """Take all kept signals of names that no task has asked for, in the order in which they came."""
        kept = [
            signal for name, queue in self._queues.items() if name not in self._expected for signal in queue.signals
        ]
        for signal in kept:
            self._queues.pop(signal.name, None)
        return sorted(kept, key=lambda signal: signal.number)

    def kept(self) -> dict[str, int]:
        """Count the signals that have not been taken, by name."""
        return {name: len(queue.signals) for name, queue in self._queues.items() if queue.signals}

    def readers(self) -> list[LuaFunction]:
        """Return the functions that only read: the handlers of queries, and validators."""
        queries = [*self.queries.named.values(), *filter(None, [self.queries.dynamic])]
        updates = [*self.updates.named.values(), *filter(None, [self.updates.dynamic])]
        return [handler.run for handler in queries] + [update.validator for update in updates if update.validator]

    def begin_handler(self, title: str, handler: Handler) -> None:
        """Count a handler as running."""
        for counter in self._counters(handler):
            counter[title] = counter.get(title, 0) + 1

    def end_handler(self, title: str, handler: Handler) -> None:
        """Count a handler as ended."""
        for counter in self._counters(handler):
            counter[title] -= 1
            if not counter[title]:
                del counter[title]

    def _counters(self, handler: Handler) -> list[dict[str, int]]:
        return [self.running, self.may_be_abandoned] if handler.may_be_abandoned else [self.running]

    def unfinished(self) -> dict[str, int]:
        """Count the running handlers that a run should wait for, by a title."""
        left = {title: count - self.may_be_abandoned.get(title, 0) for title, count in self.running.items()}
        return {title: count for title, count in sorted(left.items()) if count}
