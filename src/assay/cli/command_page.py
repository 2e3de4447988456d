"""Generate the page of the manual about the command line from the commands.

python -m assay.cli.command_page docs/command-line.md
"""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from assay.cli.commands import group

_HEAD = """\
# Command line

```
assay [OPTIONS] SCRIPT [ARGS]...
assay [OPTIONS] COMMAND [ARGS]...
```

`assay SCRIPT` is short for `assay run SCRIPT`. `assay help COMMAND` prints the section of this page on a command, and
`assay completion` prints completion scripts for shells. [Environment variables](environment.md) apply to all commands.

| exit code | meaning |
| --- | --- |
| 0 | success |
| 1 | the script, a test, a check or a call failed; the reason is on stderr |
| 2 | the command was used incorrectly, or there was nothing to do |
| 70 | a process of `assay run --processes` keeps dying |
| 130 | interrupted by Ctrl-C |
| other | exit code that the script passed to `os.exit` |

In the descriptions of options, square brackets contain the default, or the range of a number. This page is generated
from the commands."""

_SANDBOX = "It also accepts the options `--sandbox`, `--allow-…` and `--permissions` of [`assay run`](#assay-run)."


def text() -> str:
    """Return the page."""
    root = click.Context(group, info_name="assay")
    commands = [(name, group.get_command(root, name)) for name in group.list_commands(root)]
    parts = [_HEAD]
    for name, command in commands:
        assert command is not None
        parts += _command(command, click.Context(command, info_name=name, parent=root), "##")
    return "\n\n".join(parts) + "\n"


def _command(command: click.Command, context: click.Context, level: str) -> Iterator[str]:
    yield f"{level} `{context.command_path}`"
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"```\n{usage}\n```"
    yield from _paragraphs(command.help or "")
    options = [item for item in command.params if isinstance(item, click.Option)]
    is_sandboxed = any(option.hidden and "--allow-net" in option.opts for option in options)
    if is_sandboxed:
        options = [option for option in options if "--sandbox" not in option.opts]
    rows = list(filter(None, (option.get_help_record(context) for option in options)))
    if rows:
        lines = [f"| `{_cell(names)}` | {_cell(meaning)} |" for names, meaning in rows]
        yield "\n".join(["| option | meaning |", "| --- | --- |", *lines])
    if is_sandboxed:
        yield _SANDBOX
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _command(inner, click.Context(inner, info_name=name, parent=context), level + "#")


def _paragraphs(help_text: str) -> Iterator[str]:
    """Yield the paragraphs of a help text as Markdown; a paragraph that click does not rewrap becomes a code block."""
    for paragraph in inspect.cleandoc(help_text).split("\n\n"):
        if paragraph.startswith("\b\n"):
            yield "```\n" + paragraph.removeprefix("\b\n") + "\n```"
        else:
            yield re.sub(r"([*_<])", r"\\\1", re.sub(r"\s+", " ", paragraph))


def _cell(words: str) -> str:
    return words.replace("|", "\\|")


def main(argv: Sequence[str] | None = None) -> None:
    """Write the page to a file."""
    parser = argparse.ArgumentParser(prog="python -m assay.cli.command_page", description=__doc__)
    parser.add_argument("file", help="file for the page")
    Path(parser.parse_args(argv).file).write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
