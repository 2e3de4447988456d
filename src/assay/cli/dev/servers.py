"""Selection of the Temporal server for `assay dev`: configured, already running, or embedded."""

from __future__ import annotations

import asyncio
import os
import socket

import click

from assay.temporal.dev_server.server import DevServer

_PROBE_TIMEOUT = 3.0
_OTHER_SERVERS = ("TEMPORAL_API_KEY", "TEMPORAL_TLS", "TEMPORAL_GRPC_META")


def configured_address() -> str | None:
    """Return the address of the server configured by the environment or a profile, or None."""
    from temporalio.envconfig import ClientConfig

    try:
        return ClientConfig.load_client_connect_config().get("target_host")
    except RuntimeError as error:
        raise click.ClickException(f"Temporal configuration: {error}") from error


def answers(address: str) -> bool:
    """Return true if a Temporal server answers at `address`."""
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


def use(server: DevServer) -> None:
    """Make `server` the default server for connections of the script, through environment variables."""
    for name in list(os.environ):
        if name.startswith(_OTHER_SERVERS):
            del os.environ[name]
    os.environ["TEMPORAL_ADDRESS"] = server.address
    os.environ["TEMPORAL_NAMESPACE"] = server.namespace
