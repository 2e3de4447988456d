"""The `__temporal_workflow_metadata` query of the Web UI and the CLI: handlers and current details of a run."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf import json_format
from temporalio.api.common.v1 import Payload
from temporalio.api.sdk.v1 import WorkflowDefinition, WorkflowInteractionDefinition, WorkflowMetadata

from assay.temporal.workflow.run.mailbox import Handlers, Mailbox

METADATA_QUERY = "__temporal_workflow_metadata"
_TOOL_QUERIES = ("__stack_trace", METADATA_QUERY)


def answer(workflow_type: str, details: str, mailbox: Mailbox) -> Payload:
    """Return the result, including signals that tasks have waited for. A dynamic handler has an empty name."""
    definition = WorkflowDefinition(
        type=workflow_type,
        query_definitions=_definitions(mailbox.queries, _TOOL_QUERIES),
        signal_definitions=_definitions(mailbox.signals, mailbox.expected),
        update_definitions=_definitions(mailbox.updates, ()),
    )
    message = WorkflowMetadata(definition=definition, current_details=details)
    return Payload(
        metadata={"encoding": b"json/protobuf", "messageType": WorkflowMetadata.DESCRIPTOR.full_name.encode()},
        data=json_format.MessageToJson(message, indent=None).encode(),
    )


def _definitions(handlers: Handlers, more: Iterable[str]) -> list[WorkflowInteractionDefinition]:
    descriptions = dict.fromkeys(more, "")
    descriptions.update({name: handler.description for name, handler in handlers.named.items()})
    if handlers.dynamic is not None:
        descriptions[""] = handlers.dynamic.description
    return [WorkflowInteractionDefinition(name=name, description=descriptions[name]) for name in sorted(descriptions)]
