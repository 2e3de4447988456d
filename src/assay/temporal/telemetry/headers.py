"""The context of a trace in the headers of Temporal's calls, where Temporal's SDKs put it."""

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
"""The header that carries a trace's context between Temporal's SDKs."""

_PROPAGATOR = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])

Headers = Mapping[str, Payload]


def context_of(headers: Headers) -> Context | None:
    """Return the context in headers; None when there is none."""
    if HEADER not in headers:
        return None
    try:
        value = payloads.from_payload(headers[HEADER])
        found = None if value is None else payloads.to_python(value)
    except (BuiltinError, orjson.JSONDecodeError):
        return None
    return extract(found) if isinstance(found, dict) else None


def extract(carrier: dict[str, Any]) -> Context | None:
    """Return the context that a carrier holds; None when it holds no span."""
    context = _PROPAGATOR.extract(carrier)
    return None if trace.get_current_span(context) is trace.INVALID_SPAN else context


def carrier(context: Context) -> dict[str, str]:
    """Return a carrier of a context."""
    made: dict[str, str] = {}
    _PROPAGATOR.inject(made, context)
    return made


def inject(context: Context, headers: MutableMapping[str, Payload]) -> None:
    """Let headers carry a context."""
    made = carrier(context)
    if made:
        headers[HEADER].CopyFrom(payloads.to_payload(Json.of(made)))
