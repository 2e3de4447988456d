"""Fibers: the Lua coroutines of a run, each carried from wait to wait."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from assay.errors import LuaError
from assay.lua.spawned import cancelled
from assay.temporal.workflow.run.entries import Cancelled, Entry
from assay.temporal.workflow.run.scopes import Scope
from assay.temporal.workflow.sandbox.errors import is_cancellation
from assay.temporal.workflow.sandbox.host import WorkflowHost

if TYPE_CHECKING:
    from assay.lua.declare import Function

Event = tuple[Any, ...]
"""What the last step of a fiber gave: see `Host.step`."""


@dataclass(frozen=True)
class Update:
    """An update: its id, which is the client's `update_id`, and its name."""

    id: str
    name: str


class Queue(Protocol):
    """What runs fibers: one after the other, each until it waits."""

    host: WorkflowHost
    fiber: Fiber | None

    def enqueue(self, work: Any) -> None:
        """Call a function once all that is in the queue has run."""


class Fiber:
    """One Lua coroutine: it begins, waits for one operation at a time, and ends.

    A cancel raises `Cancelled` in the operation that it waits for, which decides what that means. It comes too late for
    an operation whose result is there already, and is met by the next one then.
    """

    __slots__ = (
        "_always_begins",
        "_cancel_is_due",
        "_function",
        "_make",
        "_operation",
        "_waits_for",
        "_was_cancelled",
        "ended",
        "error",
        "has_begun",
        "id",
        "is_cancelled",
        "queue",
        "scope",
        "update",
    )

    def __init__(
        self,
        queue: Queue,
        make: Callable[[], int],
        scope: Scope,
        update: Update | None = None,
        *,
        always_begins: bool = False,
    ) -> None:
        """Make a fiber; what it starts belongs to `scope`, in which it is itself.

        `make` makes its Lua task and returns the task's id. It is called later: fibers are made in calls from Lua,
        during which nothing may touch the state. One that `always_begins` meets a cancel that comes before in its first
        wait; another never begins then.
        """
        self.queue = queue
        self.id = 0
        self._make = make
        self._always_begins = always_begins
        self.scope = scope
        self.ended: Entry[Event] = Entry()
        """Its last event. It fails only when the fiber is cancelled before it has begun."""
        self.error: LuaError | None = None
        """The error with which it ended, a cancellation included."""
        self.has_begun = False
        self.is_cancelled = False
        """Whether it ended because it let a cancellation through."""
        self.update = update
        """The update in whose handler it began."""
        self._operation: Coroutine[Any, Any, Any] | None = None
        self._function: Function | None = None
        self._waits_for: Entry[Any] | None = None
        self._cancel_is_due = False
        self._was_cancelled = False
        scope.add(self)

    def begin(self) -> None:
        """Begin once all that is in the queue has run."""
        self.queue.enqueue(self._begin)

    def _begin(self) -> None:
        if self.is_cancelled:
            self.queue.host.drop(self._make())
            self._end_with(None)
        else:
            self.has_begun = True
            self.id = self._make()
            self._carry(())

    def begin_now(self) -> None:
        """Begin at once."""
        self._begin()

    def abandon(self) -> None:
        """End it where it is: it has ended the run."""
        if not self.ended.is_done:
            self._end_with(None)

    def cancel(self) -> None:
        """Cancel what it waits for. One that has not begun never begins, unless it always does."""
        if self.ended.is_done:
            return
        if self.has_begun:
            self._cancel_is_due = True
            self.queue.enqueue(self._meet_cancel)
        elif self._always_begins:
            self._cancel_is_due = True
        else:
            self.is_cancelled = True

    def cancel_next_wait(self) -> None:
        """Cancel what it waits for next."""
        self._cancel_is_due = True

    def _meet_cancel(self) -> None:
        waits_for = self._waits_for
        if not self._cancel_is_due or waits_for is None or waits_for.is_done:
            return  # it has ended, or the result came first: then the next wait meets the cancel
        waits_for.forget(self._wake)
        self._cancel_is_due = False
        self._proceed(Cancelled())

    def _wake(self) -> None:
        self.queue.enqueue(self._proceed)

    def _proceed(self, error: BaseException | None = None) -> None:
        self.queue.fiber = self
        self._waits_for = None
        outcome = self._operate(error)
        if outcome is not None:
            self._carry(outcome)

    def _carry(self, outcome: Event) -> None:
        """Run Lua code, and the operations that do not wait, until one waits or the coroutine ends."""
        self.queue.fiber = self
        host = self.queue.host
        while True:
            event = host.step(self.id, *outcome)
            if event[0] != b"wait":
                self._end(event)
                return
            self._function, self._operation = host.callbacks.take_operation(event[1])
            answer = self._operate(None)
            if answer is None:
                return
            outcome = answer

    def _operate(self, error: BaseException | None) -> Event | None:
        """Carry the operation on; returns its outcome for Lua, None when it waits."""
        operation, function, host = self._operation, self._function, self.queue.host
        assert operation is not None
        assert function is not None
        while True:
            self._was_cancelled = self._was_cancelled or error is not None
            try:
                entry = operation.send(None) if error is None else operation.throw(error)
            except StopIteration as end:
                outcome = host.callbacks.outcome(end.value)
            except Cancelled:
                outcome = host.callbacks.failure(function, cancelled())
            except BaseException as raised:
                outcome = host.callbacks.failure(function, raised)
            else:
                if self._cancel_is_due:
                    self._cancel_is_due = False
                    error = Cancelled()
                    continue
                self._waits_for = entry
                entry.when_done(self._wake)
                return None
            self._operation = self._function = None
            return outcome

    def _end(self, event: Event) -> None:
        if event[0] in (b"error", b"unfit"):
            self.error = self.queue.host.error_of(event)
            self.is_cancelled = self._was_cancelled and is_cancellation(self.error)
        self._end_with(event)

    def _end_with(self, event: Event | None) -> None:
        self.scope.remove(self)
        if event is None:
            self.ended.fail(Cancelled)
        else:
            self.ended.resolve(event)
