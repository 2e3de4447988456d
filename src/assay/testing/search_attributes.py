"""Registers search attributes with the test server, when a workflow first sets them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import TypedSearchAttributes

from assay.lua.values import Value
from assay.temporal.client.search_attributes import SearchAttributes
from assay.temporal.core.protos import WorkflowActivationCompletion
from assay.temporal.data import search_attributes

_TYPES = {
    name.removeprefix("INDEXED_VALUE_TYPE_").title().replace("_", ""): number
    for name, number in IndexedValueType.items()
}
"""The types by their name in the metadata of payloads."""


class AttributeRegistry:
    """Registers search attributes with the types of their values."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._names: set[str] = set()

    async def add(self, fields: Mapping[str, Payload]) -> None:
        """Register the attributes that are new. Raise RPCError."""
        new = {
            name: _TYPES[payload.metadata["type"].decode()]
            for name, payload in fields.items()
            if name not in self._names
        }
        if new:
            request = AddSearchAttributesRequest(namespace=self._client.namespace, search_attributes=new)
            await self._client.operator_service.add_search_attributes(request)
            self._names.update(new)

    async def add_values(self, values: Mapping[str, Value]) -> None:
        """Register the attributes of a new workflow. Raise RPCError or BuiltinError."""
        changes = search_attributes.updates(values)
        await self.add({change.key.name: search_attributes.to_payload(change) for change in changes})


class ClientAttributes(SearchAttributes):
    """The search attributes that a client of a test sets."""

    def __init__(self, client: Client, registered: AttributeRegistry) -> None:
        super().__init__(client)
        self._registered = registered

    async def typed(self, values: Mapping[str, Value]) -> TypedSearchAttributes:
        """Register new attributes before they are used. Raise RPCError or BuiltinError."""
        await self._registered.add_values({name: value for name, value in values.items() if value is not None})
        return await super().typed(values)


def attributes_set_by(completion: WorkflowActivationCompletion) -> dict[str, Payload]:
    """Return the search attributes that the commands of a workflow task set; omit those that they remove."""
    items = (item for fields in _fields(completion) for item in fields.items())
    return {name: payload for name, payload in items if "type" in payload.metadata}


def _fields(completion: WorkflowActivationCompletion) -> Iterator[Mapping[str, Payload]]:
    for command in completion.successful.commands:
        match command.WhichOneof("variant"):
            case "upsert_workflow_search_attributes":
                yield command.upsert_workflow_search_attributes.search_attributes.indexed_fields
            case "start_child_workflow_execution":
                yield command.start_child_workflow_execution.search_attributes.indexed_fields
            case "continue_as_new_workflow_execution":
                yield command.continue_as_new_workflow_execution.search_attributes.indexed_fields
