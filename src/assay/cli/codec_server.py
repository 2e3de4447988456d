"""`assay codec-server`: decode encrypted payloads for the Web UI and the `temporal` command."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import signal
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assay.cli.exit import print_error
from assay.cli.failure import EXIT_USAGE, report_error
from assay.cli.options import verbose
from assay.cli.sandbox import SandboxedCommand
from assay.errors import AssayError

if TYPE_CHECKING:
    from assay.permissions.settings import SandboxOptions
    from assay.temporal.data.codec import CodecOptions

_TOKEN = "ASSAY_CODEC_TOKEN"
_PORT = 8888
_ORIGINS = ("http://localhost:8233", "http://127.0.0.1:8233")
"""Origins of the Web UI of `assay dev`."""


@click.command("codec-server", cls=SandboxedCommand, short_help="Decode encrypted payloads for the Web UI.")
@verbose
@click.option("--host", default="127.0.0.1", help="Address to listen on [127.0.0.1].")
@click.option("--port", default=_PORT, type=click.IntRange(0, 65535), help=f"Port; 0 for any free port [{_PORT}].")
@click.option(
    "--origin", "origins", metavar="URL", multiple=True, help="Allowed Web UI [http://localhost:8233]; repeatable."
)
@click.option("--token-file", metavar="FILE", help=f"File with the token that requests must send [${_TOKEN}].")
@click.option("--tls-cert", metavar="FILE", help="Certificate chain, for HTTPS.")
@click.option("--tls-key", metavar="FILE", help="Private key of the certificate.")
@click.argument("script")
def command(
    script: str,
    host: str,
    port: int,
    origins: tuple[str, ...],
    token_file: str | None,
    tls_cert: str | None,
    tls_key: str | None,
    verbose: bool,
    sandbox: SandboxOptions,
) -> int:
    """Serve Temporal's remote codec protocol with the keys of SCRIPT's codec.

    The Web UI and the temporal command send it encrypted payloads to decode. Anyone who can reach the server can decode
    everything: without a token it listens on loopback addresses only.
    """
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key must be used together")
    from assay.cli import script_options

    try:
        token = _token(token_file)
        if token is None and not _is_loopback(host):
            raise click.UsageError(f"--host {host} requires a token: --token-file FILE, or the variable {_TOKEN}")
        context = None if tls_cert is None else _tls(tls_cert, tls_key)
        codec = asyncio.run(script_options.read(script, sandbox)).connection.codec
        if codec is None:
            raise AssayError(f"{script} has no codec: pass one to temporal.worker or temporal.connect")
        asyncio.run(_serve(script, codec, host, port, origins or _ORIGINS, token, context))
    except AssayError as error:
        return report_error(error, verbose)
    except OSError as error:
        print_error(f"cannot listen on {host}:{port}: {error.strerror or error}")
        return EXIT_USAGE
    return 0


def _token(path: str | None) -> str | None:
    if path is None:
        return os.environ.get(_TOKEN) or None
    try:
        token = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise AssayError(f"cannot read {path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from error
    if not token:
        raise AssayError(f"{path} is empty: expected a token")
    return token


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _tls(certificate: str, key: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise AssayError(f"cannot use {certificate} with {key}: {error.strerror or error}") from error
    return context


async def _serve(
    script: str,
    options: CodecOptions,
    host: str,
    port: int,
    origins: tuple[str, ...],
    token: str | None,
    context: ssl.SSLContext | None,
) -> None:
    """Serve until SIGINT or SIGTERM. Raises AssayError for a bad key, and OSError."""
    from aiohttp import web

    from assay.temporal.data.codec import make_codec
    from assay.temporal.data.codec_server import application

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(application(make_codec(options), origins=origins, token=token), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=context).start()
        bound = runner.addresses[0][1]
        name = f"[{host}]" if ":" in host else host
        scheme = "http" if context is None else "https"
        click.echo(f"codec server for {script}: {scheme}://{name}:{bound}")
        click.echo(f"keys: {', '.join(options.keys)}; token: {'required' if token else 'none'}")
        click.echo(f"Web UI: {', '.join(origins)}")
        await stop.wait()
    finally:
        await runner.cleanup()
