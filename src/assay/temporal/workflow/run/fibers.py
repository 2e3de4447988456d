"""Fibers: the Lua coroutines of a run, which run cooperatively from one wait to the next."""

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
"""Result of a step of a Lua task: see `Host.step`."""


@dataclass(frozen=True)
class Update:
    """An update: its id, which is the `update_id` of the client, and its name."""

    id: str
    name: str


class Scheduler(Protocol):
    """The run, which runs its fibers one after the other, each until it waits."""

    host: WorkflowHost
    fiber: Fiber | None

    def enqueue(self, call: Any) -> None:
        """Call a function after those that are in the queue."""


class Fiber:
    """A Lua coroutine, which waits for one operation at a time.

    A cancel raises `Cancelled` in the current operation, which decides how to react. If the result of that operation is
    already available, the cancel applies to the next wait instead.
    """

    __slots__ = (
        "_always_begins",
        "_cancel_is_due",
        "_function",
        "_make_task",
        "_operation",
        "_waits_for",
        "_was_cancelled",
        "ended",
        "error",
        "has_begun",
        "id",
        "is_cancelled",
        "scheduler",
        "scope",
        "update",
    )

    def __init__(
        self,
        scheduler: Scheduler,
        make_task: Callable[[], int],
        scope: Scope,
        update: Update | None = None,
        *,
        always_begins: bool = False,
    ) -> None:
        """Create a fiber in `scope`, which also gets whatever the fiber starts.

        `make_task` creates the Lua task and returns its id. It is called later: fibers are created in calls from Lua,
        during which nothing may touch the state. A fiber that is cancelled before it begins never begins, unless
        `always_begins` is set: then it begins, and its first wait is cancelled.
        """
        self.scheduler = scheduler
        self.id = 0
        self._make_task = make_task
        self._always_begins = always_begins
        self.scope = scope
        self.ended: Entry[Event] = Entry()
        """Last event of the fiber. Fails if there is none, such as after a cancel before the fiber begins."""
        self.error: LuaError | None = None
        """Error with which the fiber ended, including a cancellation."""
        self.has_begun = False
        self.is_cancelled = False
        """True if the fiber ended because it did not catch a cancellation."""
        self.update = update
        """Update whose handler the fiber belongs to."""
        self._operation: Coroutine[Any, Any, Any] | None = None
        self._function: Function | None = None
        self._waits_for: Entry[Any] | None = None
        self._cancel_is_due = False
        self._was_cancelled = False
        scope.add(self)

    def begin(self) -> None:
        """Begin after the calls that are in the queue."""
        self.scheduler.enqueue(self._begin)

    def _begin(self) -> None:
        if self.is_cancelled:
            self.scheduler.host.drop(self._make_task())
            self._end_with(None)
        else:
            self.has_begun = True
            self.id = self._make_task()
            self._run(())

    def begin_now(self) -> None:
        """Begin at once."""
        self._begin()

    def abandon(self) -> None:
        """End the fiber where it is, because it has ended the run."""
        if not self.ended.is_done:
            self._end_with(None)

    def cancel(self) -> None:
        """Cancel the current wait. A fiber that has not begun never begins, unless it always does."""
        if self.ended.is_done:
            return
        if self.has_begun:
            self._cancel_is_due = True
            self.scheduler.enqueue(self._deliver_cancel)
        elif self._always_begins:
            self._cancel_is_due = True
        else:
            self.is_cancelled = True

    def cancel_next_wait(self) -> None:
        """Cancel the next wait."""
        self._cancel_is_due = True

    def _deliver_cancel(self) -> None:
        waits_for = self._waits_for
        if not self._cancel_is_due or waits_for is None or waits_for.is_done:
            return  # ended, or a result came first: then the next wait is cancelled
        waits_for.remove_callback(self._wake)
        self._cancel_is_due = False
        self._proceed(Cancelled())

    def _wake(self) -> None:
        self.scheduler.enqueue(self._proceed)

    def _proceed(self, error: BaseException | None = None) -> None:
        self.scheduler.fiber = self
        self._waits_for = None
        outcome = self._resume_operation(error)
        if outcome is not None:
            self._run(outcome)

    def _run(self, outcome: Event) -> None:
        """Run Lua code and operations until an operation waits or the coroutine ends."""
        self.scheduler.fiber = self
        host = self.scheduler.host
        while True:
            event = host.step(self.id, *outcome)
            if event[0] != b"wait":
                self._end(event)
                return
            self._function, self._operation = host.callbacks.take_operation(event[1])
            next_outcome = self._resume_operation(None)
            if next_outcome is None:
                return
            outcome = next_outcome

    def _resume_operation(self, error: BaseException | None) -> Event | None:
        """Resume the operation, with an error if given; return its outcome for Lua, or None if it waits."""
        operation, function, host = self._operation, self._function, self.scheduler.host
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
            self.error = self.scheduler.host.error_of(event)
            self.is_cancelled = self._was_cancelled and is_cancellation(self.error)
        self._end_with(event)

    def _end_with(self, event: Event | None) -> None:
        self.scope.remove(self)
        if event is None:
            self.ended.fail(Cancelled)
        else:
            self.ended.resolve(event)
