"""Conversion of Nexus links: URLs in Nexus requests, `Link` messages in Temporal's API."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from temporalio.api.common.v1 import Link
from temporalio.api.enums.v1 import EventType
from temporalio.api.nexus.v1 import Link as NexusLink

_TYPE = Link.WorkflowEvent.DESCRIPTOR.full_name
_PATH = re.compile(r"/namespaces/([^/]+)/workflows/([^/]+)/([^/]+)/history")


def of_event(event: Link.WorkflowEvent) -> NexusLink:
    """Return the link to a workflow event."""
    parts = (event.namespace, event.workflow_id, event.run_id)
    namespace, workflow_id, run_id = (quote(part, safe="") for part in parts)
    query: dict[str, str | int] = {}
    if event.HasField("request_id_ref"):
        query = {
            "referenceType": "RequestIdReference",
            "requestID": event.request_id_ref.request_id,
            "eventType": _event_type_to_url(event.request_id_ref.event_type),
        }
    elif event.HasField("event_ref"):
        query = {"eventID": event.event_ref.event_id} if event.event_ref.event_id else {}
        query |= {"eventType": _event_type_to_url(event.event_ref.event_type), "referenceType": "EventReference"}
    path = f"/namespaces/{namespace}/workflows/{workflow_id}/{run_id}/history"
    return NexusLink(url=f"temporal://{path}?{urlencode(query)}", type=_TYPE)


def started(namespace: str, workflow_id: str, run_id: str, request_id: str) -> NexusLink:
    """Return the link to the start event of a workflow that was started by a request."""
    reference = Link.WorkflowEvent.RequestIdReference(
        request_id=request_id, event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED
    )
    return of_event(
        Link.WorkflowEvent(namespace=namespace, workflow_id=workflow_id, run_id=run_id, request_id_ref=reference)
    )


def events(links: Iterable[NexusLink]) -> list[Link]:
    """Return the workflow events that the links of a request refer to; other links are skipped."""
    return [Link(workflow_event=event) for link in links if (event := _event(link)) is not None]


def _event(link: NexusLink) -> Link.WorkflowEvent | None:
    url = urlsplit(link.url)
    match = _PATH.fullmatch(url.path)
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    if link.type != _TYPE or match is None:
        return None
    namespace, workflow_id, run_id = map(unquote, match.groups())
    event = Link.WorkflowEvent(namespace=namespace, workflow_id=workflow_id, run_id=run_id)
    try:
        kind = EventType.Value(_event_type_from_url(query.get("eventType", "")))
        if query.get("referenceType") == "RequestIdReference":
            event.request_id_ref.request_id = query.get("requestID", "")
            event.request_id_ref.event_type = kind
        else:
            event.event_ref.event_id = int(query.get("eventID") or 0)
            event.event_ref.event_type = kind
    except ValueError:
        return None
    return event


def _event_type_to_url(kind: EventType.ValueType) -> str:
    """Convert `EVENT_TYPE_NEXUS_OPERATION_SCHEDULED` to `NexusOperationScheduled`."""
    words = EventType.Name(kind).removeprefix("EVENT_TYPE_").split("_")
    return "".join(word.capitalize() for word in words)


def _event_type_from_url(name: str) -> str:
    if name.startswith("EVENT_TYPE_"):
        return name
    return "EVENT_TYPE_" + re.sub(r"(?<!^)([A-Z])", r"_\1", name).upper()
