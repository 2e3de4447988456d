"""Fixtures for tests of `db`: real servers, started when a test first needs them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

import database_servers
from web_peers import Script


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL server."""
    try:
        with database_servers.postgres() as url:
            yield url
    except database_servers.MissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def mysql_url() -> Iterator[str]:
    """A real MariaDB server."""
    try:
        with database_servers.mariadb() as url:
            yield url
    except database_servers.MissingError as error:
        pytest.skip(str(error))


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    """Scripts on the event loop of the test."""
    made = Script()
    yield made
    await made.host.close()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite database in an empty folder."""
    return f"sqlite://{tmp_path}/test.db"


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def url(request: pytest.FixtureRequest) -> str:
    """A database of each kind."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest.fixture(params=["postgres", "mysql"])
def server_url(request: pytest.FixtureRequest) -> str:
    """A database of each kind that has a server."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found
