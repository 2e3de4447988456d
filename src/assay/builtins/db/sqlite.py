"""SQLite, on a thread of its own."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote, unquote

import aiosqlite

from assay.builtins.db.pool import DatabaseError
from assay.builtins.db.sql import Dialect, scan
from assay.errors import BuiltinError, DeniedError
from assay.lua.values import text_or_bytes
from assay.permissions import Permissions

_EMPTY = re.compile(r"(?:[\s;]|--[^\n]*|/\*.*?(?:\*/|$))*", re.DOTALL)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def connector(url: str, permissions: Permissions) -> Callable[[], Awaitable[SqliteSession]]:
    """Return what opens the database that a URL names. Raises BuiltinError, and DeniedError."""
    path, _, query = url.partition(":")[2].removeprefix("//").partition("?")
    if path in ("", ":memory:"):
        target = ":memory:"
    else:
        if query not in ("", "mode=ro", "mode=rw", "mode=rwc"):
            raise BuiltinError(f"bad argument 'url' (?mode=ro, rw or rwc expected, got ?{query})")
        path = unquote(path)
        real = os.fsdecode(_admitted(path, query, permissions))
        target = f"file:{quote(real)}?{query or 'mode=rwc'}"

    # No time-out of SQLite's own: waiting for a lock is done here, where it can be cancelled.
    settings: dict[str, Any] = {"uri": target != ":memory:", "isolation_level": None, "timeout": 0}
    if permissions.restricts:
        settings["cached_statements"] = 0  # one that is kept would not be asked for again

    async def connect() -> SqliteSession:
        try:
            # The driver's thread cannot be waited for when it fails to connect.
            await asyncio.to_thread(lambda: sqlite3.connect(target, **settings).close())
            connection = await aiosqlite.connect(target, **settings)
        except sqlite3.Error as error:
            raise DatabaseError(f"{path}: {error}", "connect", code=_code(error)) from None
        connection.row_factory = _row  # type: ignore[assignment]
        connection.text_factory = text_or_bytes
        guard = None
        if permissions.restricts:
            guard = _Guard(connection, permissions)
            try:
                await guard.begin()
            except DeniedError:
                await connection.close()
                raise
        return SqliteSession(connection, guard)

    return connect


def _admitted(path: str, query: str, permissions: Permissions) -> bytes:
    """The path to open in place of one of a database. Raises DeniedError."""
    real = permissions.path("read", os.fsencode(path))
    return real if query == "mode=ro" else permissions.path("write", real)


class _Guard:
    """Asks a policy for the files that statements open: those of ATTACH and of VACUUM INTO."""

    _SETTINGS = frozenset({"data_store_directory", "temp_store_directory"})

    def __init__(self, connection: aiosqlite.Connection, permissions: Permissions) -> None:
        self._connection = connection
        self._permissions = permissions
        self._has_opened = True
        self._refusal: DeniedError | None = None

    async def begin(self) -> None:
        """Look at the database that is open, and from now on at each statement. Raises DeniedError."""
        await self.check_open()
        await self._connection.set_authorizer(self._authorize)

    def take_refusal(self) -> DeniedError | None:
        """Return why a statement was refused since the last call, if one was."""
        refusal, self._refusal = self._refusal, None
        return refusal

    async def check_open(self) -> None:
        """Look at the files that are open: a link may have come since they were asked for. Raises DeniedError."""
        if self._has_opened:
            self._has_opened = False
            for row in await self._connection.execute_fetchall("PRAGMA database_list"):
                if row.get("file"):  # type: ignore[attr-defined]
                    self._permissions.path("read", os.fsencode(row["file"]))

    def _authorize(self, action: int, first: str | None, second: str | None, *_: str | None) -> int:
        try:
            if action == sqlite3.SQLITE_ATTACH:
                self._admit(first)
                self._has_opened = True
            elif action == sqlite3.SQLITE_PRAGMA and (first or "").lower() in self._SETTINGS:
                raise DeniedError(f"PRAGMA {first}")
        except DeniedError as error:
            self._refusal = error
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    def _admit(self, name: str | None) -> None:
        if name is None:
            raise DeniedError("ATTACH and VACUUM INTO with a file's name that is not a plain string")
        if name in ("", ":memory:"):
            return
        path, query = name, ""
        if name.lower().startswith("file:"):
            path, _, query = name[5:].partition("#")[0].partition("?")
            path = unquote(path)
            if path.startswith("//"):
                path = "/" + path[2:].partition("/")[2]
        if path not in ("", ":memory:"):
            _admitted(path, "mode=ro" if query == "mode=ro" else "", self._permissions)


def _row(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> dict[str, Any]:
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True) if value is not None}


class SqliteSession:
    """The connection with a database file."""

    dialect: Dialect = "sqlite"
    lost = False

    def __init__(self, connection: aiosqlite.Connection, guard: _Guard | None) -> None:
        self._connection = connection
        self._guard = guard

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    async def run(self, sql: str, params: list[Any] | None, rows: bool) -> Any:
        if "\0" in sql:
            raise DatabaseError("a NUL in the statement", "query")
        if params is None and not rows:
            count = 0
            for statement in _split(sql):
                count = await self._patiently(self._change, statement, [])
            return count
        values = [_value(value) for value in params or []]
        return await self._patiently(self._fetch if rows else self._change, _numbered(sql, params), values)

    async def begin(self) -> None:
        await self._patiently(self._change, "BEGIN IMMEDIATE", [])

    async def commit(self) -> None:
        await self._patiently(self._change, "COMMIT", [])

    async def rollback(self) -> None:
        await self._patiently(self._change, "ROLLBACK", [])

    async def check(self) -> bool:
        return True

    async def close(self) -> None:
        await self._connection.close()

    async def _fetch(self, sql: str, values: list[Any]) -> Any:
        return await self._connection.execute_fetchall(sql, values)

    async def _change(self, sql: str, values: list[Any]) -> int:
        before = self._connection.total_changes
        async with self._connection.execute(sql, values) as cursor:
            await cursor.fetchall()  # what has a RETURNING is counted when all its rows are taken
            if cursor.rowcount >= 0 or self._connection.total_changes == before:
                return max(cursor.rowcount, 0)
            # Python counts nothing for a statement that begins with WITH.
            await cursor.execute("SELECT changes()")
            row: Any = await cursor.fetchone()
            return int(row["changes()"])

    async def _patiently(self, work: Callable[..., Any], sql: str, values: list[Any]) -> Any:
        """Run a statement, again and again while another process holds the lock."""
        pause = 0.001
        while True:
            try:
                result = await self._stoppably(work(sql, values))
                await self._check_open()
                return result
            except sqlite3.Error as error:
                refusal = self._guard.take_refusal() if self._guard is not None else None
                if refusal is not None:
                    raise refusal from None
                number = getattr(error, "sqlite_errorcode", 0)
                if number & 0xFF not in _BUSY or number == sqlite3.SQLITE_BUSY_SNAPSHOT:
                    kind = "constraint" if isinstance(error, sqlite3.IntegrityError) else "query"
                    raise DatabaseError(str(error), kind, code=_code(error)) from None
            except (OverflowError, ValueError) as error:
                raise DatabaseError(str(error), "query") from None
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.1)

    async def _check_open(self) -> None:
        if self._guard is not None:
            try:
                await self._guard.check_open()
            except DeniedError:
                self.lost = True
                raise

    async def _stoppably(self, work: Any) -> Any:
        """Wait for the thread; a cancellation stops the statement, and waits for that."""
        running = asyncio.ensure_future(work)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            while not running.done():
                await self._connection.interrupt()
                try:
                    await asyncio.wait([running], timeout=0.01)
                except asyncio.CancelledError:
                    continue
            running.exception()
            raise


def _code(error: sqlite3.Error) -> str | None:
    return getattr(error, "sqlite_errorname", None)


def _value(value: Any) -> Any:
    if isinstance(value, list | dict):
        import orjson

        return orjson.dumps(value).decode()
    return value


def _numbered(sql: str, params: list[Any] | None) -> str:
    """The statement with SQLite's own `?1` for `$1`."""
    statement = scan(sql, "sqlite")
    if params is None or not any(sql[item.start] == "$" for item in statement.placeholders):
        return sql
    pieces = statement.pieces()
    marks = [f"?{item.position + 1}" for item in statement.placeholders]
    return "".join(piece + mark for piece, mark in zip(pieces, [*marks, ""], strict=True))


def _split(script: str) -> list[str]:
    """The statements of a script."""
    statements, pending = [], ""
    for piece in script.split(";"):
        pending += piece + ";"
        if sqlite3.complete_statement(pending):
            statements.append(pending)
            pending = ""
    statements.append(pending.removesuffix(";"))
    return [statement for statement in statements if not _EMPTY.fullmatch(statement)] or [script]
