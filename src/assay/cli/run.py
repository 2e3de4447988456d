"""`assay run`: run a script."""

from __future__ import annotations

import click

from assay.cli import script as runner
from assay.cli.options import script_arguments, verbose
from assay.cli.sandbox import SandboxedCommand
from assay.errors import AssayError
from assay.permissions.settings import Asked
from assay.temporal import listen_address


@click.command(cls=SandboxedCommand, shows_all=True, context_settings={"allow_interspersed_args": False})
@verbose
@click.option("--health", metavar="IP:PORT", help="Serve /livez and /readyz of the script's workers there.")
@click.argument("script")
@script_arguments
def command(script: str, arguments: tuple[str, ...], health: str | None, verbose: bool, asked: Asked) -> int:
    """Run SCRIPT; what follows it is the script's own.

    It may do everything, unless --sandbox, an --allow option or a table [permissions] in an assay.toml beside it says
    what. An option without a list allows all of its kind.
    """
    if health is not None:
        try:
            listen_address.parse("--health", health)
        except AssayError as error:
            raise click.UsageError(str(error)) from error
    return runner.run_file(script, list(arguments), verbose=verbose, asked=asked, health=health)
