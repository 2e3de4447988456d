"""The SDK's native runtimes: one per process, and one for each distinct metrics configuration."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from urllib.parse import urlsplit

from assay import events
from assay.errors import BuiltinError
from assay.permissions import Permissions
from assay.temporal.telemetry import listen_address

# One thread is enough for Core. The variable is read when a runtime starts.
os.environ.setdefault("TOKIO_WORKER_THREADS", "1")

from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    OpenTelemetryConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)

_URL = re.compile(r"https?://[^/?#\s]+/?(?P<path>\S*)")
_runtimes: dict[object, Runtime] = {}
_lock = threading.Lock()

_LEVELS = (
    TelemetryFilter(core_level="ERROR", other_level="ERROR").formatted()
    + ",temporalio_client::retry=WARN,temporalio_sdk_core::worker=WARN"
)
"""Log filter: errors only, as most problems are returned as errors; failed polls and completions are only logged."""

_LOST_COMPLETIONS = {
    "Network error while completing activity": "the completion of an activity did not reach the Temporal server",
    "Network error while completing Nexus task": (
        "the completion of a Nexus operation did not reach the Temporal server"
    ),
    "Error while completing workflow activation": "the Temporal server rejected the completion of a workflow task",
}
"""Core's log messages about lost completions, and their rewording. The server retries each of these tasks."""

_REJECTED_COMMANDS = ("Error while completing workflow activation", "Could not find Nexus endpoint")
"""Fragments of Core's log messages about workflow tasks whose commands the server rejects."""

_SERVER_MESSAGE = re.compile(r'message: \\?"((?:[^"\\]|\\.)*?)\\?"')


@dataclass(frozen=True)
class PollFailure:
    """A failed poll, which Core retries.

    Attributes:
        text: Core's log message.
        lasting: True if polls have been failing for minutes.
    """

    text: str
    lasting: bool

    @property
    def is_transport_error(self) -> bool:
        """True if the server was not reached."""
        return "tonic::transport" in self.text


on_poll_failure: set[Callable[[PollFailure], None]] = set()
"""Listeners for failed polls of any connection, called on a thread of Core."""

on_refusal: set[Callable[[str], None]] = set()
"""Listeners for rejected commands of workflow tasks, called with the server's reason on a thread of Core."""


@dataclass(kw_only=True)
class MetricsOptions:
    """Export of metrics, either to Prometheus or to an OpenTelemetry collector.

    Workers of a process with the same options share the exporter.

    Attributes:
        prometheus: The IP address and port at which the process serves `http://ADDRESS:PORT/metrics`; "0.0.0.0:9464"
            for all interfaces. It may be the address of the worker's `health`.
        otlp: The URL of an OpenTelemetry collector that accepts OTLP over HTTP. Metrics are sent every second to
            `/v1/metrics`, or to the path in the URL if there is one.
        headers: HTTP headers for the collector, by name.
        global_tags: Attributes of all metrics, by name.
        metric_prefix: The prefix of the SDK's own metrics.
        durations_as_seconds: Export durations in seconds instead of milliseconds.
        histogram_bucket_overrides: Upper bounds of histogram buckets, by metric name.
        counters_total_suffix: Prometheus only: add the suffix `_total` to the names of counters.
        unit_suffix: Prometheus only: add the unit to the names of metrics.
    """

    prometheus: str | None = None
    otlp: str | None = None
    headers: dict[str, str] | None = field(default=None, repr=False)
    global_tags: dict[str, str] | None = None
    metric_prefix: str = "temporal_"
    durations_as_seconds: bool = False
    histogram_bucket_overrides: dict[str, list[float]] | None = None
    counters_total_suffix: bool = False
    unit_suffix: bool = False

    def check_permissions(self, permissions: Permissions) -> None:
        """Check that metrics may be exported to this destination. Resolves host names. Raises DeniedError."""
        if not permissions.restricts:
            return
        if self.prometheus is not None:
            host, _, port = self.prometheus.rpartition(":")
            permissions.check_host("net", host, int(port) if port.isdigit() else 0, listen=True)
        if self.otlp is not None:
            parts = urlsplit(self.otlp)
            host, port_number = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
            permissions.check_host("net", host, port_number)
            with suppress(OSError):  # a host without an address is unreachable anyway
                addresses = {str(item[4][0]) for item in socket.getaddrinfo(host, port_number)}
                permissions.admit_addresses(host, port_number, sorted(addresses))

    def to_sdk(self) -> PrometheusConfig | OpenTelemetryConfig:
        """Convert to the SDK's configuration. Raises BuiltinError."""
        if (self.prometheus is None) == (self.otlp is None):
            raise BuiltinError("bad option 'metrics' (one of 'prometheus' and 'otlp' expected)")
        if self.prometheus is not None:
            if self.headers is not None:
                raise BuiltinError("bad option 'metrics.headers' (only valid with 'otlp')")
            host, port = listen_address.parse("metrics.prometheus", self.prometheus)
            return PrometheusConfig(
                bind_address=f"{host}:{port}",
                counters_total_suffix=self.counters_total_suffix,
                unit_suffix=self.unit_suffix,
                durations_as_seconds=self.durations_as_seconds,
                histogram_bucket_overrides=self.histogram_bucket_overrides,
            )
        assert self.otlp is not None
        match = _URL.fullmatch(self.otlp)
        if match is None:
            raise BuiltinError(f"bad option 'metrics.otlp' (an http:// or https:// URL expected, got '{self.otlp}')")
        target = self.otlp if match["path"] else f"{self.otlp.rstrip('/')}/v1/metrics"
        for option in ("counters_total_suffix", "unit_suffix"):
            if getattr(self, option):
                raise BuiltinError(f"bad option 'metrics.{option}' (only valid with 'prometheus')")
        return OpenTelemetryConfig(
            url=target,
            headers=self.headers,
            http=True,
            durations_as_seconds=self.durations_as_seconds,
            histogram_bucket_overrides=self.histogram_bucket_overrides,
        )


