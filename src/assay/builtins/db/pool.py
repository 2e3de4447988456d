"""The interface of database sessions, and the pool that manages them."""

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

CLEANUP_TIMEOUT = 5.0
"""Maximum duration of a cancellation, a rollback or a close before the connection is abandoned, in seconds."""

_SCHEMES: dict[str, Dialect] = {
    "sqlite": "sqlite",
    "postgres": "postgres",
    "postgresql": "postgres",
    "mysql": "mysql",
    "mariadb": "mysql",
}
_ids = itertools.count(1)


class DatabaseError(Exception):
    """An error of a database or its driver."""

    def __init__(self, text: str, kind: str, **fields: Any) -> None:
        super().__init__(text)
        self.kind = kind
        self.fields = {name: value for name, value in fields.items() if value is not None}

    def for_lua(self, title: str) -> ErrorObject:
        """Return the Lua error that the function `title` raises."""
        return ErrorObject(f"{title}: {self}", kind=self.kind, **self.fields)


class Session(Protocol):
    """One connection, used by one task at a time. All methods raise DatabaseError.

    If `run` is cancelled, it cancels the statement on the server, and leaves the session usable or marks it as lost.
    """

    dialect: Dialect

    async def run(self, sql: str, params: list[Any] | None, rows: bool) -> Any:
        """Run a statement; return its rows as dictionaries without NULLs, or the number of affected rows."""

    async def begin(self) -> None: ...
    async def commit(self) -> None: ...
    async def rollback(self) -> None: ...

    @property
    def in_transaction(self) -> bool: ...

    @property
    def lost(self) -> bool:
        """True if the session is no longer usable."""

    async def check(self) -> bool:
        """Return true if an idle session is still usable."""

    async def close(self) -> None: ...


class Pool:
    """A pool of at most `max_connections` sessions, which are opened on demand."""

    def __init__(self, dialect: Dialect, connect: Callable[[], Awaitable[Session]], options: ConnectOptions) -> None:
        self.name = f"db.{next(_ids)}"
        self.dialect: Dialect = dialect
        self.timeout = None if math.isinf(options.timeout) else options.timeout
        self.close_task: asyncio.Future[None] | None = None  # keeps a reference to the task
        self._connect = connect
        self._connect_timeout = options.connect_timeout
        self._free = asyncio.Semaphore(options.max_connections)
        self._idle: list[tuple[Session, float]] = []
        self._running: set[asyncio.Timeout] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self.closed = False

    @asynccontextmanager
    async def limited(self) -> AsyncIterator[None]:
        """Run a block within the statement timeout, and cancel it when the pool is closed. Raises DatabaseError."""
        try:
            async with asyncio.timeout(self.timeout) as limit:
                self._running.add(limit)
                try:
                    yield
                finally:
                    self._running.discard(limit)
        except TimeoutError:
            self.check_open()
            raise DatabaseError(f"statement timed out after {self.timeout:g} s", "timeout") from None

    async def acquire(self) -> Session:
        """Wait for a free session and return it. The caller must pass it to `release`."""
        self.check_open()
        await self._free.acquire()
        try:
            self.check_open()
            session = await self._take_idle() or await self._open()
        except BaseException:
            self._free.release()
            raise
        return session

    async def _take_idle(self) -> Session | None:
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
                return await self._connect()
        except TimeoutError:
            raise DatabaseError(f"no connection within {self._connect_timeout:g} s", "connect") from None

    def release(self, session: Session, keep: bool = True) -> None:
        """Return a session to the pool, or close it if it is lost or not to be kept."""
        if session.lost or self.closed or not keep:
            self._discard(session)
        else:
            self._idle.append((session, time.monotonic()))
        self._free.release()

    def _discard(self, session: Session) -> None:
        closing = asyncio.ensure_future(self._close_session(session))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    @staticmethod
    async def _close_session(session: Session) -> None:
        with suppress(TimeoutError, DatabaseError):
            async with asyncio.timeout(CLEANUP_TIMEOUT):
                await session.close()

    def check_open(self) -> None:
        """Raise DatabaseError if the pool is closed."""
        if self.closed:
            raise DatabaseError("the connection is closed", "closed")

    async def close(self) -> None:
        """Close all sessions; cancel running statements."""
        self.closed = True
        while self._idle:
            self._discard(self._idle.pop()[0])
        for limit in self._running:
            limit.reschedule(0)
        deadline = time.monotonic() + CLEANUP_TIMEOUT
        while self._running and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        if self._closing:
            await asyncio.wait(self._closing)


async def open(url: str, options: ConnectOptions, permissions: Permissions) -> Pool:
    """Create a pool for a URL and open its first session. Raises BuiltinError, ErrorObject or DeniedError."""
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
        pool.release(await pool.acquire())
    except DatabaseError as error:
        raise error.for_lua("db.connect") from None
    return pool
