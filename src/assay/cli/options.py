"""Options shared by several commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


def verbose(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--verbose`, which is accepted before and after the name of the command."""
    option = click.option(
        "--verbose",
        is_flag=True,
        help="Show Python's tracebacks of unexpected errors.",
        callback=lambda ctx, _parameter, value: value or bool(ctx.obj),
    )
    return option(command)


def script_arguments(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the arguments passed on to the script."""
    return click.argument("arguments", metavar="[ARGS]...", nargs=-1, type=click.UNPROCESSED)(command)


def connection(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--address` and `--namespace`."""
    command = click.option("--namespace", help="The namespace [TEMPORAL_NAMESPACE or default].")(command)
    return click.option(
        "--address",
        metavar="HOST:PORT",
        help="The server [TEMPORAL_ADDRESS or localhost:7233].",
        callback=lambda _ctx, _parameter, value: value if value is None else _address(value),
    )(command)


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not (host and "://" not in text and port.isdigit() and int(port) < 65536):
        raise click.BadParameter(f"expected HOST:PORT, got '{text}'")
    return text
