"""`assay version`: print the version."""

from __future__ import annotations

import click

import assay


@click.command(hidden=True)
def command() -> None:
    """Print the version."""
    click.echo(f"assay {assay.__version__}")
