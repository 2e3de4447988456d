"""What a run asks of Core: the commands of the current activation, and the entries that wait for their results."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.sdk.v1 import UserMetadata

from assay.errors import BuiltinError
from assay.lua.values import Json
from assay.temporal.core.protos import WorkflowCommand
from assay.temporal.data import payloads

MAX_COMMANDS = 20_000
"""Commands of one activation; the server takes far fewer pending steps of one run."""

_OVERHEAD = 512
"""Bytes that a command may take beside its own."""


class Outbound:
    """The commands so far, and the pending entries by their kind and sequence number.

    Each kind counts its sequence numbers from 1; activities and local activities share theirs. They are part of the
    history (as ids of timers and activities), so every start takes one.
    """

    __slots__ = ("_last", "_pending", "_sent", "commands")

    def __init__(self) -> None:
        self.commands: Any = None
        """Where commands go: the list in the completion of the current activation."""
        self._sent = 0
        self._last: dict[str, int] = {}
        self._pending: dict[tuple[str, int], Any] = {}

    def begin(self, commands: Any) -> None:
        """Put commands into `commands` from now on: an activation begins."""
        self.commands, self._sent = commands, 0

    def end(self) -> None:
        """Forget the activation's commands, which belong to its completion."""
        self.commands = None

    def add(self) -> WorkflowCommand:
        """Return a new command at the end of the list, for what is small."""
        command: WorkflowCommand = WorkflowCommand() if self.commands is None else self.commands.add()
        return command

    def check(self, command: WorkflowCommand) -> None:
        """Count a command that a script asks for. Raises BuiltinError when the activation has no room for it."""
        size = command.ByteSize() + _OVERHEAD
        problem = payloads.too_much(self._sent, size)
        if problem is None and self.commands is not None and len(self.commands) >= MAX_COMMANDS:
            problem = f"one workflow task can start at most {MAX_COMMANDS} steps: wait for some before starting more"
        if problem is not None:
            raise BuiltinError(problem)
        self._sent += size

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
        """How many entries wait."""
        return len(self._pending)


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
