"""`assay run`: run a script."""

from __future__ import annotations

import click

from assay.cli import script as runner
from assay.cli.options import script_arguments, verbose
from assay.errors import AssayError
from assay.temporal import listen_address


@click.command(context_settings={"allow_interspersed_args": False})
@verbose
@click.option("--health", metavar="IP:PORT", help="Serve /livez and /readyz of the script's workers there.")
@click.argument("script")
@script_arguments
def command(script: str, arguments: tuple[str, ...], health: str | None, verbose: bool) -> int:
    """Run SCRIPT; what follows it is the script's own."""
    if health is not None:
        try:
            listen_address.parse("--health", health)
        except AssayError as error:
            raise click.UsageError(str(error)) from error
    return runner.run_file(script, list(arguments), verbose=verbose, health=health)
