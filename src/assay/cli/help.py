"""`assay help`: print the help of a command, as `--help` does."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from assay.cli.names import COMMANDS


def _complete(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in COMMANDS if name.startswith(incomplete)]


@click.command(hidden=True)
@click.argument("words", metavar="[COMMAND]...", nargs=-1, shell_complete=_complete)
def command(words: tuple[str, ...]) -> int:
    """Show the help of COMMAND, or the list of all commands.

    \b
    assay help check
    assay help workflow show
    """  # noqa: D301 click keeps the line breaks after \b
    from assay.cli.commands import group, unknown

    if words and words[0] not in COMMANDS:
        return unknown(words[0])
    group.main([*words, "--help"], prog_name="assay", standalone_mode=False)
    return 0
