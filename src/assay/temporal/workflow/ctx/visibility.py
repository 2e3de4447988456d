"""Methods of `ctx` for search attributes, the memo and the current details."""

from __future__ import annotations

import orjson

from assay.errors import BuiltinError
from assay.lua.declare import method, reader
from assay.lua.values import Json, Value
from assay.temporal.core.protos import WorkflowCommand
from assay.temporal.data import payloads, search_attributes
from assay.temporal.workflow.ctx.calls import check_size
from assay.temporal.workflow.run.run import Run


class Visibility:
    """Search attributes, the memo, and the details that the Web UI shows."""

    _run: Run

    @method
    def upsert_search_attributes(self, attributes: dict[str, Value]) -> None:
        """Set search attributes, by which queries find workflows. Other search attributes are unchanged.

        The type is inferred from the value: a string is a Keyword, an integer an Int, a float a Double, a boolean a
        Bool, an array of strings a KeywordList. `{ type = "text", value = … }` sets it explicitly: "keyword", "text",
        "int", "double", "bool", "keyword_list" or "datetime" (seconds since 1970-01-01 UTC, or an ISO 8601 string with
        a time zone).

        The attribute must be registered in the namespace; otherwise the workflow task fails until it is.

        Args:
            attributes: Values by name; `json.null` removes an attribute.
        """
        changes = search_attributes.updates(attributes)
        if not changes:
            return

        command = WorkflowCommand()
        fields = command.upsert_workflow_search_attributes.search_attributes.indexed_fields
        for change in changes:
            fields[change.key.name].CopyFrom(search_attributes.to_payload(change))
        self._run.outbound.reserve(command)
        self._run.outbound.append(command)
        self._run.attributes.change_attributes({change.key.name: change.value for change in changes})

    @method
    def upsert_memo(self, memo: Json) -> None:
        """Set memo fields, which are shown with the workflow but cannot be searched. Other fields are unchanged.

        Args:
            memo: Table of values by name; `json.null` removes a field.
        """
        check_size(self._run, "the memo", memo)
        fields = orjson.loads(bytes(memo)) if memo.raw is None else memo.raw
        if fields and not isinstance(fields, dict):
            raise BuiltinError("bad argument 'memo' (a table of named values expected)")
        if not fields:
            return
        command = WorkflowCommand()
        target = command.modify_workflow_properties.upserted_memo.fields
        for name, value in fields.items():
            target[name].CopyFrom(payloads.to_payload(None if value is None else Json(orjson.dumps(value))))
        changes = {name: None if fields[name] is None else target[name] for name in fields}
        size = self._run.attributes.memo_size(changes)
        problem = payloads.too_large("the memo", size, self._run.settings.payload_limit)
        if problem is not None:  # the server would terminate the workflow
            raise BuiltinError(problem)
        self._run.outbound.reserve(command)
        self._run.outbound.append(command)
        self._run.attributes.change_memo(changes)

    @method
    def set_current_details(self, text: str) -> None:
        """Set the current details, which the Web UI and `temporal workflow metadata` show.

        Args:
            text: Markdown that replaces the previous details. It is not recorded in the history.
        """
        self._run.details = text

    @reader
    def get_current_details(self) -> str:
        """Return the text of the last `ctx:set_current_details`, or an empty string."""
        return self._run.details
