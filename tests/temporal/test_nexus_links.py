"""Links across Nexus: the URLs are those of Temporal's other SDKs."""

from __future__ import annotations

import pytest
from temporalio.api.common.v1 import Link
from temporalio.api.enums.v1 import EventType
from temporalio.api.nexus.v1 import Link as NexusLink

from assay.temporal.worker import links

TYPE = "temporal.api.common.v1.Link.WorkflowEvent"
SCHEDULED = NexusLink(
    url="temporal:///namespaces/a%20b/workflows/x%2Fy/run/history?eventID=5&eventType=NexusOperationScheduled"
    "&referenceType=EventReference",
    type=TYPE,
)


def test_the_event_of_a_caller_is_read() -> None:
    [link] = links.events([SCHEDULED])
    event = link.workflow_event
    assert (event.namespace, event.workflow_id, event.run_id) == ("a b", "x/y", "run")
    assert event.event_ref.event_id == 5
    assert event.event_ref.event_type == EventType.EVENT_TYPE_NEXUS_OPERATION_SCHEDULED


def test_an_event_is_written_as_it_was_read() -> None:
    [link] = links.events([SCHEDULED])
    assert links.of_event(link.workflow_event) == SCHEDULED


def test_a_started_workflow_is_named_by_the_request() -> None:
    link = links.started("default", "order", "run", "request")
    assert link.url == (
        "temporal:///namespaces/default/workflows/order/run/history"
        "?referenceType=RequestIdReference&requestID=request&eventType=WorkflowExecutionStarted"
    )
    [back] = links.events([link])
    assert back.workflow_event.request_id_ref == Link.WorkflowEvent.RequestIdReference(
        request_id="request", event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED
    )


@pytest.mark.parametrize(
    "link",
    [
        NexusLink(url=SCHEDULED.url, type="temporal.api.common.v1.Link.Activity"),
        NexusLink(url="https://example.com/", type=TYPE),
        NexusLink(url=SCHEDULED.url.replace("NexusOperationScheduled", "Nonsense"), type=TYPE),
        NexusLink(url=SCHEDULED.url.replace("eventID=5", "eventID=x"), type=TYPE),
    ],
    ids=["another type", "another URL", "unknown event", "no number"],
)
def test_links_of_other_kinds_are_left_out(link: NexusLink) -> None:
    assert links.events([link]) == []
