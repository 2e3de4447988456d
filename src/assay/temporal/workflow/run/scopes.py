"""Cancellation scopes. The scopes of a run form a tree."""

from __future__ import annotations

from typing import Protocol


class Member(Protocol):
    """A member of a scope: a fiber, an activity, a child workflow, a timer, or a nested scope."""

    def cancel(self) -> None:
        """Request cancellation."""


class Scope:
    """A set of members that are cancelled together, in the order in which they were added.

    A scope is a member of its parent while it has members. Cancelling another scope does not affect a scope without a
    parent.
    """

    __slots__ = ("_is_cancelled", "_members", "_parent")

    def __init__(self, parent: Scope | None = None) -> None:
        self._parent = parent
        self._members: dict[Member, None] = {}
        self._is_cancelled = False

    def add(self, member: Member) -> None:
        """Add a member."""
        if not self._members and self._parent is not None:
            self._parent.add(self)
        self._members[member] = None

    def remove(self, member: Member) -> None:
        """Remove a member that has ended."""
        if member in self._members:
            del self._members[member]
            if not self._members and self._parent is not None:
                self._parent.remove(self)

    def cancel(self) -> None:
        """Cancel all members, unless the scope was already cancelled."""
        if not self._is_cancelled:
            self.cancel_again()

    def cancel_again(self) -> None:
        """Cancel all members, including nested scopes that were already cancelled."""
        self._is_cancelled = True
        for member in tuple(self._members):
            if isinstance(member, Scope):
                member.cancel_again()
            else:
                member.cancel()
