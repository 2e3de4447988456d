"""`ctx`: what a workflow shows of itself to those who look at it from outside."""

from __future__ import annotations

import orjson
from temporalio import workflow
from temporalio.common import RawValue

from assay.errors import BuiltinError
from assay.lua.declare import method, reader
from assay.lua.values import Json, Value
from assay.temporal import payloads, search_attributes


class Visibility:
    """Search attributes, the memo, and the details that the Web UI shows."""

    @method
    def upsert_search_attributes(self, attributes: dict[str, Value]) -> None:
        """Set search attributes, by which workflows are listed; the others stay as they are.

        The type follows from the value: a string is a Keyword, an integer an Int, a float a Double, a boolean a Bool,
        an array of strings a KeywordList. `{ type = "text", value = … }` names it: "keyword", "text", "int", "double",
        "bool", "keyword_list" or "datetime" (seconds since 1970-01-01 UTC, or ISO 8601 text with a zone).

        The namespace must know the attribute; else the workflow task fails until it does.

        Args:
            attributes: Name → value; `json.null` removes one.
        """
        changes = search_attributes.updates(attributes)
        if changes:
            workflow.upsert_search_attributes(changes)

    @method
    def upsert_memo(self, memo: Json) -> None:
        """Set fields of the memo, which is shown with the workflow but not searched; the others stay as they are.

        Args:
            memo: A table: name → value; `json.null` removes one.
        """
        fields = orjson.loads(bytes(memo))
        if fields and not isinstance(fields, dict):
            raise BuiltinError("bad argument 'memo' (a table of named values expected)")
        if fields:
            workflow.upsert_memo(
                {
                    name: None if value is None else RawValue(payloads.to_payload(Json(orjson.dumps(value))))
                    for name, value in fields.items()
                }
            )

    @method
    def set_current_details(self, text: str) -> None:
        """Set the text that the Web UI and `temporal workflow metadata` show as what the workflow is doing now.

        Args:
            text: Markdown. It takes the place of the one before, and is not part of the history.
        """
        workflow.set_current_details(text)

    @reader
    def get_current_details(self) -> str:
        """Return the text of the last `ctx:set_current_details`; empty when there was none."""
        return workflow.get_current_details()
