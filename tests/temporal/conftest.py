"""Fixtures for tests on a real Temporal server."""

from __future__ import annotations

import uuid

import pytest

from command import Command
from temporal_script import Script


@pytest.fixture
def lua(assay: Command, temporal_server: str) -> Script:
    """Run Lua scripts that find a real Temporal server."""
    return Script(assay, temporal_server)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name for task queues and workflows that no other test uses."""
    return f"{request.node.originalname}-{uuid.uuid4().hex[:8]}"
