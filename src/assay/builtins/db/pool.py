"""Sessions with a database, and the pool that hands them out."""

from __future__ import annotations

import asyncio
import importlib
import itertools
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol

from assay.builtins.db.options import ConnectOptions
from assay.builtins.db.sql import Dialect
from assay.errors import BuiltinError, ErrorObject
from assay.permissions import Permissions

CLEAN_UP = 5.0
"""Seconds that a cancelled statement, a rollback or a close may take before a connection is given up."""

_SCHEMES: dict[str, Dialect] = {
    "sqlite": "sqlite",
    "postgres": "postgres",
    "postgresql": "postgres",
    "mysql": "mysql",
    "mariadb": "mysql",
}
_ids = itertools.count(1)


class DatabaseError(Exception):
    """What a database or its driver objects to."""

    def __init__(self, text: str, kind: str, **fields: Any) -> None:
        super().__init__(text)
        self.kind = kind
        self.fields = {name: value for name, value in fields.items() if value is not None}

    def for_lua(self, title: str) -> ErrorObject:
        """The error that the function `title` raises."""
        return ErrorObject(f"{title}: {self}", kind=self.kind, **self.fields)


class Session(Protocol):
    """One connection, used by one task at a time. Everything raises DatabaseError.

    A cancelled `run` stops the statement at the server, and leaves the session usable or marks it as lost.
    """

    dialect: Dialect

    async def run(self, sql: str, params: list[Any] | None, rows: bool) -> Any:
        """Run a statement; returns its rows as dictionaries without NULLs, or the number of changed rows."""

    async def begin(self) -> None: ...
    async def commit(self) -> None: ...
    async def rollback(self) -> None: ...

    @property
    def in_transaction(self) -> bool: ...

    @property
    def lost(self) -> bool:
        """Return true if it can be used no more."""

    async def check(self) -> bool:
        """Return true if it is still usable after it was idle."""

    async def close(self) -> None: ...


class Pool:
    """Sessions that are opened when needed and kept; `most` at once."""

    def __init__(self, dialect: Dialect, make: Callable[[], Awaitable[Session]], options: ConnectOptions) -> None:
        self.name = f"db.{next(_ids)}"
        self.dialect: Dialect = dialect
        self.timeout = None if math.isinf(options.timeout) else options.timeout
        self.ending: asyncio.Future[None] | None = None
        self._make = make
        self._connect_timeout = options.connect_timeout
        self._free = asyncio.Semaphore(options.max_connections)
        self._idle: list[tuple[Session, float]] = []
        self._running: set[asyncio.Timeout] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self.closed = False

    @asynccontextmanager
    async def limited(self) -> AsyncIterator[None]:
        """Do what a statement needs within the time limit, and until the pool is closed."""
        try:
            async with asyncio.timeout(self.timeout) as limit:
                self._running.add(limit)
                try:
                    yield
                finally:
                    self._running.discard(limit)
        except TimeoutError:
            self.check_open()
            raise DatabaseError(f"no answer within {self.timeout:g} s", "timeout") from None

    async def take(self) -> Session:
        """Wait for a session; `give_back` has to follow."""
        self.check_open()
        await self._free.acquire()
        try:
            self.check_open()
            session = await self._find() or await self._open()
        except BaseException:
            self._free.release()
            raise
        return session

    async def _find(self) -> Session | None:
        while self._idle:
            session, since = self._idle.pop()
            try:
                if not session.lost and (time.monotonic() - since < 1 or await session.check()):
                    return session
            except BaseException:
                self._discard(session)
                raise
            self._discard(session)
        return None

    async def _open(self) -> Session:
        try:
            async with asyncio.timeout(self._connect_timeout):
                return await self._make()
        except TimeoutError:
            raise DatabaseError(f"no connection within {self._connect_timeout:g} s", "connect") from None

    def give_back(self, session: Session, keep: bool = True) -> None:
        """Let others use a session, if it is worth keeping."""
        if session.lost or self.closed or not keep:
            self._discard(session)
        else:
            self._idle.append((session, time.monotonic()))
        self._free.release()

    def _discard(self, session: Session) -> None:
        closing = asyncio.ensure_future(self._end(session))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    @staticmethod
    async def _end(session: Session) -> None:
        with suppress(TimeoutError, DatabaseError):
            async with asyncio.timeout(CLEAN_UP):
                await session.close()

    def check_open(self) -> None:
        """Raise when the pool is closed."""
        if self.closed:
            raise DatabaseError("the connection is closed", "closed")

    async def close(self) -> None:
        """Close all sessions; statements that run are stopped."""
        self.closed = True
        while self._idle:
            self._discard(self._idle.pop()[0])
        for limit in self._running:
            limit.reschedule(0)
        deadline = time.monotonic() + CLEAN_UP
        while self._running and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        if self._closing:
            await asyncio.wait(self._closing)


async def open(url: str, options: ConnectOptions, permissions: Permissions) -> Pool:
    """Make a pool for a URL, and its first session. Raises DeniedError, BuiltinError and ErrorObject."""
    scheme = url.partition(":")[0].lower()
    dialect = _SCHEMES.get(scheme)
    if dialect is None:
        raise BuiltinError("bad argument 'url' (a sqlite://, postgres:// or mysql:// URL expected)")
    for name in ("timeout", "connect_timeout", "max_connections"):
        value = getattr(options, name)
        if not value > 0:
            raise BuiltinError(f"bad option '{name}' (a number above 0 expected, got {value:g})")
    if dialect == "sqlite":
        options.max_connections = 1
    driver = importlib.import_module(f"assay.builtins.db.{dialect}")
    pool = Pool(dialect, driver.connector(url, permissions), options)
    try:
        pool.give_back(await pool.take())
    except DatabaseError as error:
        raise error.for_lua("db.connect") from None
    return pool
