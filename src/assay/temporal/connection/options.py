"""Connection options."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import ClassVar

from assay.temporal.connection.tls import TlsOptions
from assay.temporal.data.codec import CodecOptions


@dataclass(kw_only=True)
class ConnectionOptions:
    """Options of a connection to a Temporal server.

    Omitted options come from Temporal's environment configuration (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`,
    `TEMPORAL_API_KEY`, `TEMPORAL_TLS` and `TEMPORAL_TLS_*`, `TEMPORAL_GRPC_META_*`, and the profile in
    `temporal.toml`), then from the defaults `localhost:7233` and `default`. Clients and workers with the same options
    share a connection. While the server is unreachable, calls are retried for up to a minute, or for their
    `rpc_timeout`.

    Attributes:
        url: `host:port` of the server's gRPC frontend, without `http://`.
        namespace: The namespace.
        api_key: The API key. It enables `tls`.
        identity: The identity of the client or worker that the server shows.
        metadata: gRPC headers of every call, by lower-case name. They are added to those of the environment.
        tls: `true` for TLS with the system's certificate authorities, a table for custom certificates, `false` to
            disable TLS even if the environment or an API key enables it.
        profile: The profile in `temporal.toml`. Default: `TEMPORAL_PROFILE` or "default".
        config_file: The path of `temporal.toml`. Default: `TEMPORAL_CONFIG_FILE` or the default path of Temporal's
            tools.
        codec: Encryption of payloads. Clients and workers that share workflows need the same keys.
        tracing: Send traces to an OpenTelemetry collector, which the standard variables (`OTEL_EXPORTER_OTLP_ENDPOINT`,
            `OTEL_SERVICE_NAME`, …) configure. Default: `true` if they name a collector.
    """

    lua_last: ClassVar[bool] = True
    """The reference shows these options after those of derived classes."""

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

    def connection_only(self) -> ConnectionOptions:
        """Return a copy without the options of a subclass, such as those of a worker."""
        return ConnectionOptions(**{item.name: getattr(self, item.name) for item in fields(ConnectionOptions)})
