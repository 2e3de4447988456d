"""Commands that must not be rejected: those that do not fit into a workflow task are sent in the next ones."""

from __future__ import annotations

from assay.temporal.core.protos import WorkflowCommand
from assay.temporal.workflow.run.outbound import Outbound
from assay.temporal.workflow.run.timers import Timer

_PAUSE = 0.001
"""Duration of the timer that triggers the next workflow task, in seconds."""


class Backlog:
    """Sends commands in order, spread over several workflow tasks if necessary."""

    __slots__ = ("_commands", "_outbound")

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._commands: list[WorkflowCommand] = []

    def send(self, command: WorkflowCommand) -> None:
        """Send a command as soon as those before it are sent and the workflow task has room for it."""
        self._commands.append(command)
        if len(self._commands) == 1:
            self._send()

    def _send(self) -> None:
        while self._commands and self._outbound.try_reserve(self._commands[0]):
            self._outbound.append(self._commands.pop(0))
        if self._commands:
            Timer(self._outbound, _PAUSE, is_reserved=False).start().when_done(self._send)
