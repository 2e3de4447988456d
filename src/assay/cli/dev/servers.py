"""Which Temporal server `assay dev` uses: a configured one, one that answers already, or one of its own."""

from __future__ import annotations

import asyncio
import os
import socket

import click

from assay.temporal.dev_server.server import DevServer

_PROBE_TIMEOUT = 3.0
_OTHER_SERVERS = ("TEMPORAL_API_KEY", "TEMPORAL_TLS", "TEMPORAL_GRPC_META")


def configured_address() -> str | None:
    """The address of the server that the environment or a profile configures."""
    from temporalio.envconfig import ClientConfig

    try:
        return ClientConfig.load_client_connect_config().get("target_host")
    except RuntimeError as error:
        raise click.ClickException(f"Temporal configuration: {error}") from error


def answers(address: str) -> bool:
    """Return true if a Temporal server answers there."""
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
    """Make `server` what the script's connections are to by default."""
    for name in list(os.environ):
        if name.startswith(_OTHER_SERVERS):
            del os.environ[name]
    os.environ["TEMPORAL_ADDRESS"] = server.address
    os.environ["TEMPORAL_NAMESPACE"] = server.namespace
