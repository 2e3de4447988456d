"""Fixtures for tests on a real Temporal server."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from assay.temporal.dev_server.server import DevServer
from command import Command
from inline_lua import InlineLua
from rest_client import Rest
from shared_worker import SharedWorker, run_shared_worker
from temporal_script import Script
from workflow_session import Session

HISTORIES = Path(__file__).parent.parent / "histories"


@pytest.fixture
def lua(assay: Command, temporal_server: str, request: pytest.FixtureRequest) -> Script:
    """Run Lua scripts that find a real Temporal server."""
    return Script(assay, temporal_server, _recordings(request))


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name for task queues and workflows that no other test uses."""
    return f"{request.node.originalname}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def inline_lua(temporal_server: str, name: str, monkeypatch: pytest.MonkeyPatch) -> InlineLua:
    """Run Lua code in this process that finds a real Temporal server."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_server)
    return InlineLua(name)


@pytest.fixture
def rest(lua: Script, temporal_dev_server: DevServer) -> Rest:
    """Run Lua code with a client of the HTTP API of a real server."""
    return Rest(lua, temporal_dev_server.http_url)


@pytest.fixture(scope="module")
def shared_worker(
    temporal_server: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[SharedWorker]:
    """The worker of a test file, which runs the file's Lua script `WORKER`."""
    command = Command(tmp_path_factory.mktemp("worker"))
    task_queue = f"{request.path.stem}-{uuid.uuid4().hex[:8]}"
    with run_shared_worker(
        Script(command, temporal_server, _recordings(request)), task_queue, request.module.WORKER
    ) as worker:
        yield worker


@pytest.fixture
async def session(shared_worker: SharedWorker, name: str) -> AsyncIterator[Session]:
    """Start workflows on the worker of the test file."""
    session = await shared_worker.open_session(name)
    yield session
    shared_worker.close_session(session)


def _recordings(request: pytest.FixtureRequest) -> Path | None:
    """Return the folder for the histories of a test file, if they are recorded."""
    folder = HISTORIES / request.path.stem.removeprefix("test_")
    return folder if request.config.getoption("--record-histories") else None
