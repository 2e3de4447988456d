"""Sessions with SQLite, each on a separate thread."""

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
    """Return a function that opens a session with the database of a URL. Raises BuiltinError or DeniedError."""
    path, _, query = url.partition(":")[2].removeprefix("//").partition("?")
    if path in ("", ":memory:"):
        target = ":memory:"
    else:
        if query not in ("", "mode=ro", "mode=rw", "mode=rwc"):
            raise BuiltinError(f"bad argument 'url' (?mode=ro, rw or rwc expected, got ?{query})")
        path = unquote(path)
        real = os.fsdecode(_checked_path(path, query, permissions))
        target = f"file:{quote(real)}?{query or 'mode=rwc'}"

    # SQLite's own timeout is off: the session waits for locks itself, so that the wait can be cancelled.
    settings: dict[str, Any] = {"uri": target != ":memory:", "isolation_level": None, "timeout": 0}
    if permissions.restricts:
        settings["cached_statements"] = 0  # a cached statement would not be authorized again

    async def connect() -> SqliteSession:
        try:
            # Try to connect first, because aiosqlite leaks its thread if it cannot connect.
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


def _checked_path(path: str, query: str, permissions: Permissions) -> bytes:
    """Return the resolved path of a database file. Raises DeniedError if it may not be used."""
    real = permissions.path("read", os.fsencode(path))
    return real if query == "mode=ro" else permissions.path("write", real)


class _Guard:
    """Checks permissions for the files that statements open with ATTACH and VACUUM INTO."""

    _DENIED_PRAGMAS = frozenset({"data_store_directory", "temp_store_directory"})

    def __init__(self, connection: aiosqlite.Connection, permissions: Permissions) -> None:
        self._connection = connection
        self._permissions = permissions
        self._has_new_files = True
        self._denial: DeniedError | None = None

    async def begin(self) -> None:
        """Check the open database, and authorize statements from now on. Raises DeniedError."""
        await self.check_open_files()
        await self._connection.set_authorizer(self._authorize)

    def take_denial(self) -> DeniedError | None:
        """Return and clear the denial of the last statement, or None."""
        denial, self._denial = self._denial, None
        return denial

    async def check_open_files(self) -> None:
        """Check newly opened files, whose path may have become a symbolic link after the first check.

        Raises DeniedError.
        """
        if self._has_new_files:
            self._has_new_files = False
            for row in await self._connection.execute_fetchall("PRAGMA database_list"):
                if row.get("file"):  # type: ignore[attr-defined]
                    self._permissions.path("read", os.fsencode(row["file"]))

    def _authorize(self, action: int, first: str | None, second: str | None, *_: str | None) -> int:
        try:
            if action == sqlite3.SQLITE_ATTACH:
                self._check_file(first)
                self._has_new_files = True
            elif action == sqlite3.SQLITE_PRAGMA and (first or "").lower() in self._DENIED_PRAGMAS:
                raise DeniedError(f"PRAGMA {first}")
        except DeniedError as error:
            self._denial = error
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    def _check_file(self, name: str | None) -> None:
        if name is None:
            raise DeniedError("ATTACH and VACUUM INTO with a file name that is not a string literal")
        if name in ("", ":memory:"):
            return
        path, query = name, ""
        if name.lower().startswith("file:"):
            path, _, query = name[5:].partition("#")[0].partition("?")
            path = unquote(path)
            if path.startswith("//"):
                path = "/" + path[2:].partition("/")[2]
        if path not in ("", ":memory:"):
            _checked_path(path, "mode=ro" if query == "mode=ro" else "", self._permissions)


def _row(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> dict[str, Any]:
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True) if value is not None}


class SqliteSession:
    """A connection to a database file."""

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
            raise DatabaseError("the statement contains a NUL", "query")
        if params is None and not rows:
            count = 0
            for statement in _split(sql):
                count = await self._run_retrying(self._change, statement, [])
            return count
        values = [_value(value) for value in params or []]
        text = _with_numbered_placeholders(sql, params)
        return await self._run_retrying(self._fetch if rows else self._change, text, values)

    async def begin(self) -> None:
        await self._run_retrying(self._change, "BEGIN IMMEDIATE", [])

    async def commit(self) -> None:
        await self._run_retrying(self._change, "COMMIT", [])

    async def rollback(self) -> None:
        await self._run_retrying(self._change, "ROLLBACK", [])

    async def check(self) -> bool:
        return True

    async def close(self) -> None:
        await self._connection.close()

    async def _fetch(self, sql: str, values: list[Any]) -> Any:
        return await self._connection.execute_fetchall(sql, values)

    async def _change(self, sql: str, values: list[Any]) -> int:
        before = self._connection.total_changes
        async with self._connection.execute(sql, values) as cursor:
            await cursor.fetchall()  # with RETURNING, the count is complete after all rows are fetched
            if cursor.rowcount >= 0 or self._connection.total_changes == before:
                return max(cursor.rowcount, 0)
            # Python's sqlite3 does not set rowcount for a statement that begins with WITH.
            await cursor.execute("SELECT changes()")
            row: Any = await cursor.fetchone()
            return int(row["changes()"])

    async def _run_retrying(self, execute: Callable[..., Any], sql: str, values: list[Any]) -> Any:
        """Run a statement; retry while another process holds the lock. Raises DatabaseError or DeniedError."""
        delay = 0.001
        while True:
            try:
                result = await self._run_interruptible(execute(sql, values))
                await self._check_open_files()
                return result
            except sqlite3.Error as error:
                denial = self._guard.take_denial() if self._guard is not None else None
                if denial is not None:
                    raise denial from None
                number = getattr(error, "sqlite_errorcode", 0)
                if number & 0xFF not in _BUSY or number == sqlite3.SQLITE_BUSY_SNAPSHOT:
                    kind = "constraint" if isinstance(error, sqlite3.IntegrityError) else "query"
                    raise DatabaseError(str(error), kind, code=_code(error)) from None
            except (OverflowError, ValueError) as error:
                raise DatabaseError(str(error), "query") from None
            await asyncio.sleep(delay)
            delay = min(2 * delay, 0.1)

    async def _check_open_files(self) -> None:
        if self._guard is not None:
            try:
                await self._guard.check_open_files()
            except DeniedError:
                self.lost = True
                raise

    async def _run_interruptible(self, statement: Any) -> Any:
        """Await a statement; on cancellation, interrupt it and wait until it has ended."""
        running = asyncio.ensure_future(statement)
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


def _with_numbered_placeholders(sql: str, params: list[Any] | None) -> str:
    """Return the statement with SQLite's `?1` instead of `$1`."""
    statement = scan(sql, "sqlite")
    if params is None or not any(sql[item.start] == "$" for item in statement.placeholders):
        return sql
    return statement.replace([f"?{item.parameter + 1}" for item in statement.placeholders])


def _split(script: str) -> list[str]:
    """Return the statements of a script."""
    statements, pending = [], ""
    for piece in script.split(";"):
        pending += piece + ";"
        if sqlite3.complete_statement(pending):
            statements.append(pending)
            pending = ""
    statements.append(pending.removesuffix(";"))
    return [statement for statement in statements if not _EMPTY.fullmatch(statement)] or [script]
