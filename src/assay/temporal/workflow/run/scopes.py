"""Scopes: what is cancelled together. The scopes of a run form a tree."""

from __future__ import annotations

from typing import Protocol


class Member(Protocol):
    """What a cancel reaches: a fiber, an activity, a child workflow, a timer, or a scope within."""

    def cancel(self) -> None:
        """Ask it to end."""


class Scope:
    """Members in the order in which they began; a cancel reaches them in that order.

    A scope takes part in its parent while it has members. One without a parent is reached by no other cancel.
    """

    __slots__ = ("_is_cancelled", "_members", "_parent")

    def __init__(self, parent: Scope | None = None) -> None:
        self._parent = parent
        self._members: dict[Member, None] = {}
        self._is_cancelled = False

    def add(self, member: Member) -> None:
        """Take a member in until `remove`."""
        if not self._members and self._parent is not None:
            self._parent.add(self)
        self._members[member] = None

    def remove(self, member: Member) -> None:
        """Let go of a member that has ended."""
        if member in self._members:
            del self._members[member]
            if not self._members and self._parent is not None:
                self._parent.remove(self)

    def cancel(self) -> None:
        """Cancel what is in here, unless that was done before."""
        if not self._is_cancelled:
            self.cancel_again()

    def cancel_again(self) -> None:
        """Cancel what is in here, also scopes that were cancelled before: the workflow's cancel reaches everything."""
        self._is_cancelled = True
        for member in tuple(self._members):
            if isinstance(member, Scope):
                member.cancel_again()
            else:
                member.cancel()
