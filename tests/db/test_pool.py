"""The pool of database connections, with sessions that need no database."""

from __future__ import annotations

from typing import Any

import pytest

from assay.builtins.db.options import ConnectOptions
from assay.builtins.db.pool import DatabaseError, Pool
from assay.builtins.db.sql import Dialect
from web_peers import until


class StubSession:
    """A session whose statements do nothing."""

    dialect: Dialect = "postgres"
    in_transaction = False
    lost = False

    def __init__(self) -> None:
        self.is_closed = False

    async def run(self, sql: str, params: list[Any] | None, rows: bool) -> Any:
        return []

    async def begin(self) -> None: ...
    async def commit(self) -> None: ...
    async def rollback(self) -> None: ...

    async def check(self) -> bool:
        return True

    async def close(self) -> None:
        self.is_closed = True


async def test_a_failed_connection_leaves_its_place_in_the_pool() -> None:
    attempts = 0

    async def connect() -> StubSession:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise DatabaseError("connection refused", "connect")
        return StubSession()

    pool = Pool("postgres", connect, ConnectOptions(max_connections=1, timeout=10))
    with pytest.raises(DatabaseError, match="connection refused"):
        await pool.acquire()
    async with pool.limited():
        assert isinstance(await pool.acquire(), StubSession)


async def test_a_connection_in_use_is_closed_when_it_comes_back_to_a_closed_pool() -> None:
    session = StubSession()

    async def connect() -> StubSession:
        return session

    pool = Pool("postgres", connect, ConnectOptions())
    assert await pool.acquire() is session
    await pool.close()
    assert not session.is_closed
    pool.release(session)
    await until(lambda: session.is_closed)
