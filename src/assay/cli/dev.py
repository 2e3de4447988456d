"""`assay dev`: run a script with a Temporal server at hand."""

from __future__ import annotations

import asyncio
import os
import socket

import click

from assay.cli.options import script_arguments, verbose
from assay.cli.reload import Reloading
from assay.cli.signals import Signals
from assay.errors import DevServerError
from assay.temporal import dev_server
from assay.temporal.dev_server import DevServer

_PROBE_TIMEOUT = 3.0
_OTHER_SERVERS = ("TEMPORAL_API_KEY", "TEMPORAL_TLS", "TEMPORAL_GRPC_META")


@click.command()
@verbose
@click.option("--db", metavar="FILE", help="Keep the server's state in FILE.")
@click.option("--port", type=click.IntRange(1, 65535), help="The server's port [7233, or a free one].")
@click.option("--ui-port", type=click.IntRange(1, 65535), help="The Web UI's port [8233, or a free one].")
@click.argument("script")
@script_arguments
def command(
    script: str, arguments: tuple[str, ...], db: str | None, port: int | None, ui_port: int | None, verbose: bool
) -> int:
    """Run SCRIPT with an embedded Temporal server that lives as long as it does.

    A server that the environment or a profile configures, or that answers on localhost:7233, is used instead. Options
    of the script itself follow after --.

    A worker script is started anew when a Lua file in its folder changes. Code that does not run leaves the old worker
    alone; open workflows are replayed first, and one that does not match the new code is shown.
    """
    configured = configured_address()
    own = any(option is not None for option in (db, port, ui_port))
    if configured is not None and own:
        raise click.UsageError(f"--db, --port and --ui-port have no use: the server {configured} is configured")
    if configured is not None:
        _announce(configured, "configured")
        return _run(script, list(arguments), verbose)
    usual = f"localhost:{dev_server.USUAL_PORT}"
    if not own and answers(usual):
        _announce(usual, "already running")
        return _run(script, list(arguments), verbose)

    server = DevServer(
        port=port,
        ui_port=ui_port,
        db=db,
        namespace=os.environ.get("TEMPORAL_NAMESPACE") or "default",
        usual_ports=True,
    )
    signals = Signals(server.stop)
    try:
        server.start()
        _announce(server.address, "in memory" if db is None else f"state in {db}")
        _say("Web UI", server.ui_url)
        _use(server)
        return _run(script, list(arguments), verbose)
    except DevServerError:
        signals.hold()
        raise
    finally:
        server.stop()


def _run(script: str, arguments: list[str], verbose: bool) -> int:
    async def run() -> int:
        return await Reloading(script, arguments, verbose).run()

    return asyncio.run(run())


def configured_address() -> str | None:
    """The address of the server that the environment or a profile configures."""
    from temporalio.envconfig import ClientConfig

    try:
        return ClientConfig.load_client_connect_config().get("target_host")
    except RuntimeError as error:
        raise click.ClickException(f"Temporal's configuration: {error}") from error


def answers(address: str) -> bool:
    """Whether a Temporal server answers there."""
    host, _, port = address.partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_PROBE_TIMEOUT).close()
    except OSError:
        return False

    from temporalio.service import ConnectConfig, RPCError, ServiceClient

    async def ask() -> bool:
        client = await ServiceClient.connect(ConnectConfig(target_host=address))
        return await client.check_health()

    try:
        return asyncio.run(asyncio.wait_for(ask(), _PROBE_TIMEOUT))
    except (RuntimeError, RPCError, TimeoutError):
        return False


def _use(server: DevServer) -> None:
    """Make `server` what the script's connections are to by default."""
    for name in list(os.environ):
        if name.startswith(_OTHER_SERVERS):
            del os.environ[name]
    os.environ["TEMPORAL_ADDRESS"] = server.address
    os.environ["TEMPORAL_NAMESPACE"] = server.namespace


def _announce(address: str, remark: str) -> None:
    _say("Temporal server", f"{address} ({remark})")


def _say(what: str, where: str) -> None:
    click.echo(f"{click.style(f'{what:<17}', bold=True)}{where}", err=True)
