"""What a run tells of its handlers: the answer to the query of the Web UI and of `temporal workflow metadata`."""

from __future__ import annotations

from collections.abc import Iterable

from temporalio.api.sdk.v1 import WorkflowInteractionDefinition, WorkflowMetadata

from assay.temporal.workflow.mailbox import Handlers, Mailbox

METADATA_QUERY = "__temporal_workflow_metadata"


def add_handlers(metadata: WorkflowMetadata, mailbox: Mailbox) -> None:
    """Put the Lua handlers in place of the SDK's own, which take messages of any name.

    Signals that a task waits for or polls are listed too. A dynamic handler has an empty name.
    """
    definition = metadata.definition
    for field, handlers, more in (
        (definition.query_definitions, mailbox.queries, ()),
        (definition.signal_definitions, mailbox.signals, mailbox.expected),
        (definition.update_definitions, mailbox.updates, ()),
    ):
        known = {item.name: item for item in (*(i for i in field if i.name), *_definitions(handlers, more))}
        shown = [known[name] for name in sorted(known)]
        del field[:]
        field.extend(shown)


def _definitions(handlers: Handlers, more: Iterable[str]) -> Iterable[WorkflowInteractionDefinition]:
    for name in more:
        yield WorkflowInteractionDefinition(name=name)
    for name, handler in handlers.named.items():
        yield WorkflowInteractionDefinition(name=name, description=handler.description)
    if handlers.dynamic is not None:
        yield WorkflowInteractionDefinition(name="", description=handlers.dynamic.description)
