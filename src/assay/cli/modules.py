"""`assay modules`: list the globals and the built-in modules."""

from __future__ import annotations

import click

from assay.cli.options import verbose


@click.command(short_help="List the globals and the built-in modules.")
@verbose
@click.argument("name", required=False)
def command(name: str | None, verbose: bool) -> int:
    """List the globals and the built-in modules, one line each; with NAME, list its functions."""
    from assay.cli import reference
    from assay.lua.reference import first_sentence

    libraries = {library.name: library for library in reference.libraries()}
    if name is None:
        rows = [(library.name, first_sentence(library.doc)) for library in libraries.values()]
    elif name in libraries:
        rows = reference.function_rows(libraries[name])
    else:
        raise click.UsageError(f"unknown library '{name}' (available: {', '.join(libraries)})")
    width = max(len(row[0]) for row in rows)
    for title, text in rows:
        click.echo(f"{title:<{width}}  {text}")
    return 0
