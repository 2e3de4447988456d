"""`assay exec`: run Lua code from the command line."""

from __future__ import annotations

import click

from assay.cli import script
from assay.cli.options import script_arguments, verbose
from assay.cli.sandbox import SandboxedCommand
from assay.permissions.settings import SandboxOptions


@click.command(cls=SandboxedCommand, shows_all=True, context_settings={"allow_interspersed_args": False})
@verbose
@click.option("-e", "code", metavar="CODE", required=True, help="The Lua code to run.")
@script_arguments
def command(code: str, arguments: tuple[str, ...], verbose: bool, sandbox: SandboxOptions) -> int:
    """Run Lua code. ARGS are available in `arg` and in `...`."""
    return script.run_code(code, list(arguments), verbose=verbose, sandbox=sandbox)
