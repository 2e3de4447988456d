"""`assay health`: ask a worker for its health, as the check of a container."""

from __future__ import annotations

import http.client

import click

from assay.cli.leave import complain
from assay.errors import AssayError
from assay.temporal.telemetry import listen_address

_DEFAULT = "127.0.0.1:8080"
_TIMEOUT = 10.0
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}
"""Where to ask a worker that listens on all interfaces."""


@click.command(short_help="Ask a running worker for its health.")
@click.option("--ready", is_flag=True, help="Ask whether it takes tasks, not only whether it lives.")
@click.argument("address", default=_DEFAULT)
def command(address: str, ready: bool) -> int:
    """Ask the worker that runs with --health ADDRESS; without one at 127.0.0.1:8080.

    The exit code is 0 if it is well, and 1 with a reason if not.
    """
    try:
        host, port = listen_address.parse("ADDRESS", address, kind="argument")
    except AssayError as error:
        raise click.UsageError(str(error)) from error
    host = _LOOPBACK.get(host, host)
    connection = http.client.HTTPConnection(host.strip("[]"), port, timeout=_TIMEOUT)
    try:
        connection.request("GET", "/readyz" if ready else "/livez")
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        complain(f"no worker answers at {address}: {getattr(error, 'strerror', None) or error}")
        return 1
    finally:
        connection.close()
    if answer.status != 200:
        complain(text)
        return 1
    click.echo(text)
    return 0
