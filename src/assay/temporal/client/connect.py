"""Creation of the SDK's client."""

from __future__ import annotations

from temporalio.client import Client
from temporalio.common import HeaderCodecBehavior
from temporalio.runtime import Runtime

from assay.permissions import EVERYTHING, Permissions
from assay.temporal.client.call_timeouts import CallTimeouts
from assay.temporal.client.conversion import data_converter
from assay.temporal.connection import configuration
from assay.temporal.connection.connect import connect
from assay.temporal.connection.options import ConnectionOptions
from assay.temporal.telemetry import tracing


async def connect_client(
    caller: str,
    options: ConnectionOptions,
    *,
    runtime: Runtime | None = None,
    permissions: Permissions = EVERYTHING,
) -> Client:
    """Connect for the Lua function `caller`. Raises BuiltinError, DeniedError or ErrorObject (kind "rpc")."""
    converter = data_converter(options.codec)
    service = await connect(caller, options, runtime=runtime, permissions=permissions)
    spans = tracing.interceptor(options.tracing)
    return Client(
        service,
        namespace=configuration.resolve(options, permissions).namespace,
        data_converter=converter,
        interceptors=[CallTimeouts()] if spans is None else [spans, CallTimeouts()],
        header_codec_behavior=HeaderCodecBehavior.NO_CODEC if options.codec is None else HeaderCodecBehavior.CODEC,
    )
