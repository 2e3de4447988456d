"""What a run asks of Core: the commands of the current activation, and the entries that wait for their results."""

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
"""Commands of one activation; the server takes far fewer pending steps of one run."""

_TOO_MUCH = "the answers of one workflow task are more than the Temporal server takes at once"

_OVERHEAD = 512
"""Bytes that a command may take beside its own."""


class Outbound:
    """The commands so far, and the pending entries by their kind and sequence number.

    Each kind counts its sequence numbers from 1; activities and local activities share theirs. They are part of the
    history (as ids of timers and activities), so every start takes one.
    """

    __slots__ = ("_aside", "_aside_size", "_coming", "_last", "_pending", "_sent", "_task", "commands")

    def __init__(self) -> None:
        self.commands: Any = None
        """Where commands go: the list in the completion of the current activation."""
        self._task = 0
        self._sent = 0  # bytes of the workflow task that a replay has too
        self._aside_size = 0  # those that it has not
        self._aside: list[int] = []  # the places of what was put aside in the current activation
        self._coming = 0  # bytes of results of local activities on their way through Core
        self._last: dict[str, int] = {}
        self._pending: dict[tuple[str, int], Any] = {}

    def begin(self, commands: Any, task: int) -> None:
        """Put commands into `commands` from now on: an activation of the workflow task `task` begins."""
        self.commands, self._aside = commands, []
        if task != self._task:
            self._task, self._sent, self._aside_size, self._coming = task, 0, 0, 0

    def end(self) -> None:
        """Forget the activation's commands, which belong to its completion.

        What is too much is cut from what was put aside: a replay sees none of it.
        """
        for place in reversed(self._aside):
            if payloads.too_much(self._sent, self._aside_size) is None:
                break
            command = self.commands[place]
            self._aside_size -= command.ByteSize()
            _cut(command)
            self._aside_size += command.ByteSize()
        self.commands = None

    def add(self) -> WorkflowCommand:
        """Return a new command at the end of the list, for what is small."""
        command: WorkflowCommand = WorkflowCommand() if self.commands is None else self.commands.add()
        return command

    def check(self, command: WorkflowCommand) -> None:
        """Count a command that a script asks for. Raises BuiltinError when the activation has no room for it."""
        self.admit(command.ByteSize() + _OVERHEAD)

    def admit(self, size: int) -> None:
        """Count `size` bytes of a command that a script asks for. Raises BuiltinError when there is no room for it."""
        problem = payloads.too_much(self._sent, size)
        if problem is None and self.commands is not None and len(self.commands) >= MAX_COMMANDS:
            problem = f"one workflow task can start at most {MAX_COMMANDS} steps: wait for some before starting more"
        if problem is not None:
            raise BuiltinError(problem)
        self._sent += size

    def note(self, size: int) -> None:
        """Count `size` bytes that the workflow task has to take."""
        self._sent += size

    def note_result(self, size: int) -> None:
        """Count the result of a local activity that the run has got."""
        self._sent += size
        self._coming = max(0, self._coming - size)

    def admits(self, size: int) -> bool:
        """Return true if the workflow task has room for `size` bytes, or has nothing else."""
        sent = self._sent + self._aside_size
        return sent == 0 or payloads.too_much(sent, size) is None

    def has_room(self, command: WorkflowCommand) -> bool:
        """Count a command if the workflow task has room for it, or has nothing else; returns whether it has."""
        size = command.ByteSize() + _OVERHEAD
        if self._sent and payloads.too_much(self._sent, size) is not None:
            return False
        self._sent += size
        return True

    def expect(self, size: int) -> str | None:
        """Count a local activity's result that Core is to get; returns what to say when there is no room for it."""
        problem = payloads.too_much_of_local(self._sent + self._aside_size + self._coming, size)
        if problem is None:
            self._coming += size
        return problem

    def put_aside(self, command: WorkflowCommand, more: int = 0) -> None:
        """Put a command at the end of the list that no replay will see: it is cut short if there is no room for it.

        Core sends `more` bytes with it.
        """
        if self.commands is not None:
            self._aside.append(len(self.commands))
            self._aside_size += command.ByteSize() + more
            self.commands.append(command)

    def append(self, command: WorkflowCommand) -> None:
        """Put a command at the end of the list."""
        if self.commands is not None:
            self.commands.append(command)

    def next(self, kind: str, entry: object) -> int:
        """Return the next sequence number of a kind, under which `entry` waits."""
        seq = self._last[kind] = self._last.get(kind, 0) + 1
        self._pending[kind, seq] = entry
        return seq

    def find(self, kind: str, seq: int) -> Any:
        """Return the entry that waits under a number; None when there is none (any more)."""
        return self._pending.get((kind, seq))

    def take(self, kind: str, seq: int) -> Any:
        """Return the entry that waits under a number, and forget it."""
        return self._pending.pop((kind, seq), None)

    @property
    def pending(self) -> int:
        """Return how many entries wait."""
        return len(self._pending)


def _cut(command: WorkflowCommand) -> None:
    """Leave out the long part of an answer to a query, or of the rejection of an update."""
    if command.HasField("respond_to_query"):
        failure = failures.application(f"{_TOO_MUCH}: ask again", "PayloadTooLarge")
        command.respond_to_query.failed.CopyFrom(failure)
    else:
        failure = failures.application(f"rejected; the error is left out: {_TOO_MUCH}", "PayloadTooLarge")
        command.update_response.rejected.CopyFrom(failure)


def set_summary(command: WorkflowCommand, summary: str | None) -> None:
    """Set what the Web UI and the history show beside a command."""
    if summary:
        command.user_metadata.summary.CopyFrom(text(summary))


def metadata(summary: str | None, details: str | None) -> UserMetadata | None:
    """Return the metadata of a workflow that is started, if there is any."""
    if not (summary or details):
        return None
    made = UserMetadata()
    if summary:
        made.summary.CopyFrom(text(summary))
    if details:
        made.details.CopyFrom(text(details))
    return made


def text(value: str) -> Payload:
    """Return the payload of a string."""
    return payloads.to_payload(Json.of(value))


def all_payloads(values: Iterable[Json | None]) -> list[Payload]:
    """Return the payloads of several values."""
    return [payloads.to_payload(value) for value in values]
