"""Violations: failed checks of a schedule."""

from __future__ import annotations


class Violation(Exception):
    """A run failed a check.

    `kind` is the check: "check" and "always" (from the test), "failed", "stuck", "lost", "unawaited", "unfinished",
    "limit", "query", "replay". `traceback` is a Lua traceback, or empty.
    """

    def __init__(self, kind: str, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.traceback = traceback

    @property
    def key(self) -> tuple[str, str]:
        """The kind, and the message without numbers: equal for violations that have the same cause."""
        return self.kind, "".join("#" if letter.isdigit() else letter for letter in self.message)
