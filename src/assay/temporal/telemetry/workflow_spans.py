"""Spans of workflow runs, as the SDK's OpenTelemetry interceptor writes them: traces join with workers of other SDKs.

A span of a run has no duration: it begins and ends in one activation, because a replay may continue on another worker.
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
    """The start of a run."""

    workflow_id: str
    workflow_type: str
    run_id: str

    def message(self) -> Any:
        """Return the message with its headers."""


class Traced(Protocol):
    """The run that spans belong to."""

    start: Start

    @property
    def now(self) -> float:
        """The run's time in seconds since 1970-01-01 UTC."""

    @property
    def is_replaying(self) -> bool:
        """Return true if the spans of now were made before."""


class WorkflowSpans:
    """Makes the spans of runs. Without a trace in the headers of its start a run has none."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def started(self, run: Traced) -> None:
        """Note that a run has started."""
        self._span(run, f"RunWorkflow:{run.start.workflow_type}", SpanKind.SERVER)

    def completed(self, run: Traced, error: Exception | None) -> None:
        """Note that a run has completed, or failed with an error."""
        self._span(run, f"CompleteWorkflow:{run.start.workflow_type}", SpanKind.INTERNAL, error=error)

    def handled(self, run: Traced, name: str, headers: Headers) -> None:
        """Note a signal or an update; the span of its sender is linked."""
        self._span(run, name, SpanKind.SERVER, link=context_of(headers))

    def queried(self, run: Traced, name: str, headers: Headers) -> None:
        """Note a query in its sender's trace, also on a replay; the span of the run is linked."""
        parent = context_of(headers)
        if parent is not None:
            self._make(run, name, SpanKind.SERVER, parent, context_of(run.start.message().headers), None)

    def called(self, run: Traced, name: str, headers: MutableMapping[str, Payload]) -> None:
        """Note a call out of the run, and let `headers` carry its context."""
        context = self._span(run, name, SpanKind.CLIENT)
        if context is not None:
            inject(context, headers)

    def continued(self, run: Traced, headers: MutableMapping[str, Payload]) -> None:
        """Let the headers of the next run carry the context of this one."""
        context = context_of(run.start.message().headers)
        if context is not None:
            inject(context, headers)

    def called_nexus(self, run: Traced, name: str, headers: MutableMapping[str, str]) -> None:
        """Note a Nexus call out of the run, and let its text headers carry its context."""
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
