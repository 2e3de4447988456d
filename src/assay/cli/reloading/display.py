"""Output of a reloaded script: the interface, and plain lines. `assay dev` also has a live screen."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import click

from assay import events, log_lines
from assay.cli.reloading import children

_EVENTS = {
    "Reloaded": events.SCRIPT_RELOADED,
    "Not reloaded": events.SCRIPT_NOT_RELOADED,
    "Not watching": events.SCRIPT_NOT_WATCHED,
}
"""Notices that are logged as events if log lines are JSON."""


class Display(Protocol):
    """Shows the output of the script and notices about reloads."""

    async def start(self, arguments: Sequence[str], *, verbose: bool) -> asyncio.subprocess.Process:
        """Start the script in a process and show its output.

        Args:
            arguments: Permission options, the path of the script and its arguments.
            verbose: Show Python tracebacks.
        """

    def notify(self, title: str, text: str, color: str | None = None, details: str = "") -> None:
        """Show a notice in one line, followed by the lines of `details`."""

    def stopping(self) -> None:
        """Show that the shutdown has begun."""

    def close(self) -> None:
        """Restore the terminal."""


class Lines:
    """Plain lines: notices on stderr; the script inherits the standard streams."""

    def __init__(self, options: Sequence[str] = ()) -> None:
        """Set additional options of `assay run` for the script."""
        self._options = options

    async def start(self, arguments: Sequence[str], *, verbose: bool) -> asyncio.subprocess.Process:
        """Start the script."""
        flag = ["--verbose"] if verbose else []
        return await children.start("-m", "assay", "run", *flag, *self._options, *arguments)

    def notify(self, title: str, text: str, color: str | None = None, details: str = "") -> None:
        """Write the notice to stderr."""
        event = _EVENTS.get(title)
        if event is not None and log_lines.is_json():
            log_lines.emit(event.severity, f"{title.lower()}: {text}", {"report": details} if details else None, event)
            return
        click.echo(f"{click.style(f'{title:<17}', bold=True, fg=color)}{text}", err=True)
        if details:
            click.echo(details, err=True)

    def stopping(self) -> None:
        """Do nothing: the script logs its shutdown."""

    def close(self) -> None:
        """Do nothing."""
