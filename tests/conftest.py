"""Fixtures that several test files use."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from assay.lua.loop import new_event_loop
from assay.temporal.dev_server.server import DevServer
from command import Command

# Shells make background jobs ignore Ctrl-C, which child processes of the tests would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No test fails because the machine is slow.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that writes `tests/histories/`."""
    parser.addoption("--record-histories", action="store_true", help="keep a history of each workflow of these tests")


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run in-process tests on the event loop of scripts: network errors differ by loop."""
    return {"product": new_event_loop}


@pytest.fixture
def assay(tmp_path: Path) -> Command:
    """The `assay` command, run in an empty folder."""
    return Command(tmp_path)


@pytest.fixture(scope="session")
def temporal_dev_server() -> Iterator[DevServer]:
    """A real Temporal server in memory, with its HTTP API; one per test process."""
    with DevServer(ui=False) as server:
        yield server


@pytest.fixture(scope="session")
def temporal_server(temporal_dev_server: DevServer) -> str:
    """The address (host:port) of a real Temporal server in memory."""
    return temporal_dev_server.address
