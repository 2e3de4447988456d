"""`assay types`: write annotations of all globals for the Lua language server."""

from __future__ import annotations

import click

from assay.cli.exit import print_error
from assay.cli.failure import EXIT_USAGE
from assay.cli.options import verbose


@click.command(short_help="Write annotations for the Lua language server.")
@verbose
@click.argument("file", required=False)
def command(file: str | None, verbose: bool) -> int:
    """Write LuaLS annotations of all globals to FILE, or to standard output.

    Each module for `require` gets a separate file next to FILE. The folder is created if it is missing. Add it to
    "workspace.library" in .luarc.json, and editors complete and check scripts.
    """
    from assay.cli.reference import stubs, write_stubs

    if file is None:
        click.echo(stubs(), nl=False)
        return 0
    try:
        write_stubs(file)
    except OSError as error:
        print_error(f"cannot write {file}: {error.strerror}")
        return EXIT_USAGE
    return 0
