"""Spans of a worker, as the OpenTelemetry interceptors of Temporal's SDKs make them, so that traces join.

The context of a trace travels in a header of each call. A workflow's spans have no duration, are made when an activation
is not a replay, and are all children of what started the workflow: so the jobs and the commands of an activation are
enough to make them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from opentelemetry import context, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure

from assay.lua.values import Json
from assay.temporal import payloads
from assay.temporal.core.protos import WorkflowActivation, WorkflowActivationCompletion, WorkflowCommand
from assay.temporal.worker.failures import is_benign

if TYPE_CHECKING:
    from assay.temporal.worker.attempt import Attempt

HEADER = "_tracer-data"
_PROPAGATOR = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])

Carrier = dict[str, Any]


@dataclass
class _Run:
    """A run in the cache: the context that it was started with, None without a trace."""

    workflow_type: str
    workflow_id: str
    run_id: str
    carrier: Carrier | None


class Spans:
    """Makes the spans of a worker."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._runs: dict[str, _Run] = {}

    # Activities and Nexus operations: spans that last as long as the call --------------------------------------

    @contextmanager
    def activity(self, attempt: Attempt) -> Iterator[None]:
        """Make the span of an attempt the current one."""
        start = attempt.start
        attributes = {
            "temporalWorkflowID": start.workflow_execution.workflow_id,
            "temporalRunID": start.workflow_execution.run_id,
            "temporalActivityID": start.activity_id,
        }
        carrier = _read(start.header_fields)
        with self._current(f"RunActivity:{start.activity_type}", carrier, attributes):
            yield

    @contextmanager
    def operation(self, what: str, headers: Mapping[str, str]) -> Iterator[None]:
        """Make the span of a Nexus request the current one."""
        with self._current(what, dict(headers), {}):
            yield

    @contextmanager
    def _current(self, name: str, carrier: Carrier | None, attributes: dict[str, str]) -> Iterator[None]:
        parent = _PROPAGATOR.extract(carrier or {}, Context()) if carrier else None
        token = None if parent is None else context.attach(parent)
        try:
            with self._tracer.start_as_current_span(
                name, attributes=attributes, kind=SpanKind.SERVER, set_status_on_exception=False
            ):
                yield
        finally:
            if token is not None:
                context.detach(token)

    def fail(self, failure: Failure) -> None:
        """Mark the current span as failed, unless the failure is expected."""
        if not is_benign(failure):
            kind = failure.application_failure_info.type or "Failure"
            trace.get_current_span().set_status(Status(StatusCode.ERROR, f"{kind}: {failure.message}"))

    # Workflows: spans without a duration ------------------------------------------------------------------------

    def workflow(
        self,
        activation: WorkflowActivation,
        activate: Callable[[WorkflowActivation], WorkflowActivationCompletion],
    ) -> WorkflowActivationCompletion:
        """Make the spans of what comes, activate, and make those of what goes out, with the headers to pass on."""
        run = self._run(activation)
        moment = activation.timestamp.ToNanoseconds()
        if run is not None:
            for job in activation.jobs:
                self._job(run, job, moment, activation.is_replaying)
        completion = activate(activation)
        if run is not None:
            for command in completion.successful.commands:
                self._command(run, command, moment, activation.is_replaying)
        return completion

    def _run(self, activation: WorkflowActivation) -> _Run | None:
        for job in activation.jobs:
            if job.HasField("remove_from_cache"):
                return self._runs.pop(activation.run_id, None)
            if job.HasField("initialize_workflow"):
                begin = job.initialize_workflow
                self._runs[activation.run_id] = _Run(
                    begin.workflow_type, begin.workflow_id, activation.run_id, _read(begin.headers)
                )
        return self._runs.get(activation.run_id)

    def _job(self, run: _Run, job: Any, moment: int, is_replay: bool) -> None:
        kind = job.WhichOneof("variant")
        if kind == "query_workflow":  # no part of the workflow's trace
            query = job.query_workflow
            carrier = _read(query.headers)
            self._span(run, f"HandleQuery:{query.query_type}", moment, SpanKind.SERVER, carrier, run.carrier)
        elif is_replay:
            return
        elif kind == "initialize_workflow":
            self._span(run, f"RunWorkflow:{run.workflow_type}", moment, SpanKind.SERVER, run.carrier)
        elif kind == "signal_workflow":
            signal = job.signal_workflow
            link = _read(signal.headers)
            self._span(run, f"HandleSignal:{signal.signal_name}", moment, SpanKind.SERVER, run.carrier, link)
        elif kind == "do_update":
            update = job.do_update
            link = _read(update.headers)
            if update.run_validator:
                self._span(run, f"ValidateUpdate:{update.name}", moment, SpanKind.SERVER, run.carrier, link)
            self._span(run, f"HandleUpdate:{update.name}", moment, SpanKind.SERVER, run.carrier, link)

    def _command(self, run: _Run, command: WorkflowCommand, moment: int, is_replay: bool) -> None:
        kind = command.WhichOneof("variant")
        if kind == "continue_as_new_workflow_execution":
            _write(command.continue_as_new_workflow_execution.headers, run.carrier)
            return
        if is_replay:
            return
        if kind in ("schedule_activity", "schedule_local_activity"):
            scheduled = getattr(command, kind)
            name, of = f"StartActivity:{scheduled.activity_type}", SpanKind.CLIENT
            _write(scheduled.headers, self._span(run, name, moment, of, run.carrier))
        elif kind == "start_child_workflow_execution":
            child = command.start_child_workflow_execution
            name, of = f"StartChildWorkflow:{child.workflow_type}", SpanKind.CLIENT
            _write(child.headers, self._span(run, name, moment, of, run.carrier))
        elif kind == "signal_external_workflow_execution":
            signal = command.signal_external_workflow_execution
            is_child = signal.HasField("child_workflow_id")
            name = f"Signal{'Child' if is_child else 'External'}Workflow:{signal.signal_name}"
            of = SpanKind.SERVER if is_child else SpanKind.CLIENT
            _write(signal.headers, self._span(run, name, moment, of, run.carrier))
        elif kind == "schedule_nexus_operation":
            call = command.schedule_nexus_operation
            name, of = f"StartNexusOperation:{call.service}/{call.operation}", SpanKind.CLIENT
            call.nexus_header.update(_as_text(self._span(run, name, moment, of, run.carrier)))
        elif kind in ("complete_workflow_execution", "fail_workflow_execution", "cancel_workflow_execution"):
            failure = command.fail_workflow_execution.failure if kind == "fail_workflow_execution" else None
            name, of = f"CompleteWorkflow:{run.workflow_type}", SpanKind.INTERNAL
            self._span(run, name, moment, of, run.carrier, failure=failure)

    def _span(
        self,
        run: _Run,
        name: str,
        moment: int,
        kind: SpanKind,
        parent: Carrier | None,
        link: Carrier | None = None,
        failure: Failure | None = None,
    ) -> Carrier | None:
        """Make a span below `parent`, and return the context to pass on; nothing without a parent."""
        if parent is None:
            return None
        above = _PROPAGATOR.extract(parent, Context())
        if trace.get_current_span(above) is trace.INVALID_SPAN:
            return None
        links = [] if link is None else [Link(_span_of(link))]
        attributes = {"temporalWorkflowID": run.workflow_id, "temporalRunID": run.run_id}
        span = self._tracer.start_span(name, above, kind=kind, attributes=attributes, links=links, start_time=moment)
        if failure is not None:
            kind_of = failure.application_failure_info.type or "Failure"
            details = {"exception.type": kind_of, "exception.message": failure.message}
            span.add_event("exception", {**details, "exception.stacktrace": failure.stack_trace}, timestamp=moment)
        span.end(end_time=moment)
        carrier: Carrier = {}
        _PROPAGATOR.inject(carrier, trace.set_span_in_context(span, above))
        return carrier


def _span_of(carrier: Carrier) -> trace.SpanContext:
    return trace.get_current_span(_PROPAGATOR.extract(carrier, Context())).get_span_context()


def _read(headers: Mapping[str, Payload]) -> Carrier | None:
    if HEADER not in headers:
        return None
    value = payloads.from_payload(headers[HEADER])
    carrier = None if value is None else payloads.to_python(value)
    return carrier if isinstance(carrier, dict) and carrier else None


def _write(headers: MutableMapping[str, Payload], carrier: Carrier | None) -> None:
    if carrier:
        headers[HEADER].CopyFrom(payloads.to_payload(Json(orjson.dumps(carrier))))


def _as_text(carrier: Carrier | None) -> dict[str, str]:
    return {name: ",".join(text) if isinstance(text, list) else text for name, text in (carrier or {}).items()}
