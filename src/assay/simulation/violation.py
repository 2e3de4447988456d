"""Violations: faults that a schedule reveals."""

from __future__ import annotations


class Violation(Exception):
    """A run did what it must not do.

    `kind` says what was violated: "check" and "always" (the test's own), "failed", "stuck", "lost", "unawaited",
    "unfinished", "limit", "replay". `traceback` is Lua's, empty when there is none.
    """

    def __init__(self, kind: str, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.traceback = traceback

    @property
    def key(self) -> tuple[str, str]:
        """The same for the same mistake: its kind, and its message without numbers."""
        return self.kind, "".join("#" if letter.isdigit() else letter for letter in self.message)
