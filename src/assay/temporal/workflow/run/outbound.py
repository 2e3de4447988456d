"""The commands that a run sends to Core, with size limits, and the entries that wait for their results."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.sdk.v1 import UserMetadata

from assay.errors import BuiltinError
from assay.lua.values import Json
from assay.temporal.core.protos import WorkflowCommand
from assay.temporal.data import failures, payloads

MAX_COMMANDS = 20_000
"""Maximum number of commands of one activation. The server allows far fewer pending commands of a run."""

_TOO_MUCH = "the responses of this workflow task exceed the size limit of the Temporal server"

_OVERHEAD = 512
"""Bytes that the server may add to a command."""


class Outbound:
    """The commands of the current activation, and the pending entries by kind and sequence number.

    Each kind numbers its entries from 1; activities and local activities share a sequence. The numbers are part of the
    history, as ids of timers and activities, so every start uses one.

    Sizes are counted per workflow task, separately for commands that are recorded in the history and for those that are
    not: query results and update rejections. Only the recorded size may affect a run, because replays do not see the
    other one.
    """

    __slots__ = (
        "_last",
        "_local_results_size",
        "_pending",
        "_recorded_size",
        "_task",
        "_unrecorded",
        "_unrecorded_size",
        "commands",
    )

    def __init__(self) -> None:
        self.commands: Any = None
        """Command list in the completion of the current activation."""
        self._task = 0
        self._recorded_size = 0
        self._unrecorded_size = 0
        self._unrecorded: list[int] = []  # indices of unrecorded commands in the current activation
        self._local_results_size = 0  # local activity results that have not reached the run yet
        self._last: dict[str, int] = {}
        self._pending: dict[tuple[str, int], Any] = {}

    def begin(self, commands: Any, task: int) -> None:
        """Begin an activation of the workflow task `task`, whose commands go into `commands`."""
        self.commands, self._unrecorded = commands, []
        if task != self._task:
            self._task = task
            self._recorded_size = self._unrecorded_size = self._local_results_size = 0

    def end(self) -> None:
        """End the activation. Unrecorded commands that do not fit into the workflow task are replaced with errors."""
        for index in reversed(self._unrecorded):
            if payloads.too_large_for_task(self._recorded_size, self._unrecorded_size) is None:
                break
            command = self.commands[index]
            self._unrecorded_size -= command.ByteSize()
            _replace_with_error(command)
            self._unrecorded_size += command.ByteSize()
        self.commands = None

    def add(self) -> WorkflowCommand:
        """Append a new, small command and return it."""
        command: WorkflowCommand = WorkflowCommand() if self.commands is None else self.commands.add()
        return command

    def reserve(self, command: WorkflowCommand) -> None:
        """Reserve room for a command of a script. Raises BuiltinError if the workflow task has no room for it."""
        self.reserve_bytes(command.ByteSize() + _OVERHEAD)

    def reserve_bytes(self, size: int) -> None:
        """Reserve `size` bytes for a command of a script. Raises BuiltinError if the workflow task has no room."""
        problem = payloads.too_large_for_task(self._recorded_size, size)
        if problem is None and self.commands is not None and len(self.commands) >= MAX_COMMANDS:
            problem = f"a workflow task can send at most {MAX_COMMANDS} commands: wait for results before starting more"
        if problem is not None:
            raise BuiltinError(problem)
        self._recorded_size += size

    def count(self, size: int) -> None:
        """Count `size` bytes that cannot be rejected."""
        self._recorded_size += size

    def count_local_result(self, size: int) -> None:
        """Count the result of a local activity that has reached the run."""
        self._recorded_size += size
        self._local_results_size = max(0, self._local_results_size - size)

    def has_room(self, size: int) -> bool:
        """Return true if the workflow task has room for `size` bytes, or is empty."""
        used = self._recorded_size + self._unrecorded_size
        return used == 0 or payloads.too_large_for_task(used, size) is None

    def try_reserve(self, command: WorkflowCommand) -> bool:
        """Reserve room for a command; return false if the workflow task has no room for it and is not empty."""
        size = command.ByteSize() + _OVERHEAD
        if self._recorded_size and payloads.too_large_for_task(self._recorded_size, size) is not None:
            return False
        self._recorded_size += size
        return True

    def reserve_local_result(self, size: int) -> str | None:
        """Reserve room for the result of a local activity; return an error message if there is none."""
        used = self._recorded_size + self._unrecorded_size + self._local_results_size
        problem = payloads.local_result_too_large(used, size)
        if problem is None:
            self._local_results_size += size
        return problem

    def append_unrecorded(self, command: WorkflowCommand, more: int = 0) -> None:
        """Append a command that is not recorded in the history; Core adds `more` bytes to it."""
        if self.commands is not None:
            self._unrecorded.append(len(self.commands))
            self._unrecorded_size += command.ByteSize() + more
            self.commands.append(command)

    def append(self, command: WorkflowCommand) -> None:
        """Append a command."""
        if self.commands is not None:
            self.commands.append(command)

    def register(self, kind: str, entry: object) -> int:
        """Register a pending entry; return its sequence number among those of its kind."""
        seq = self._last[kind] = self._last.get(kind, 0) + 1
        self._pending[kind, seq] = entry
        return seq

    def find(self, kind: str, seq: int) -> Any:
        """Return a pending entry; None if there is none."""
        return self._pending.get((kind, seq))

    def take(self, kind: str, seq: int) -> Any:
        """Remove a pending entry and return it; None if there is none."""
        return self._pending.pop((kind, seq), None)

    @property
    def pending(self) -> int:
        """Number of pending entries."""
        return len(self._pending)


def _replace_with_error(command: WorkflowCommand) -> None:
    """Replace the result of a query, or the error of an update rejection, with a short error."""
    if command.HasField("respond_to_query"):
        failure = failures.application(f"{_TOO_MUCH}: retry the query", "PayloadTooLarge")
        command.respond_to_query.failed.CopyFrom(failure)
    else:
        failure = failures.application(f"rejected; the error is omitted: {_TOO_MUCH}", "PayloadTooLarge")
        command.update_response.rejected.CopyFrom(failure)


def set_summary(command: WorkflowCommand, summary: str | None) -> None:
    """Set the summary of a command, which the Web UI and the history show."""
    if summary:
        command.user_metadata.summary.CopyFrom(text(summary))


def metadata(summary: str | None, details: str | None) -> UserMetadata | None:
    """Return the user metadata of a workflow to start, or None without any."""
    if not (summary or details):
        return None
    user_metadata = UserMetadata()
    if summary:
        user_metadata.summary.CopyFrom(text(summary))
    if details:
        user_metadata.details.CopyFrom(text(details))
    return user_metadata


def text(value: str) -> Payload:
    """Return the payload of a string."""
    return payloads.to_payload(Json.of(value))


def all_payloads(values: Iterable[Json | None]) -> list[Payload]:
    """Return the payloads of several values."""
    return [payloads.to_payload(value) for value in values]
