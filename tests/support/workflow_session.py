"""A Lua worker on a real server, a client of the Python SDK, and a replay of all workflows in another process."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowHistory

from command import read_until
from temporal_script import Script
from timeouts import TIMEOUT

MAX_RECORDED = 64_000  # characters: longer histories are not saved
REPLAY = Path(__file__).parent / "replay.py"


async def replay(lua: Script, histories: list[WorkflowHistory], *, hash_seed: int) -> tuple[int, str]:
    """Replay histories with `worker.lua` in a separate process; returns its exit code and stderr."""
    paths = [lua.folder / history.run_id / f"{history.workflow_id}.json" for history in histories]
    for path, history in zip(paths, histories, strict=True):
        path.parent.mkdir(exist_ok=True)
        path.write_text(history.to_json(), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(REPLAY),
        str(lua.folder / "worker.lua"),
        *map(str, paths),
        env={**lua.command.environment, "PYTHONHASHSEED": str(hash_seed)},
        stderr=subprocess.PIPE,
    )
    _, stderr = await process.communicate()
    assert process.returncode is not None
    return process.returncode, stderr.decode()


def count_types(history: WorkflowHistory) -> Counter[str]:
    """Return the number of events of each type in a history."""
    return Counter(EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in history.events)


def record(folder: Path, script: str, histories: list[WorkflowHistory]) -> None:
    """Save a history of each workflow type, and the script that it belongs to; `test_histories.py` replays them."""
    folder = folder_of_script(folder, script.lstrip())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "worker.lua").write_text(script.lstrip(), encoding="utf-8")
    recorded = set()
    for history in histories:
        workflow_type = history.events[0].workflow_execution_started_event_attributes.workflow_type.name
        text = re.sub(r'"\d+@[^"]*"', '"a worker"', history.to_json())  # process and machine
        if workflow_type not in recorded and len(text) < MAX_RECORDED:
            recorded.add(workflow_type)
            shutil.rmtree(folder / workflow_type, ignore_errors=True)
            (folder / workflow_type).mkdir()
            # The file's name is the workflow's id, which the ids of children may be derived from.
            path = folder / workflow_type / f"{history.workflow_id}.json"
            path.write_text(json.dumps(json.loads(text), indent=1) + "\n", encoding="utf-8")


def folder_of_script(folder: Path, script: str) -> Path:
    """Return the folder for the histories of a script: a new one for a new script, as recorded histories are kept."""
    candidate = folder
    for number in itertools.count(2):
        path = candidate / "worker.lua"
        if not path.exists() or path.read_text(encoding="utf-8") == script:
            break
        candidate = folder.with_name(f"{folder.name}_{number}")
    return candidate


class Session:
    """A client of a running worker; the workflows that it started are replayed at the end."""

    def __init__(self, client: Client, name: str, process: subprocess.Popen[str], task_queue: str = "") -> None:
        """Make a session. Ids of workflows begin with `name`, which is also the task queue unless one is given."""
        self.client = client
        self.name = name
        self.task_queue = task_queue or name
        self.process = process
        self.handles: list[WorkflowHandle[Any, Any]] = []
        self.stderr = ""

    async def start(self, workflow_type: str, argument: Any = None, **options: Any) -> WorkflowHandle[Any, Any]:
        """Start a workflow."""
        number = len(self.handles) + 1
        options.setdefault("id", f"{self.name}-{number}")
        handle = await self.client.start_workflow(workflow_type, argument, task_queue=self.task_queue, **options)
        self.handles.append(handle)
        return handle

    async def run(self, workflow_type: str, argument: Any = None, **options: Any) -> Any:
        """Run a workflow until it closes; returns its result."""
        return await self.end(await self.start(workflow_type, argument, **options))

    async def end(self, handle: WorkflowHandle[Any, Any]) -> Any:
        """Wait until a workflow closes; returns its result, or the cause of its failure."""
        try:
            return await asyncio.wait_for(handle.result(), TIMEOUT)
        except WorkflowFailureError as error:
            return error.cause

    async def until(self, handle: WorkflowHandle[Any, Any], event_type: str, count: int = 1) -> WorkflowHistory:
        """Wait until a run's history has events of a type."""

        async def look() -> WorkflowHistory:
            while True:
                history = await handle.fetch_history()
                if count_types(history)[event_type] >= count:
                    return history
                await asyncio.sleep(0.02)

        return await asyncio.wait_for(look(), TIMEOUT)

    async def histories(self) -> list[WorkflowHistory]:
        """Return the histories of all runs of all workflows that were started."""
        found = []
        for handle in self.handles:
            run_id: str | None = handle.first_execution_run_id
            while run_id:
                history = await self.client.get_workflow_handle(handle.id, run_id=run_id).fetch_history()
                found.append(history)
                last = history.events[-1]
                run_id = last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id or None
        return found


@asynccontextmanager
async def worker(
    lua: Script, name: str, script: str, *arguments: str, program: tuple[str, ...] = (), replayed: bool = True
) -> AsyncIterator[Session]:
    """Run a worker that prints "polling"; stop it at the end and replay its workflows in another process.

    `program`: the arguments of Python that replace the command.
    """
    path = lua.command.script(script, "worker.lua")
    client = await Client.connect(lua.address)
    with lua.command.started(path, name, *arguments, program=program) as process:
        session = Session(client, name, process)
        await asyncio.to_thread(read_until, process, "polling")
        try:
            yield session
        finally:
            process.send_signal(signal.SIGTERM)
            _, session.stderr = await asyncio.to_thread(process.communicate, timeout=TIMEOUT)
            sys.stderr.write(session.stderr)
    assert process.returncode == 0
    assert "ondeterminism" not in session.stderr
    if replayed:
        histories = await session.histories()
        code, problems = await replay(lua, histories, hash_seed=31)
        assert (code, problems) == (0, ""), problems
        if lua.recordings is not None:
            record(lua.recordings, script, histories)
