"""Sources of histories: JSON files (of the Temporal CLI, the Web UI or `client:fetch_history`) and servers."""

from __future__ import annotations

import glob
import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode

from assay.errors import AssayError
from assay.temporal.replay.integrity import IncompleteHistoryError, check


def history_files(paths: Iterable[str]) -> list[Path]:
    """Return the history files in `paths`: files, folders (searched for `.json` files) and glob patterns.

    Raises AssayError if a path matches nothing.
    """
    files: list[Path] = []
    for name in paths:
        path = Path(name)
        matched = [] if path.exists() else sorted(glob.glob(name, recursive=True))
        if not (path.exists() or matched):
            raise AssayError(f"cannot read {name}: No such file or directory")
        for item in map(Path, matched or [name]):
            files += _json_files(item) if item.is_dir() else [item]
    return files


def _json_files(folder: Path) -> list[Path]:
    files = sorted(folder.rglob("*.json"))
    if not files:
        raise AssayError(f"no .json file in the folder {folder}")
    return files


def read_history(path: Path) -> WorkflowHistory:
    """Read a history file. Raises AssayError if it is not a complete history."""
    try:
        document: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise AssayError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise AssayError(f"{path} is not JSON: {error}") from None
    if isinstance(document, list):
        document = {"events": document}
    elif isinstance(document, dict) and isinstance(document.get("history"), dict):
        document = document["history"]
    try:
        history = WorkflowHistory.from_json(path.stem, document)
        started = history.events[0].workflow_execution_started_event_attributes
    except Exception:  # the SDK's parser raises various exceptions
        raise AssayError(f"{path} is not the history of a workflow") from None
    if not started.workflow_type.name:
        raise AssayError(f"{path} is not the history of a workflow")
    try:
        check(history.events)
    except IncompleteHistoryError as error:
        raise AssayError(f"{path}: {error}") from None
    # Prefer the recorded id to the file's name: workflows may derive other ids from their own.
    return WorkflowHistory(started.workflow_id or path.stem, history.events)


async def from_files(paths: Iterable[Path]) -> AsyncIterator[WorkflowHistory]:
    """Read history files one at a time."""
    for path in paths:
        yield read_history(path)


async def from_server(client: Client, query: str, at_most: int | None = None) -> AsyncIterator[WorkflowHistory]:
    """Fetch the histories of the workflows that match a visibility query. Raises AssayError."""
    try:
        async for execution in client.list_workflows(query, limit=at_most):
            handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
            try:
                yield await handle.fetch_history()
            except RPCError as error:
                if error.status != RPCStatusCode.NOT_FOUND:  # deleted since it was listed
                    raise
    except RPCError as error:
        raise AssayError(f"server error: {error.message}") from error


async def count(client: Client, query: str) -> int:
    """Return the number of workflows that match a visibility query. Raises AssayError."""
    try:
        return (await client.count_workflows(query)).count
    except RPCError as error:
        raise AssayError(f"server error: {error.message}") from error
