"""Spans of activity attempts and Nexus requests, in the format of the SDK's OpenTelemetry interceptor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest

from assay.temporal.core.protos import Start
from assay.temporal.data.failures import is_benign
from assay.temporal.telemetry.headers import context_of, extract, inject


class CallSpans:
    """Makes spans that last as long as the call."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    @contextmanager
    def activity(self, start: Start) -> Iterator[None]:
        """Run the block in the span of an activity attempt."""
        attributes = {
            "temporalActivityID": start.activity_id,
            "temporalWorkflowID": start.workflow_execution.workflow_id,
            "temporalRunID": start.workflow_execution.run_id,
        }
        attributes = {name: value for name, value in attributes.items() if value}
        with self._current(f"RunActivity:{start.activity_type}", context_of(start.header_fields), attributes):
            yield

    @contextmanager
    def request(self, name: str, headers: Mapping[str, str]) -> Iterator[None]:
        """Run the block in the span of a Nexus request."""
        with self._current(name, extract(dict(headers)), {}):
            yield

    @contextmanager
    def _current(self, name: str, parent: Context | None, attributes: dict[str, str]) -> Iterator[None]:
        token = None if parent is None else context.attach(parent)
        try:
            with self._tracer.start_as_current_span(
                name, attributes=attributes, kind=SpanKind.SERVER, set_status_on_exception=False
            ):
                yield
        finally:
            if token is not None:
                context.detach(token)

    @contextmanager
    def started_workflow(self, start: StartWorkflowExecutionRequest) -> Iterator[None]:
        """Run the block in the span of a workflow start, and inject its context into the request."""
        attributes = {"temporalWorkflowID": start.workflow_id}
        name = f"StartWorkflow:{start.workflow_type.name}"
        with self._tracer.start_as_current_span(name, attributes=attributes, kind=SpanKind.CLIENT):
            inject(context.get_current(), start.header.fields)
            yield

    def fail(self, failure: Failure) -> None:
        """Set the status of the current span to error, unless the failure is benign."""
        if not is_benign(failure):
            kind = failure.application_failure_info.type or "Failure"
            trace.get_current_span().set_status(Status(StatusCode.ERROR, f"{kind}: {failure.message}"))
