"""Spans of workflow runs, in the format of the SDK's OpenTelemetry interceptor, so that traces span several SDKs.

A span of a run has no duration: it starts and ends in one activation, because the run may continue on another worker.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Protocol

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind, Tracer
from temporalio.api.common.v1 import Payload

from assay.temporal.telemetry.headers import Headers, carrier, context_of, inject


class Start(Protocol):
    """Start of a run."""

    workflow_id: str
    workflow_type: str
    run_id: str

    def message(self) -> Any:
        """Return the start message, which has the headers."""


class Traced(Protocol):
    """A traced run."""

    start: Start

    @property
    def now(self) -> float:
        """Workflow time in seconds since 1970-01-01 UTC."""

    @property
    def is_replaying(self) -> bool:
        """True during a replay, whose spans were already made."""


class WorkflowSpans:
    """Makes the spans of runs. A run without a trace context in its start headers has no spans."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def started(self, run: Traced) -> None:
        """Record that the run started."""
        self._span(run, f"RunWorkflow:{run.start.workflow_type}", SpanKind.SERVER)

    def completed(self, run: Traced, error: Exception | None) -> None:
        """Record that the run completed or failed."""
        self._span(run, f"CompleteWorkflow:{run.start.workflow_type}", SpanKind.INTERNAL, error=error)

    def handled(self, run: Traced, name: str, headers: Headers) -> None:
        """Record a signal or an update, linked to the span of its sender."""
        self._span(run, name, SpanKind.SERVER, link=context_of(headers))

    def queried(self, run: Traced, name: str, headers: Headers) -> None:
        """Record a query in the trace of its sender, also during a replay, linked to the span of the run."""
        parent = context_of(headers)
        if parent is not None:
            self._make(run, name, SpanKind.SERVER, parent, context_of(run.start.message().headers), None)

    def called(self, run: Traced, name: str, headers: MutableMapping[str, Payload]) -> None:
        """Record an outgoing call, and inject its context into the headers."""
        context = self._span(run, name, SpanKind.CLIENT)
        if context is not None:
            inject(context, headers)

    def continued(self, run: Traced, headers: MutableMapping[str, Payload]) -> None:
        """Inject the context of this run into the headers of the next run."""
        context = context_of(run.start.message().headers)
        if context is not None:
            inject(context, headers)

    def called_nexus(self, run: Traced, name: str, headers: MutableMapping[str, str]) -> None:
        """Record an outgoing Nexus call, and inject its context into the string headers."""
        context = self._span(run, name, SpanKind.CLIENT)
        if context is not None:
            headers.update(carrier(context))

    def _span(
        self, run: Traced, name: str, kind: SpanKind, *, link: Context | None = None, error: Exception | None = None
    ) -> Context | None:
        if run.is_replaying:
            return None
        parent = context_of(run.start.message().headers)
        return None if parent is None else self._make(run, name, kind, parent, link, error)

    def _make(
        self, run: Traced, name: str, kind: SpanKind, parent: Context, link: Context | None, error: Exception | None
    ) -> Context:
        linked = None if link is None else trace.get_current_span(link)
        links = [] if linked is None or linked is trace.INVALID_SPAN else [Link(linked.get_span_context())]
        now = int(run.now * 1e9)
        attributes = {"temporalWorkflowID": run.start.workflow_id, "temporalRunID": run.start.run_id}
        span = self._tracer.start_span(name, parent, kind, attributes, links, start_time=now)
        if error is not None:
            span.record_exception(error)
        span.end(end_time=now)
        return trace.set_span_in_context(span, parent)
