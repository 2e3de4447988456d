"""Propagation of trace contexts in Temporal headers, compatible with Temporal's SDKs."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

import orjson
from opentelemetry import trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from temporalio.api.common.v1 import Payload

from assay.errors import BuiltinError
from assay.lua.values import Json
from assay.temporal.data import payloads

HEADER = "_tracer-data"
"""The header in which Temporal's SDKs propagate trace contexts."""

_PROPAGATOR = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])

Headers = Mapping[str, Payload]


def context_of(headers: Headers) -> Context | None:
    """Return the trace context in Temporal headers; None if there is none."""
    if HEADER not in headers:
        return None
    try:
        value = payloads.from_payload(headers[HEADER])
        fields = None if value is None else payloads.to_python(value)
    except (BuiltinError, orjson.JSONDecodeError):
        return None
    return extract(fields) if isinstance(fields, dict) else None


def extract(carrier: dict[str, Any]) -> Context | None:
    """Return the trace context in a carrier; None if it has no span."""
    context = _PROPAGATOR.extract(carrier)
    return None if trace.get_current_span(context) is trace.INVALID_SPAN else context


def carrier(context: Context) -> dict[str, str]:
    """Return a new carrier with the trace context."""
    fields: dict[str, str] = {}
    _PROPAGATOR.inject(fields, context)
    return fields


def inject(context: Context, headers: MutableMapping[str, Payload]) -> None:
    """Inject the trace context into Temporal headers."""
    fields = carrier(context)
    if fields:
        headers[HEADER].CopyFrom(payloads.to_payload(Json.of(fields)))
