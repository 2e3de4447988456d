"""Tracing: spans for client calls, workflows, signals, queries and activities, in one trace across processes.

Trace contexts are propagated in Temporal headers. OpenTelemetry is only imported if tracing is enabled; its standard
environment variables configure it.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from assay import events
from assay.temporal.telemetry import logs
from assay.temporal.telemetry.reporter import Reporter

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer
    from temporalio.contrib.opentelemetry import TracingInterceptor

    from assay.temporal.telemetry.call_spans import CallSpans
    from assay.temporal.telemetry.workflow_spans import WorkflowSpans

DEFAULT_SERVICE_NAME = "assay"
"""Service name if neither `OTEL_SERVICE_NAME` nor `OTEL_RESOURCE_ATTRIBUTES` sets one."""

DEFAULT_COLLECTOR = ("localhost", 4318)
"""Host and port of the collector if the environment variables name none."""

FLUSH_TIMEOUT = 5.0
"""Maximum seconds for exporting the last spans of a process."""

_lock = threading.Lock()
_cached_tracer: Tracer | None = None
_interceptor: TracingInterceptor | None = None
_provider: TracerProvider | None = None


def tracer(option: bool | None) -> Tracer | None:
    """Return the tracer; None if tracing is off. `option` is the `tracing` option; None defers to the environment."""
    global _cached_tracer
    if not (is_configured() if option is None else option):
        return None
    with _lock:
        if _cached_tracer is None:
            _cached_tracer = _make_tracer()
        return _cached_tracer


def interceptor(option: bool | None) -> TracingInterceptor | None:
    """Return the client interceptor that makes spans; None if tracing is off."""
    global _interceptor
    enabled = tracer(option)
    if enabled is None:
        return None
    with _lock:
        if _interceptor is None:
            from temporalio.contrib.opentelemetry import TracingInterceptor

            _interceptor = TracingInterceptor(enabled)
        return _interceptor


def workflow_spans(option: bool | None) -> WorkflowSpans | None:
    """Return the factory of workflow spans; None if tracing is off."""
    enabled = tracer(option)
    if enabled is None:
        return None
    from assay.temporal.telemetry.workflow_spans import WorkflowSpans

    return WorkflowSpans(enabled)


def call_spans(option: bool | None) -> CallSpans | None:
    """Return the factory of activity and Nexus spans; None if tracing is off."""
    enabled = tracer(option)
    if enabled is None:
        return None
    from assay.temporal.telemetry.call_spans import CallSpans

    return CallSpans(enabled)


def is_configured() -> bool:
    """Return true if OpenTelemetry's environment variables name a collector."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if os.environ.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp":
        return False
    return any(os.environ.get(f"OTEL_EXPORTER_OTLP_{name}") for name in ("ENDPOINT", "TRACES_ENDPOINT"))


def _make_tracer() -> Tracer:
    global _provider
    from opentelemetry import trace

    existing = trace.get_tracer_provider()
    if not isinstance(existing, trace.ProxyTracerProvider):
        return existing.get_tracer(DEFAULT_SERVICE_NAME)  # set up by the embedding Python program

    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    logs.configure(verbose=False)
    resource = Resource.create()
    if str(resource.attributes["service.name"]).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": DEFAULT_SERVICE_NAME}))
    _provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return _provider.get_tracer(DEFAULT_SERVICE_NAME)


def flush() -> None:
    """Export pending spans before the process ends, within `FLUSH_TIMEOUT` seconds."""
    if _provider is None:
        return
    sending = threading.Thread(target=_provider.force_flush, daemon=True)
    sending.start()
    sending.join(FLUSH_TIMEOUT)
    if sending.is_alive():
        Reporter().report(events.TRACES_LOST, f"the collector did not accept the last spans within {FLUSH_TIMEOUT:g} s")
