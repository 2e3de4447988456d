"""How it is shown what continues: as lines here; `assay dev` has a live screen too."""

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
"""The news that are events where lines are JSON."""


class Display(Protocol):
    """Where the script's output and the news of its reloads go."""

    async def start(self, arguments: Sequence[str], *, verbose: bool) -> asyncio.subprocess.Process:
        """Start the script as a process whose output is shown.

        `arguments`: the options of its permissions, its path and its own arguments.
        """

    def say(self, what: str, text: str, colour: str | None = None, more: str = "") -> None:
        """Tell some news in a line, and more of it in lines of its own."""

    def stopping(self) -> None:
        """Say that the end has begun."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class Lines:
    """Plain lines: the news on stderr; the script's output goes where it goes without them."""

    def __init__(self, options: Sequence[str] = ()) -> None:
        """`options`: more of `assay run`, for the script."""
        self._options = options

    async def start(self, arguments: Sequence[str], *, verbose: bool) -> asyncio.subprocess.Process:
        """Start the script."""
        flag = ["--verbose"] if verbose else []
        return await children.start("-m", "assay", "run", *flag, *self._options, *arguments)

    def say(self, what: str, text: str, colour: str | None = None, more: str = "") -> None:
        """Write the news."""
        event = _EVENTS.get(what)
        if event is not None and log_lines.is_json():
            log_lines.emit(event.severity, f"{what.lower()}: {text}", {"report": more} if more else None, event)
            return
        click.echo(f"{click.style(f'{what:<17}', bold=True, fg=colour)}{text}", err=True)
        if more:
            click.echo(more, err=True)

    def stopping(self) -> None:
        """Nothing to say: the script reports its end."""

    def close(self) -> None:
        """Nothing to put right."""
