"""Connections to a Temporal server."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from dataclasses import dataclass
from typing import Any

from assay.errors import BuiltinError, ErrorObject

# One thread is enough for the SDK's core beside Python's; it is read when the core starts.
os.environ.setdefault("TOKIO_WORKER_THREADS", "1")

from temporalio.client import Client, GrpcCompression
from temporalio.converter import DataConverter
from temporalio.envconfig import ClientConfig
from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RPCError, RPCStatusCode

from assay.temporal.failures import LuaFailureConverter
from assay.temporal.payloads import RawConverter

CONNECT_TIMEOUT = 8.0
"""Seconds until a server that does not answer is given up."""

_DATA_CONVERTER = DataConverter(payload_converter_class=RawConverter, failure_converter_class=LuaFailureConverter)
_runtime: Runtime | None = None


@dataclass(kw_only=True)
class ConnectionOptions:
    """Where the server is.

    What is left out comes from Temporal's environment configuration (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, …, a
    profile in `temporal.toml`), then from the defaults `localhost:7233` and `default`.

    Attributes:
        url: `host:port` of the server's gRPC frontend, without `http://`.
        namespace: The namespace.
        identity: What the server shows as the caller.
    """

    url: str | None = None
    namespace: str | None = None
    identity: str | None = None


def _sdk_runtime() -> Runtime:
    """The SDK's core, one per process; it reports errors only, what matters comes back as errors anyway."""
    global _runtime
    if _runtime is None:
        forwarding = LogForwardingConfig(logger=logging.getLogger("temporalio.core"))
        errors = TelemetryFilter(core_level="ERROR", other_level="ERROR")
        _runtime = Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter=errors, forwarding=forwarding)))
    return _runtime


async def connect(caller: str, options: ConnectionOptions) -> Client:
    """Connect, within `CONNECT_TIMEOUT` seconds, for the Lua function `caller`.

    Raises BuiltinError or ErrorObject (kind "rpc" or "not_found").
    """
    config: dict[str, Any] = dict(ClientConfig.load_client_connect_config())
    if options.url is not None:
        config["target_host"] = options.url
    if options.namespace is not None:
        config["namespace"] = options.namespace
    if options.identity is not None:
        config["identity"] = options.identity
    address = config.setdefault("target_host", "localhost:7233")
    if "://" in address:
        raise BuiltinError(f"bad option 'url' (host:port without http:// expected, got '{address}')")
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdigit()):
        raise BuiltinError(f"bad option 'url' (host:port expected, got '{address}')")
    connecting = Client.connect(
        **config,
        data_converter=_DATA_CONVERTER,
        runtime=_sdk_runtime(),
        grpc_compression=GrpcCompression.NONE,
    )
    try:
        return await asyncio.wait_for(connecting, CONNECT_TIMEOUT)
    except TimeoutError:
        reason = f"no answer within {CONNECT_TIMEOUT:g} s"
    except RuntimeError as error:
        reason = _reason(str(error))
    except RPCError as error:
        reason = error.message
        if error.status == RPCStatusCode.NOT_FOUND:
            namespace = config.get("namespace", "default")
            raise ErrorObject(f"{caller}: namespace '{namespace}' not found", kind="not_found") from error
    raise ErrorObject(f"{caller}: cannot connect to the Temporal server at {address}: {reason}", kind="rpc")


def _reason(text: str) -> str:
    """The telling part of the core's message."""
    lowered = text.lower()
    for sign in ("connection refused", "connection reset", "timed out", "certificate", "dns error"):
        if sign in lowered:
            return sign
    found = re.search(r'message: "([^"]*)"', text)
    return f"it does not answer as a Temporal server ({found[1]})" if found else text
