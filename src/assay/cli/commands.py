"""The click group of all commands: options, help and usage errors."""

from __future__ import annotations

import difflib
import errno
import importlib
import os
from typing import Any

import click

import assay
from assay.cli.exit import print_error
from assay.cli.failure import print_traceback
from assay.cli.interrupt import EXIT_INTERRUPTED
from assay.cli.names import COMMANDS, SANDBOX_OPTIONS

_UNWRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors of writing to standard output; an error of writing a file has a filename."""


class Commands(click.Group):
    """A group that imports each command on first use and runs any other name as a script."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
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
        """Return the command for `args`: `run` if the first one is not a command."""
        if args[0] not in COMMANDS:
            args = ["run", *args]
        return super().resolve_command(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write both forms of a call in one line."""
        formatter.write_usage(ctx.command_path, "[OPTIONS] SCRIPT|COMMAND [ARGS]...")

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the description directly below the usage."""
        with formatter.indentation():
            formatter.write_text(self.help or "")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, and the options in one line, so that the help fits on a screen."""
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
    """Run a command and return the exit code."""
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
            print_traceback(error)
        print_error(str(error))
        return 1
    except OSError as error:
        if error.errno not in _UNWRITTEN or error.filename is not None:
            raise
        print_error(f"cannot write the output: {error.strerror}")
        return 1
    return result if isinstance(result, int) else 0


def complete(instruction: str) -> int:
    """Print completions for a shell and return the exit code."""
    from assay.cli import completion

    return completion.complete(group, instruction)


def unknown(name: str) -> int:
    """Report a name that is neither a command nor a script and return the exit code."""
    matches = difflib.get_close_matches(name, COMMANDS, 1)
    hint = f" (did you mean '{matches[0]}'?)" if matches else f" (commands: {', '.join(COMMANDS)})"
    print_error(f"unknown command or script '{name}'{hint}")
    return 1
