"""The SDK's native core: one for the process, and one more for each place to which metrics go."""

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

# One thread is enough for the SDK's core beside Python's; it is read when the core starts.
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
_cores: dict[object, Runtime] = {}
_lock = threading.Lock()

_LEVELS = (
    TelemetryFilter(core_level="ERROR", other_level="ERROR").formatted()
    + ",temporalio_client::retry=WARN,temporalio_sdk_core::worker=WARN"
)
"""Errors only, because most come back as errors anyway; but only the log says that polls and completions fail."""

_LOST = {
    "Network error while completing activity": "the end of an activity did not reach the Temporal server",
    "Network error while completing Nexus task": "the end of a Nexus operation did not reach the Temporal server",
    "Error while completing workflow activation": "the Temporal server did not take the end of a workflow task",
}
"""What Core logs of completions that are lost, in words for users. The server lets each be tried again."""

_REFUSED = ("Error while completing workflow activation", "Could not find Nexus endpoint")
"""Signs of workflow tasks that the server refuses because of their commands."""

_SERVER_MESSAGE = re.compile(r'message: \\?"((?:[^"\\]|\\.)*?)\\?"')


@dataclass(frozen=True)
class PollFailure:
    """A poll that is tried again.

    Attributes:
        text: What the core says about it, in its own words.
        lasting: It has failed for minutes.
    """

    text: str
    lasting: bool

    @property
    def is_of_transport(self) -> bool:
        """Return true if the server was not reached."""
        return "tonic::transport" in self.text


on_poll_failure: set[Callable[[PollFailure], None]] = set()
"""What is called with each of them, on a thread of the core. There are several pollers, and no server is named."""

on_refusal: set[Callable[[str], None]] = set()
"""What is called with the server's reason when it refuses the commands of a workflow task, on a thread of the core."""


@dataclass(kw_only=True)
class MetricsOptions:
    """Where a worker's metrics go: to one of the two. Workers with the same options share it.

    Attributes:
        prometheus: The IP address and the port at which the process serves them as `http://ADDRESS:PORT/metrics`;
            "0.0.0.0:9464" for all interfaces. It may be the address of the worker's `health`.
        otlp: The URL of an OpenTelemetry collector that takes OTLP over HTTP: every second they are sent to its
            `/v1/metrics`, or to the path in the URL if there is one.
        headers: HTTP headers for the collector: name → text.
        global_tags: Attributes of all metrics: name → text.
        metric_prefix: What the names of the SDK's own metrics begin with.
        durations_as_seconds: Durations in seconds in place of milliseconds.
        histogram_bucket_overrides: The upper ends of a histogram's buckets, by the metric's name.
        counters_total_suffix: Prometheus only: the names of counters end with `_total`.
        unit_suffix: Prometheus only: names end with their unit.
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

    def ask(self, permissions: Permissions) -> None:
        """Ask a policy for the place that metrics go to, or are served at. Looks names up; raises DeniedError."""
        if not permissions.restricts:
            return
        if self.prometheus is not None:
            host, _, port = self.prometheus.rpartition(":")
            permissions.check_host("net", host, int(port) if port.isdigit() else 0, listen=True)
        if self.otlp is not None:
            parts = urlsplit(self.otlp)
            host, port_number = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
            permissions.check_host("net", host, port_number)
            with suppress(OSError):  # what has no address is not reached either
                found = {str(item[4][0]) for item in socket.getaddrinfo(host, port_number)}
                permissions.admit_addresses(host, port_number, sorted(found))

    def to_sdk(self) -> PrometheusConfig | OpenTelemetryConfig:
        """The SDK's form. Raises BuiltinError."""
        if (self.prometheus is None) == (self.otlp is None):
            raise BuiltinError("bad option 'metrics' (one of 'prometheus' and 'otlp' expected)")
        if self.prometheus is not None:
            if self.headers is not None:
                raise BuiltinError("bad option 'metrics.headers' (they are for 'otlp')")
            host, port = listen_address.parse("metrics.prometheus", self.prometheus)
            return PrometheusConfig(
                bind_address=f"{host}:{port}",
                counters_total_suffix=self.counters_total_suffix,
                unit_suffix=self.unit_suffix,
                durations_as_seconds=self.durations_as_seconds,
                histogram_bucket_overrides=self.histogram_bucket_overrides,
            )
        assert self.otlp is not None
        found = _URL.fullmatch(self.otlp)
        if found is None:
            raise BuiltinError(f"bad option 'metrics.otlp' (an http:// or https:// URL expected, got '{self.otlp}')")
        target = self.otlp if found["path"] else f"{self.otlp.rstrip('/')}/v1/metrics"
        for option in ("counters_total_suffix", "unit_suffix"):
            if getattr(self, option):
                raise BuiltinError(f"bad option 'metrics.{option}' (it is for 'prometheus')")
        return OpenTelemetryConfig(
            url=target,
            headers=self.headers,
            http=True,
            durations_as_seconds=self.durations_as_seconds,
            histogram_bucket_overrides=self.histogram_bucket_overrides,
        )


def core(metrics: MetricsOptions | None = None) -> Runtime:
    """The core for a worker or a client. Raises BuiltinError when its metrics cannot be set up."""
    config = None if metrics is None else metrics.to_sdk()
    key = metrics and json.dumps(asdict(metrics), sort_keys=True)
    given = metrics or MetricsOptions()
    with _lock:
        found = _cores.get(key)
        if found is None:
            logger = logging.getLogger("temporalio.core")
            if _is_news not in logger.filters:
                logger.addFilter(_is_news)
            log = LoggingConfig(filter=_LEVELS, forwarding=LogForwardingConfig(logger=logger))
            try:
                found = _cores[key] = Runtime(
                    telemetry=TelemetryConfig(
                        logging=log,
                        metrics=config,
                        global_tags=given.global_tags or {},
                        metric_prefix=given.metric_prefix,
                    )
                )
            except (ValueError, RuntimeError) as error:
                raise BuiltinError(f"bad option 'metrics' ({_reason(str(error))})") from error
        return found


def _reason(text: str) -> str:
    """Return the informative part of Core's message."""
    text = text.partition(" (os error")[0]
    return text.replace("Failed starting Prometheus exporter", "cannot listen there")


def _is_news(record: logging.LogRecord) -> bool:
    """Forward poll failures to listeners, word what is lost, and drop what is reported elsewhere."""
    message = record.getMessage()
    if "gRPC call poll_" in message:
        failure = PollFailure(message, lasting=record.levelno >= logging.ERROR)
        for listener in tuple(on_poll_failure):
            listener(failure)
    if "gRPC call" in message:
        return False
    found = _SERVER_MESSAGE.search(message)
    if found is not None and any(sign in message for sign in _REFUSED):
        for hear in tuple(on_refusal):
            hear(found[1])
    for sign, meaning in _LOST.items():
        if sign in message:
            record.msg, record.args = f"{meaning}: {found[1] if found else 'no reason given'}", ()
            record.__dict__["event"] = events.RESULT_LOST
            return True
    return record.levelno >= logging.ERROR
