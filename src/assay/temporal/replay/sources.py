"""Where histories come from: files (of the Temporal CLI, the Web UI, `client:fetch_history`), or a server."""

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
    """The files that `paths` name: each file as it is, of a folder every `.json` in it, of a pattern what it matches.

    Raises AssayError.
    """
    found: list[Path] = []
    for name in paths:
        path = Path(name)
        matched = [] if path.exists() else sorted(glob.glob(name, recursive=True))
        if not (path.exists() or matched):
            raise AssayError(f"cannot read {name}: No such file or directory")
        for item in map(Path, matched or [name]):
            found += _inside(item) if item.is_dir() else [item]
    return found


def _inside(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*.json"))
    if not found:
        raise AssayError(f"no .json file in the folder {folder}")
    return found


def read_history(path: Path) -> WorkflowHistory:
    """Read one history. Raises AssayError when it is none."""
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
    except Exception:  # the SDK's parser raises whatever the text makes it raise
        raise AssayError(f"{path} is not the history of a workflow") from None
    if not started.workflow_type.name:
        raise AssayError(f"{path} is not the history of a workflow")
    try:
        check(history.events)
    except IncompleteHistoryError as error:
        raise AssayError(f"{path}: {error}") from None
    # The name of a file is not a workflow's id: a workflow that derives ids from its own would not match.
    return WorkflowHistory(started.workflow_id or path.stem, history.events)


async def from_files(paths: Iterable[Path]) -> AsyncIterator[WorkflowHistory]:
    """Read histories one after the other."""
    for path in paths:
        yield read_history(path)


async def from_server(client: Client, query: str, at_most: int | None = None) -> AsyncIterator[WorkflowHistory]:
    """Fetch the histories of the workflows that a visibility query finds. Raises AssayError."""
    try:
        async for execution in client.list_workflows(query, limit=at_most):
            handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
            try:
                yield await handle.fetch_history()
            except RPCError as error:
                if error.status != RPCStatusCode.NOT_FOUND:  # it was deleted meanwhile
                    raise
    except RPCError as error:
        raise AssayError(f"the server: {error.message}") from error


async def count(client: Client, query: str) -> int:
    """Return how many workflows a visibility query finds. Raises AssayError."""
    try:
        return (await client.count_workflows(query)).count
    except RPCError as error:
        raise AssayError(f"the server: {error.message}") from error
