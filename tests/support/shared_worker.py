"""One Lua worker for all tests of a file; at the end, another process replays all its workflows."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from temporalio.client import Client, WorkflowHistory

from command import read_until
from temporal_script import Script
from timeouts import TIMEOUT
from workflow_session import Session, record, replay


@dataclass
class SharedWorker:
    """A running worker, and the workflows (id and run id) that tests have started on it."""

    lua: Script
    task_queue: str
    process: subprocess.Popen[str]
    started: list[tuple[str, str | None]] = field(default_factory=list)

    async def open_session(self, name: str) -> Session:
        """Return a session whose workflows have ids that begin with a name."""
        client = await Client.connect(self.lua.address)
        return Session(client, name, self.process, task_queue=self.task_queue)

    def close_session(self, session: Session) -> None:
        """Remember the workflows of a session for the replay."""
        self.started += [(handle.id, handle.first_execution_run_id) for handle in session.handles]

    async def histories(self) -> list[WorkflowHistory]:
        """Return the histories of all workflows that were started."""
        session = await self.open_session("")
        session.handles = [
            session.client.get_workflow_handle(id, first_execution_run_id=run_id) for id, run_id in self.started
        ]
        return await session.histories()


@contextmanager
def run_shared_worker(lua: Script, task_queue: str, script: str) -> Iterator[SharedWorker]:
    """Run a worker that prints "polling"; replay all its workflows in another process after it has stopped."""
    with lua.command.started(lua.command.script(script, "worker.lua"), task_queue) as process:
        shared = SharedWorker(lua, task_queue, process)
        read_until(process, "polling")
        try:
            yield shared
        finally:
            process.send_signal(signal.SIGTERM)
            _, stderr = process.communicate(timeout=TIMEOUT)
            sys.stderr.write(stderr)
    assert process.returncode == 0
    assert "ondeterminism" not in stderr
    asyncio.run(_replay(shared, script))


async def _replay(shared: SharedWorker, script: str) -> None:
    histories = await shared.histories()
    code, problems = await replay(shared.lua, histories, hash_seed=31)
    assert (code, problems) == (0, ""), problems
    if shared.lua.recordings is not None:
        record(shared.lua.recordings, script, histories)
