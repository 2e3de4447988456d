"""What is cancelled together: the tasks of a run form a tree of scopes."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any, TypeVar

from temporalio import workflow

T = TypeVar("T")

_current: contextvars.ContextVar[Scope] = contextvars.ContextVar("scope")


class Scope:
    """Tasks and scopes within, in the order in which they began; a cancel reaches them in that order."""

    def __init__(self, parent: Scope | None = None) -> None:
        """Make a scope that ends with its last member. Without a parent no other cancel reaches it."""
        self._parent = parent
        self._members: dict[Scope | asyncio.Future[Any], Coroutine[Any, Any, Any] | None] = {}
        self._is_cancelled = False

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task in this scope; it begins when the running one waits."""
        context = contextvars.copy_context()
        context.run(_current.set, self)
        task = asyncio.get_running_loop().create_task(to_its_end(work), context=context)
        self.add(task)
        self._members[task] = work
        return task

    def add(self, member: Scope | asyncio.Future[Any]) -> None:
        """Take a member in until it ends."""
        if not self._members and self._parent is not None:
            self._parent.add(self)
        self._members[member] = None
        if isinstance(member, asyncio.Future):
            member.add_done_callback(self._ended)

    def _ended(self, member: Scope | asyncio.Future[Any]) -> None:
        work = self._members.pop(member)
        if work is not None:
            work.close()  # it has not begun when its task was cancelled before
        if isinstance(member, asyncio.Future) and not member.cancelled():
            member.exception()  # whoever waits for it raises it; asyncio need not tell
        if not self._members and self._parent is not None:
            self._parent._ended(self)

    def cancel(self, *, again: bool = False) -> None:
        """Cancel what is in here, once; `again` also what was cancelled before."""
        if self._is_cancelled and not again:
            return
        self._is_cancelled = True
        for member in list(self._members):
            if isinstance(member, Scope):
                member.cancel(again=again)
            else:
                member.cancel()


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Await work. A cancel that it would have met where it waits next came too late when it returns before.

    A task of asyncio would be cancelled all the same, and lose the result.
    """
    result = await work
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            workflow.random()  # raises while the run is evicted
    return result


def enter(scope: Scope) -> None:
    """Let what the running task starts belong to a scope."""
    _current.set(scope)


def current() -> Scope:
    """The scope of the running task."""
    return _current.get()
