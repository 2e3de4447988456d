"""The base of the commands that Core resolves: activities, child workflows, Nexus operations, signals."""

from __future__ import annotations

from temporalio.api.failure.v1 import Failure

from assay.errors import BuiltinError
from assay.lua.values import Json
from assay.temporal.data import failures, payloads
from assay.temporal.workflow.run.entries import Cancelled, Entry
from assay.temporal.workflow.run.outbound import Outbound


class CommandEntry(Entry["Json | None"]):
    """An entry that sends a command and that Core resolves with a result or a failure.

    `cancel` sends a cancel request. Core then ends the entry as its `cancellation_type` says; until then it is pending.
    """

    __slots__ = ("_is_cancel_requested", "_outbound", "_seq", "_title")

    def __init__(self, outbound: Outbound, title: str) -> None:
        """`title` names the entry in messages."""
        super().__init__()
        self._outbound = outbound
        self._title = title
        self._seq = 0
        self._is_cancel_requested = False

    def start(self) -> None:
        """Send the command, unless the entry has been cancelled."""
        if not self.is_done:
            self._start()

    def _start(self) -> None:
        raise NotImplementedError

    def cancel(self) -> None:
        """Request cancellation, once. A command that has not been sent is never sent."""
        if self.is_done or self._is_cancel_requested:
            return
        self._is_cancel_requested = True
        if self._seq == 0:
            self.fail(Cancelled)
        else:
            self._request_cancel()

    def _request_cancel(self) -> None:
        raise NotImplementedError

    def complete(self, result: object) -> None:
        """End with a result of Core that is `completed`, `failed` or `cancelled`."""
        variant = result.WhichOneof("status")  # type: ignore[attr-defined]
        if variant == "completed":
            completed = result.completed  # type: ignore[attr-defined]
            self.resolve_with(completed.result if completed.HasField("result") else None)
        else:
            self.fail_with(getattr(result, variant).failure)

    def resolve_with(self, payload: object) -> None:
        """End with a payload, or with an error if it cannot be read."""
        try:
            value = None if payload is None else payloads.read(payload)  # type: ignore[arg-type]
        except BuiltinError as error:
            problem = f"cannot read the result of {self._title}: {error}"
            self.fail(lambda: BuiltinError(problem))
        else:
            self.resolve(value)

    def fail_with(self, failure: Failure) -> None:
        """End with a failure."""
        copy = Failure()
        copy.CopyFrom(failure)  # a reference would keep the whole activation alive
        self.fail(lambda: failures.to_error_object(copy))


async def start_and_wait(entry: CommandEntry) -> Json | None:
    """Start an entry and return its result. A cancellation of the wait cancels the entry, which then ends the wait."""
    entry.start()
    while True:
        try:
            return await entry
        except Cancelled:
            if entry.is_done:
                raise
            entry.cancel()
