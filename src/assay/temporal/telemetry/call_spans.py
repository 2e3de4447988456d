"""Spans of activities and Nexus requests, which last as long as the call, as the SDK's interceptor writes them."""

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
    """Makes the spans of what a worker is asked to do at once."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    @contextmanager
    def activity(self, start: Start) -> Iterator[None]:
        """Make the span of an attempt the current one."""
        attributes = {
            "temporalActivityID": start.activity_id,
            "temporalWorkflowID": start.workflow_execution.workflow_id,
            "temporalRunID": start.workflow_execution.run_id,
        }
        given = {name: value for name, value in attributes.items() if value}
        with self._current(f"RunActivity:{start.activity_type}", context_of(start.header_fields), given):
            yield

    @contextmanager
    def request(self, name: str, headers: Mapping[str, str]) -> Iterator[None]:
        """Make the span of a Nexus request the current one."""
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
        """Make the span of the start of a workflow the current one, and let the request carry it."""
        attributes = {"temporalWorkflowID": start.workflow_id}
        name = f"StartWorkflow:{start.workflow_type.name}"
        with self._tracer.start_as_current_span(name, attributes=attributes, kind=SpanKind.CLIENT):
            inject(context.get_current(), start.header.fields)
            yield

    def fail(self, failure: Failure) -> None:
        """Mark the current span as failed, unless the failure is expected."""
        if not is_benign(failure):
            kind = failure.application_failure_info.type or "Failure"
            trace.get_current_span().set_status(Status(StatusCode.ERROR, f"{kind}: {failure.message}"))
