"""The commands with their options and help, for everything but the plain run of a script."""

from __future__ import annotations

import difflib
import errno
import importlib
import os
import sys
from typing import Any

import click

import assay
from assay.cli.interrupt import EXIT_INTERRUPTED
from assay.cli.leave import complain
from assay.cli.names import COMMANDS, SANDBOX_OPTIONS

_UNWRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors of writing a command's output; errors of writing files name the file."""


class Commands(click.Group):
    """The commands, each imported when it is used; anything that is not a command is a script to run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"assay.cli.{cmd_name.replace('-', '_')}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that `args` call."""
        if args[0] not in COMMANDS:
            args = ["run", *args]
        return super().resolve_command(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show the two forms of a call in a line."""
        formatter.write_usage(ctx.command_path, "[OPTIONS] SCRIPT|COMMAND [ARGS]...")

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Say what it is, right below the usage."""
        with formatter.indentation():
            formatter.write_text(self.help or "")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, and the options in one line: all has to fit on a screen."""
        self.format_commands(ctx, formatter)
        formatter.write_text("Options: --version, --verbose, -h or --help; of a command: assay help COMMAND")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(assay.__version__, prog_name="assay", message="%(prog)s %(version)s")
@click.option("--verbose", is_flag=True, help="Show Python's tracebacks of unexpected errors.")
@click.pass_context
def group(ctx: click.Context, verbose: bool) -> None:
    """Run Lua scripts whose plain functions are durable Temporal workflows."""
    ctx.obj = verbose
    if os.environ.get("NO_COLOR"):
        ctx.color = False


def main(arguments: list[str]) -> int:
    """Run a command; returns the exit code."""
    verbose = "--verbose" in arguments
    if arguments and arguments[0].startswith(SANDBOX_OPTIONS):
        arguments = ["run", *arguments]
    try:
        result: Any = group.main(arguments, prog_name="assay", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return EXIT_INTERRUPTED
    except assay.AssayError as error:
        if verbose:
            sys.excepthook(type(error), error, error.__traceback__)
        complain(str(error))
        return 1
    except OSError as error:
        if error.errno not in _UNWRITTEN or error.filename is not None:
            raise
        complain(f"cannot write the output: {error.strerror}")
        return 1
    return result if isinstance(result, int) else 0


def complete(instruction: str) -> int:
    """Answer a shell that asks what can follow on a command line; returns the exit code."""
    from assay.cli import completion

    return completion.complete(group, instruction)


def unknown(name: str) -> int:
    """Tell that a word is neither a command nor a script; returns the exit code."""
    near = difflib.get_close_matches(name, COMMANDS, 1)
    hint = f" (did you mean '{near[0]}'?)" if near else f" (the commands are {', '.join(COMMANDS)})"
    complain(f"there is no command or script '{name}'{hint}")
    return 1
