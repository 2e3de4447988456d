"""Fixtures for tests on a real Temporal server."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from command import Command
from temporal_script import Script

HISTORIES = Path(__file__).parent.parent / "histories"


@pytest.fixture
def lua(assay: Command, temporal_server: str, request: pytest.FixtureRequest) -> Script:
    """Run Lua scripts that find a real Temporal server."""
    folder = HISTORIES / request.path.stem.removeprefix("test_")
    return Script(assay, temporal_server, folder if request.config.getoption("--record-histories") else None)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name for task queues and workflows that no other test uses."""
    return f"{request.node.originalname}-{uuid.uuid4().hex[:8]}"
