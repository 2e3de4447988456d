"""Traces: a span for each call of a client, each workflow, signal, query and activity, as one trace across processes.

The trace's context travels in the headers of Temporal's calls. OpenTelemetry is imported when traces are asked for, and
is set up by its standard environment variables.
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

SERVICE = "assay"
"""The service's name when nothing else names it."""

USUAL_PLACE = ("localhost", 4318)
"""Where OpenTelemetry sends traces when its variables name no collector."""

FLUSH_TIMEOUT = 5.0
"""Seconds that the last spans of a process get."""

_lock = threading.Lock()
_made: Tracer | None = None
_interceptor: TracingInterceptor | None = None
_provider: TracerProvider | None = None


def tracer(asked: bool | None) -> Tracer | None:
    """Return what makes spans; None without traces. `asked`: the option; None: as the environment says."""
    global _made
    if not (is_configured() if asked is None else asked):
        return None
    with _lock:
        if _made is None:
            _made = _tracer()
        return _made


def interceptor(asked: bool | None) -> TracingInterceptor | None:
    """Return what makes the spans of a client; None without traces."""
    global _interceptor
    found = tracer(asked)
    if found is None:
        return None
    with _lock:
        if _interceptor is None:
            from temporalio.contrib.opentelemetry import TracingInterceptor

            _interceptor = TracingInterceptor(found)
        return _interceptor


def workflow_spans(asked: bool | None) -> WorkflowSpans | None:
    """Return what makes the spans of workflow runs; None without traces."""
    found = tracer(asked)
    if found is None:
        return None
    from assay.temporal.telemetry.workflow_spans import WorkflowSpans

    return WorkflowSpans(found)


def call_spans(asked: bool | None) -> CallSpans | None:
    """Return what makes the spans of activities and Nexus requests; None without traces."""
    found = tracer(asked)
    if found is None:
        return None
    from assay.temporal.telemetry.call_spans import CallSpans

    return CallSpans(found)


def is_configured() -> bool:
    """Return true if OpenTelemetry's environment variables name a collector."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if os.environ.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp":
        return False
    return any(os.environ.get(f"OTEL_EXPORTER_OTLP_{name}") for name in ("ENDPOINT", "TRACES_ENDPOINT"))


def _tracer() -> Tracer:
    global _provider
    from opentelemetry import trace

    given = trace.get_tracer_provider()
    if not isinstance(given, trace.ProxyTracerProvider):
        return given.get_tracer(SERVICE)  # the Python program around us has set up its own

    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    logs.configure(verbose=False)
    named = Resource.create()
    if str(named.attributes["service.name"]).startswith("unknown_service"):
        named = named.merge(Resource({"service.name": SERVICE}))
    _provider = TracerProvider(resource=named, shutdown_on_exit=False)
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return _provider.get_tracer(SERVICE)


def flush() -> None:
    """Send the spans that wait, for at most `FLUSH_TIMEOUT` seconds: the process ends."""
    if _provider is None:
        return
    sending = threading.Thread(target=_provider.force_flush, daemon=True)
    sending.start()
    sending.join(FLUSH_TIMEOUT)
    if sending.is_alive():
        Reporter().report(events.TRACES_LOST, f"the collector did not take the last spans within {FLUSH_TIMEOUT:g} s")
