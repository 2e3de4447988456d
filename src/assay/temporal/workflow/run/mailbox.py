"""The mailbox of a run: message handlers, and signals that have not been received yet."""

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
        run: Handler function.
        validator: Validator of an update.
        description: One-line description for the Web UI.
        may_be_abandoned: Whether the run may end without a warning while the handler is running.
    """

    run: LuaFunction
    validator: LuaFunction | None = None
    description: str = ""
    may_be_abandoned: bool = False


class Handlers:
    """The handlers of one kind of message: named ones, and the dynamic one for all other names."""

    __slots__ = ("dynamic", "named")

    def __init__(self) -> None:
        self.named: dict[str, Handler] = {}
        self.dynamic: Handler | None = None

    def find(self, name: str, arguments: list[Json]) -> tuple[Handler, list[Json]] | None:
        """Return the handler of a message and its arguments. A dynamic handler gets the name as its first argument."""
        named = self.named.get(name)
        if named is not None:
            return named, arguments
        return None if self.dynamic is None else (self.dynamic, [Json.of(name), *arguments])

    def names(self) -> str:
        """Return the registered names, comma-separated."""
        return ", ".join(sorted(self.named)) or "none"


@dataclass(eq=False, slots=True)
class Signal:
    """A buffered signal.

    Attributes:
        number: Sequence number among the signals that the run has buffered.
        name: Signal name.
        arguments: Arguments as JSON.
        is_due: Whether the signal has had its turn in the activation; `wait_signal` ignores it until then.
    """

    number: int
    name: str
    arguments: list[Json]
    is_due: bool = False


class Queue:
    """The buffered signals of one name, in order, and the fibers that wait for one."""

    __slots__ = ("_waiting", "signals")

    def __init__(self) -> None:
        self.signals: list[Signal] = []
        self._waiting: list[Entry[bool]] = []

    def put(self, signal: Signal) -> None:
        """Add a signal. If fibers wait for it, it is due at once and wakes the one that has waited longest."""
        self.signals.append(signal)
        signal.is_due = self._wake()

    def make_due(self, signal: Signal) -> None:
        """Mark a signal as due and wake a waiting fiber."""
        signal.is_due = True
        self.wake_next()

    def has_due(self) -> bool:
        """Return true if a signal can be received without waiting."""
        return bool(self.signals) and self.signals[0].is_due

    def take(self) -> list[Json]:
        """Remove the first signal and return its arguments."""
        return self.signals.pop(0).arguments

    def start_waiting(self) -> Entry[bool]:
        """Return an entry that is resolved with true when a signal is due."""
        entry: Entry[bool] = Entry()
        self._waiting.append(entry)
        return entry

    def stop_waiting(self, entry: Entry[bool]) -> None:
        """Remove an entry of `start_waiting`, if it is still pending."""
        if entry in self._waiting:
            self._waiting.remove(entry)

    def wake_next(self) -> None:
        """Wake the next waiting fiber, if there is a signal for it."""
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
    """The handlers of a run, counts of running handlers, and buffered signals."""

    __slots__ = ("_expected", "_last", "_queues", "may_be_abandoned", "queries", "running", "signals", "updates")

    def __init__(self) -> None:
        self.signals = Handlers()
        self.queries = Handlers()
        self.updates = Handlers()
        self.running: dict[str, int] = {}
        """Number of running signal and update handlers by title, such as "signal 'approve'"."""
        self.may_be_abandoned: dict[str, int] = {}
        """Number of those that need no warning if the run ends."""
        self._queues: dict[str, Queue] = {}
        self._expected: dict[str, None] = {}
        self._last = 0

    @property
    def expected(self) -> frozenset[str]:
        """Names of signals that a task has waited for or polled; the dynamic handler ignores them."""
        return frozenset(self._expected)

    def keep(self, name: str, arguments: list[Json]) -> Signal:
        """Buffer a signal until it is received."""
        self._last += 1
        signal = Signal(self._last, name, arguments)
        self._queue(name).put(signal)
        return signal

    def holds(self, signal: Signal) -> bool:
        """Return true if a signal is still buffered."""
        queue = self._queues.get(signal.name)
        return queue is not None and signal in queue.signals

    def make_due(self, signal: Signal) -> None:
        """Mark a buffered signal as due and wake a waiting fiber."""
        self._queues[signal.name].make_due(signal)

    def remove(self, signal: Signal) -> None:
        """Remove a buffered signal."""
        self._queues[signal.name].signals.remove(signal)

    def _queue(self, name: str) -> Queue:
        queue = self._queues.get(name)
        if queue is None:
            queue = self._queues[name] = Queue()
        return queue

    def expect(self, name: str) -> Queue:
        """Return the queue of a name, and reserve the signals of that name for tasks from now on."""
        self._expected[name] = None
        return self._queue(name)

    def take_due(self, name: str) -> Iterator[list[Json]]:
        """Remove the buffered signals of a name that are due, and yield their arguments in order of arrival."""
        queue = self._queues.get(name)
        while queue is not None and queue.has_due():
            yield queue.take()

    def handler(self, name: str) -> Handler | None:
        """Return the handler for the buffered signals of a name, or None if tasks receive them."""
        named = self.signals.named.get(name)
        return self.signals.dynamic if named is None and name not in self._expected else named

    def has_signals_for_handlers(self) -> bool:
        """Return true if signals are buffered for handlers."""
        return any(queue.signals and self.handler(name) is not None for name, queue in self._queues.items())

    def take_unexpected(self) -> list[Signal]:
        """Remove and return the buffered signals of names that no task has asked for, in order of arrival."""
        unexpected = [
            signal for name, queue in self._queues.items() if name not in self._expected for signal in queue.signals
        ]
        for signal in unexpected:
            self._queues.pop(signal.name, None)
        return sorted(unexpected, key=lambda signal: signal.number)

    def unreceived(self) -> dict[str, int]:
        """Return the number of buffered signals by name."""
        return {name: len(queue.signals) for name, queue in self._queues.items() if queue.signals}

    def readers(self) -> list[LuaFunction]:
        """Return the read-only functions: query handlers and validators."""
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
        """Return the number of running handlers that the run should wait for, by title."""
        counts = {title: count - self.may_be_abandoned.get(title, 0) for title, count in self.running.items()}
        return {title: count for title, count in sorted(counts.items()) if count}
