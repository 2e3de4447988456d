"""Commands that find no room in a workflow task: the next ones send them, in order."""

from __future__ import annotations

from assay.temporal.core.protos import WorkflowCommand
from assay.temporal.workflow.run.outbound import Outbound
from assay.temporal.workflow.run.timers import Timer

_PAUSE = 0.001
"""Seconds of the timer that brings the next workflow task."""


class Backlog:
    """Sends what is not to be refused, over several workflow tasks if need be."""

    __slots__ = ("_commands", "_outbound")

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._commands: list[WorkflowCommand] = []

    def send(self, command: WorkflowCommand) -> None:
        """Send a command, now if there is room for it and none waits before it."""
        self._commands.append(command)
        if len(self._commands) == 1:
            self._send()

    def _send(self) -> None:
        while self._commands and self._outbound.has_room(self._commands[0]):
            self._outbound.append(self._commands.pop(0))
        if self._commands:
            Timer(self._outbound, _PAUSE, is_counted=False).start().when_done(self._send)
