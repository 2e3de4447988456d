"""The options of a connection."""

from __future__ import annotations

from dataclasses import dataclass, field

from assay.temporal.connection.tls import TlsOptions
from assay.temporal.data.codec import CodecOptions


@dataclass(kw_only=True)
class ConnectionOptions:
    """Where the server is, and who calls.

    What is left out comes from Temporal's environment configuration (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`,
    `TEMPORAL_API_KEY`, `TEMPORAL_TLS` and `TEMPORAL_TLS_*`, `TEMPORAL_GRPC_META_*`, and the profile in
    `temporal.toml`), then from the defaults `localhost:7233` and `default`. The same options share one connection.
    While the server is away a call is tried again for a minute, or for its `rpc_timeout`.

    Attributes:
        url: `host:port` of the server's gRPC frontend, without `http://`.
        namespace: The namespace.
        api_key: The key that says who calls. It implies `tls`.
        identity: What the server shows as the caller.
        metadata: gRPC headers for every call: lower-case name → text. They are added to those of the environment.
        tls: `true` for TLS with the authorities of the system, a table for certificates, `false` for none although the
            environment or an API key says so.
        profile: The profile in `temporal.toml`; `TEMPORAL_PROFILE` or "default" when left out.
        config_file: The path of the `temporal.toml`; `TEMPORAL_CONFIG_FILE` or the usual one of Temporal's tools when
            left out.
        codec: How payloads are encrypted. Clients and workers that share workflows need the same keys.
        tracing: Send traces to an OpenTelemetry collector, which the standard variables (`OTEL_EXPORTER_OTLP_ENDPOINT`,
            `OTEL_SERVICE_NAME`, …) describe. On when they name one, unless this is `false`.
    """

    url: str | None = None
    namespace: str | None = None
    api_key: str | None = field(default=None, repr=False)
    identity: str | None = None
    metadata: dict[str, str] | None = field(default=None, repr=False)
    tls: bool | TlsOptions | None = None
    profile: str | None = None
    config_file: str | None = None
    codec: CodecOptions | None = None
    tracing: bool | None = None
