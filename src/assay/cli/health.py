"""`assay health`: check the health of a running worker, for container health checks."""

from __future__ import annotations

import http.client

import click

from assay.cli.exit import print_error
from assay.errors import AssayError
from assay.temporal.telemetry import listen_address

_DEFAULT = "127.0.0.1:8080"
_TIMEOUT = 10.0
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}
"""Loopback address of a worker that listens on all interfaces."""


@click.command(short_help="Check the health of a running worker.")
@click.option("--ready", is_flag=True, help="Check readiness (it takes tasks) instead of liveness.")
@click.argument("address", default=_DEFAULT)
def command(address: str, ready: bool) -> int:
    """Check the worker that runs with --health ADDRESS [127.0.0.1:8080].

    Exits with 0 if it is healthy, 1 with the reason if it is not.
    """
    try:
        host, port = listen_address.parse("ADDRESS", address, kind="argument")
    except AssayError as error:
        raise click.UsageError(str(error)) from error
    host = _LOOPBACK.get(host, host)
    connection = http.client.HTTPConnection(host.strip("[]"), port, timeout=_TIMEOUT)
    try:
        connection.request("GET", "/readyz" if ready else "/livez")
        response = connection.getresponse()
        text = response.read().decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        print_error(f"no answer from a worker at {address}: {getattr(error, 'strerror', None) or error}")
        return 1
    finally:
        connection.close()
    if response.status != 200:
        print_error(text)
        return 1
    click.echo(text)
    return 0
