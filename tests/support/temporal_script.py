"""Lua scripts on a real Temporal server."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from command import Command
from timeouts import TIMEOUT

_REPLAY = Path(__file__).parent / "replay.py"


class Script:
    """The `assay` command configured for a real server, and the Temporal CLI."""

    def __init__(self, command: Command, address: str, recordings: Path | None = None) -> None:
        """`recordings`: the folder for saved histories; None to save none."""
        self.recordings = recordings
        self.command = command
        self.address = address
        self.folder = command.folder
        command.environment["TEMPORAL_ADDRESS"] = address

    def run(self, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a script until it exits."""
        return self.command.run(self.command.script(text), *arguments)

    def value(self, text: str, *arguments: str) -> Any:
        """Run a script that prints one JSON value and exits with 0; returns the value."""
        result = self.run(text, *arguments)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def cli(self, *arguments: str) -> Any:
        """Run the Temporal CLI; returns its JSON output."""
        return json.loads(self.cli_text(*arguments, "--output", "json"))

    def cli_text(self, *arguments: str) -> str:
        """Run the Temporal CLI; returns what it printed."""
        temporal = str(Path(sysconfig.get_path("scripts")) / "temporal")
        command = [temporal, *arguments, "--address", self.address]
        return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=True).stdout

    def replay(self, *workflow_ids: str, script: str = "script.lua") -> None:
        """Replay the histories of workflows in another process with a script, which needs no arguments."""
        paths = []
        for workflow_id in workflow_ids:
            path = self.folder / f"history-{len(list(self.folder.glob('history-*')))}.json"
            path.write_text(json.dumps(self.cli("workflow", "show", "--workflow-id", workflow_id)))
            paths.append(str(path))
        command = [sys.executable, str(_REPLAY), str(self.folder / script), *paths]
        result = subprocess.run(
            command, env=self.command.environment, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
        assert result.returncode == 0, result.stderr

    def events(self, workflow_id: str) -> list[str]:
        """Return the types of the events in a workflow's history."""
        history = self.cli("workflow", "show", "--workflow-id", workflow_id)
        return [event["eventType"].removeprefix("EVENT_TYPE_") for event in history["events"]]
