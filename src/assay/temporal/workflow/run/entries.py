"""Entries: results that fibers wait for and that a job of Core, or the run itself, provides later."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Cancelled(BaseException):
    """Raised in the wait of a fiber that is cancelled."""


class Entry(Generic[T]):
    """A future result. Operations await it; callbacks run in the order in which they were added.

    `make_error` creates a new error for each raise, because a raised exception accumulates traceback frames.
    """

    __slots__ = ("_callbacks", "_make_error", "_result", "is_done")

    def __init__(self) -> None:
        self.is_done = False
        self._result: Any = None
        self._make_error: Callable[[], BaseException] | None = None
        self._callbacks: list[Callable[[], object]] | None = None

    def resolve(self, result: T) -> None:
        """End with a result."""
        self._result = result
        self._end()

    def fail(self, make_error: Callable[[], BaseException]) -> None:
        """End with an error."""
        self._make_error = make_error
        self._end()

    def _end(self) -> None:
        assert not self.is_done
        self.is_done = True
        callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks or ():
            callback()

    @property
    def has_failed(self) -> bool:
        """True if the entry has ended with an error."""
        return self._make_error is not None

    def error(self) -> BaseException | None:
        """Return the error of an entry that has failed, or None."""
        return None if self._make_error is None else self._make_error()

    def result(self) -> T:
        """Return the result of an entry that has ended, or raise its error."""
        if self._make_error is not None:
            raise self._make_error()
        return self._result  # type: ignore[no-any-return]

    def when_done(self, callback: Callable[[], object]) -> None:
        """Call a function when the entry ends. The entry must not have ended yet."""
        if self._callbacks is None:
            self._callbacks = [callback]
        else:
            self._callbacks.append(callback)

    def remove_callback(self, callback: Callable[[], object]) -> None:
        """Remove a callback, if it is there."""
        if self._callbacks is not None and callback in self._callbacks:
            self._callbacks.remove(callback)

    def __await__(self) -> Generator[Entry[T], None, T]:
        if not self.is_done:
            yield self
        return self.result()