def shared_runtime(metrics: MetricsOptions | None = None) -> Runtime:
    """Return the shared runtime for a metrics configuration. Raises BuiltinError if metrics cannot be set up."""
    config = None if metrics is None else metrics.to_sdk()
    key = metrics and json.dumps(asdict(metrics), sort_keys=True)
    options = metrics or MetricsOptions()
    with _lock:
        runtime = _runtimes.get(key)
        if runtime is None:
            logger = logging.getLogger("temporalio.core")
            if _filter_core_log not in logger.filters:
                logger.addFilter(_filter_core_log)
            log = LoggingConfig(filter=_LEVELS, forwarding=LogForwardingConfig(logger=logger))
            try:
                runtime = _runtimes[key] = Runtime(
                    telemetry=TelemetryConfig(
                        logging=log,
                        metrics=config,
                        global_tags=options.global_tags or {},
                        metric_prefix=options.metric_prefix,
                    )
                )
            except (ValueError, RuntimeError) as error:
                raise BuiltinError(f"bad option 'metrics' ({_reason(str(error), options)})") from error
        return runtime


def _reason(text: str, options: MetricsOptions) -> str:
    """Return the informative part of Core's message, with the address."""
    text = text.partition(" (os error")[0]
    exporter = f"cannot start the Prometheus exporter on {options.prometheus}"
    return text.replace("Failed starting Prometheus exporter", exporter)


def _filter_core_log(record: logging.LogRecord) -> bool:
    """Notify listeners, reword messages about lost completions, and drop messages about retried calls."""
    message = record.getMessage()
    if "gRPC call poll_" in message:
        failure = PollFailure(message, lasting=record.levelno >= logging.ERROR)
        for listener in tuple(on_poll_failure):
            listener(failure)
    if "gRPC call" in message:
        return False
    reason = _SERVER_MESSAGE.search(message)
    if reason is not None and any(fragment in message for fragment in _REJECTED_COMMANDS):
        for on_reason in tuple(on_refusal):
            on_reason(reason[1])
    for fragment, text in _LOST_COMPLETIONS.items():
        if fragment in message:
            record.msg, record.args = f"{text}: {reason[1] if reason else 'no reason given'}", ()
            record.__dict__["event"] = events.RESULT_LOST
            return True
    return record.levelno >= logging.ERROR
