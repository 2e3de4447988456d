"""Lua scripts on a real Temporal server."""

from __future__ import annotations

import json
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from command import Command


class Script:
    """The `assay` command in an environment that names a real server, and the Temporal CLI as a witness."""

    def __init__(self, command: Command, address: str, recordings: Path | None = None) -> None:
        """`recordings`: the folder in which histories are kept, if they are."""
        self.recordings = recordings
        self.command = command
        self.address = address
        self.folder = command.folder
        command.environment["TEMPORAL_ADDRESS"] = address

    def run(self, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a script to its end."""
        return self.command.run(self.command.script(text), *arguments)

    def value(self, text: str, *arguments: str) -> Any:
        """Run a script that prints one JSON value and ends with 0; returns the value."""
        result = self.run(text, *arguments)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def cli(self, *arguments: str) -> Any:
        """Ask the Temporal CLI; returns its JSON output."""
        return json.loads(self.cli_text(*arguments, "--output", "json"))

    def cli_text(self, *arguments: str) -> str:
        """Run the Temporal CLI; returns what it printed."""
        temporal = str(Path(sysconfig.get_path("scripts")) / "temporal")
        command = [temporal, *arguments, "--address", self.address]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout

    def events(self, workflow_id: str) -> list[str]:
        """The types of the events in a workflow's history."""
        history = self.cli("workflow", "show", "--workflow-id", workflow_id)
        return [event["eventType"].removeprefix("EVENT_TYPE_") for event in history["events"]]
