"""The memo and the search attributes of a run: their values at the start and the changes since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from temporalio.api.common.v1 import Payload

from assay import events
from assay.errors import BuiltinError
from assay.events import Event
from assay.lua.values import Value
from assay.temporal.data import payloads, search_attributes
from assay.temporal.telemetry.reporter import Reporter
from assay.temporal.workflow.run.start import Start


class Attributes:
    """The memo, the search attributes and the last result, as `ctx:workflow_info` returns them."""

    __slots__ = ("_changed_attributes", "_changed_memo", "_reporter", "_start")

    def __init__(self, start: Start, reporter: Reporter) -> None:
        self._start = start
        self._reporter = reporter
        self._changed_memo: dict[str, bytes | None] | None = None
        self._changed_attributes: dict[str, Value] | None = None

    def change_memo(self, fields: Mapping[str, Payload | None]) -> None:
        """Change memo fields; None removes a field."""
        changed = self._changed_memo = self._changed_memo or {}
        changed.update({name: None if value is None else value.SerializeToString() for name, value in fields.items()})

    def change_attributes(self, values: Mapping[str, Any]) -> None:
        """Change search attributes; None removes one."""
        changed = self._changed_attributes = self._changed_attributes or {}
        changed.update({name: search_attributes.as_value(value) for name, value in values.items()})

    def memo_size(self, changes: Mapping[str, Payload | None]) -> int:
        """Return the size of the memo in bytes if these fields were changed; None removes a field."""
        fields = {**self._memo_payloads(), **changes}
        return sum(len(name.encode()) + value.ByteSize() for name, value in fields.items() if value is not None)

    def memo(self) -> dict[str, Value]:
        """Return the memo; unreadable fields are logged and omitted."""
        memo: dict[str, Value] = {}
        for name, payload in self._memo_payloads().items():
            try:
                memo[name] = payloads.read_python(payload)
            except BuiltinError as error:
                self._report(events.MEMO_UNREADABLE, f"cannot read the memo '{name}': {error}")
        return memo

    def _memo_payloads(self) -> dict[str, Payload]:
        fields = dict(self._start.message().memo.fields)
        for name, changed in (self._changed_memo or {}).items():
            if changed is None:
                fields.pop(name, None)
            else:
                fields[name] = Payload.FromString(changed)
        return fields

    def copy_changed_memo(self, target: Any) -> None:
        """Set the fields of a protobuf memo if the run has changed its memo; the server only keeps the initial one."""
        if self._changed_memo:
            fields = self._memo_payloads()
            # The server would replace an empty memo with the initial one, so removed fields are sent as null.
            for name, payload in (fields or dict.fromkeys(self._changed_memo, payloads.to_payload(None))).items():
                target[name].CopyFrom(payload)

    def search_attributes(self) -> dict[str, Value]:
        """Return the search attributes."""
        attributes = search_attributes.from_payloads(self._start.message().search_attributes)
        for name, value in (self._changed_attributes or {}).items():
            if value is None:
                attributes.pop(name, None)
            else:
                attributes[name] = value
        return attributes

    def last_result(self) -> Value:
        """Return the result of the previous run of a workflow with a cron schedule."""
        results = self._start.message().last_completion_result.payloads
        if not results:
            return None
        try:
            return payloads.read_python(results[0])
        except BuiltinError as error:
            self._report(events.LAST_RESULT_UNREADABLE, f"cannot read the last result: {error}")
            return None

    def _report(self, event: Event, text: str) -> None:
        workflow_id = self._start.workflow_id
        self._reporter.report(event, f"workflow '{workflow_id}': {text}", workflow_id=workflow_id)
