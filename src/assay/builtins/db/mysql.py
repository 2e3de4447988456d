"""Sessions with MySQL and MariaDB."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import asyncmy
import orjson
from asyncmy import errors
from asyncmy.constants import CLIENT, FIELD_TYPE, SERVER_STATUS
from asyncmy.converters import conversions

from assay.builtins.db import address
from assay.builtins.db.pool import CLEANUP_TIMEOUT, DatabaseError
from assay.builtins.db.sql import Dialect, scan
from assay.errors import BuiltinError
from assay.lua.values import MAX_INTEGER
from assay.permissions import Permissions

logging.getLogger("asyncmy").addHandler(logging.NullHandler())  # it logs notes of the server, as for DROP … IF EXISTS

_CONSTRAINT = {1022, 1048, 1062, 1169, 1216, 1217, 1364, 1451, 1452, 1557, 1586, 1761, 1762, 3819, 4025}
_CONFLICT = {1205, 1213, 1020}
_LOST = {1053, 1927, 2000, 2002, 2003, 2006, 2013, 2014, 2055, 4031}


def _iso_timestamp(text: str) -> str:
    return text.replace(" ", "T")


_DECODERS = conversions | {
    FIELD_TYPE.DECIMAL: str,
    FIELD_TYPE.NEWDECIMAL: str,
    FIELD_TYPE.DATE: str,
    FIELD_TYPE.NEWDATE: str,
    FIELD_TYPE.TIME: str,
    FIELD_TYPE.DATETIME: _iso_timestamp,
    FIELD_TYPE.TIMESTAMP: _iso_timestamp,
    FIELD_TYPE.JSON: orjson.loads,
}


def connector(url: str, permissions: Permissions) -> Callable[[], Awaitable[MysqlSession]]:
    """Return a function that opens a session with the database of a URL. Raises BuiltinError or DeniedError."""
    options = _options(url, permissions)

    async def connect() -> MysqlSession:
        return MysqlSession(await _connect(options), options)

    return connect


def _options(url: str, permissions: Permissions) -> dict[str, Any]:
    try:
        parts = urlsplit(url)
        query = {name: values[-1] for name, values in parse_qs(parts.query, strict_parsing=bool(parts.query)).items()}
        options: dict[str, Any] = {"host": parts.hostname or "localhost", "port": parts.port or 3306}
    except ValueError as error:
        raise BuiltinError(f"bad argument 'url' ({error})") from None
    options |= {
        "user": unquote(parts.username or "root"),
        "password": unquote(parts.password or ""),
        "database": unquote(parts.path.removeprefix("/")) or None,
        "charset": "utf8mb4",
        "autocommit": True,
        "client_flag": CLIENT.FOUND_ROWS,
        "conv": _DECODERS,
        "connect_timeout": 31536000,  # the pool enforces the timeout
    }
    if "unix_socket" in query:
        options["unix_socket"] = query.pop("unix_socket")
        permissions.check_socket(options["unix_socket"])
    else:
        permissions.check_host("db", options["host"], options["port"])
    ca_file = query.pop("ssl_ca", None)
    if ca_file is not None:
        permissions.path("read", os.fsencode(ca_file))
    if query.pop("ssl", "false" if ca_file is None else "true") == "true":
        options["ssl"] = ssl.create_default_context(cafile=ca_file)
    if query:
        raise BuiltinError(f"bad argument 'url' (?ssl, ssl_ca or unix_socket expected, got ?{next(iter(query))})")
    return options


async def _connect(options: dict[str, Any]) -> Any:
    try:
        return await asyncmy.connect(**options)
    except (OSError, errors.MySQLError) as error:
        server = options.get("unix_socket") or f"{options['host']}:{options['port']}"
        cause = error if isinstance(error, OSError) else error.__cause__
        text = address.problem(cause, server) if isinstance(cause, OSError) else _text(error)
        raise DatabaseError(text, "connect", code=getattr(error, "sqlstate", None), errno=_number(error)) from None


class MysqlSession:
    """A connection to a server."""

    dialect: Dialect = "mysql"

    def __init__(self, connection: Any, options: dict[str, Any]) -> None:
        self._connection = connection
        self._options = options
        self._kill_task: asyncio.Task[None] | None = None
        self.lost = False

    @property
    def in_transaction(self) -> bool:
        return bool(self._connection.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS)

    async def run(self, sql: str, params: list[Any] | None, rows: bool) -> Any:
        text = sql if params is None else self._interpolate(sql, params)
        try:
            async with self._connection.cursor() as cursor:
                await cursor.execute(text)
                names = [column[0] for column in cursor.description or ()]
                result = [_row(names, row) for row in await cursor.fetchall()] if rows else max(cursor.rowcount, 0)
                while await cursor.nextset():
                    result = result if rows else max(cursor.rowcount, 0)
                return result
        except asyncio.CancelledError:
            self._kill()
            raise
        except (OSError, errors.MySQLError) as error:
            raise self._to_database_error(error) from None
        except UnicodeError as error:
            raise DatabaseError(f"a string is not valid in its character set: {error}", "query") from None

    async def begin(self) -> None:
        await self.run("START TRANSACTION", None, False)

    async def commit(self) -> None:
        await self.run("COMMIT", None, False)

    async def rollback(self) -> None:
        await self.run("ROLLBACK", None, False)

    async def check(self) -> bool:
        try:
            await self._connection.ping(reconnect=False)
        except (OSError, errors.MySQLError):
            self.lost = True
        return not self.lost

    async def close(self) -> None:
        if self._kill_task is not None:
            await self._kill_task
        with suppress(OSError, errors.MySQLError):
            await self._connection.ensure_closed()

    def _interpolate(self, sql: str, params: list[Any]) -> str:
        statement = scan(sql, "mysql")
        literals = [self._literal(params[item.parameter]) for item in statement.placeholders]
        return statement.replace(literals)

    def _literal(self, value: Any) -> str:
        if value is None:
            return "NULL"
        if isinstance(value, bool):
            return "TRUE" if value else "FALSE"
        if isinstance(value, bytes):
            return f"_binary X'{value.hex()}'"
        if isinstance(value, list | dict):
            value = orjson.dumps(value).decode()
        try:
            return str(self._connection.escape(value))
        except errors.MySQLError as error:
            raise DatabaseError(_text(error), "query") from None

    def _kill(self) -> None:
        """Close the connection, and kill its statement on the server, which would otherwise keep running."""
        self.lost = True
        self._connection.close()
        self._kill_task = asyncio.ensure_future(self._kill_on_server(self._connection.thread_id()))

    async def _kill_on_server(self, thread: int) -> None:
        with suppress(TimeoutError, DatabaseError, OSError, errors.MySQLError):
            async with asyncio.timeout(CLEANUP_TIMEOUT):
                connection = await _connect(self._options)
                try:
                    async with connection.cursor() as cursor:
                        await cursor.execute(f"KILL {thread}")
                finally:
                    await connection.ensure_closed()

    def _to_database_error(self, error: Exception) -> DatabaseError:
        number = _number(error)
        kind = "query"
        if isinstance(error, OSError) or number in _LOST or isinstance(error, errors.InterfaceError):
            kind = "connect"
            self.lost = True
        elif number in _CONSTRAINT:
            kind = "constraint"
        elif number in _CONFLICT:
            kind = "conflict"
        return DatabaseError(_text(error), kind, code=getattr(error, "sqlstate", None), errno=number)


def _row(names: list[str], row: tuple[Any, ...]) -> dict[str, Any]:
    return {name: _to_lua(value) for name, value in zip(names, row, strict=True) if value is not None}


def _to_lua(value: Any) -> Any:
    return str(value) if isinstance(value, int) and value > MAX_INTEGER else value


def _number(error: Exception) -> int | None:
    return error.args[0] if error.args and isinstance(error.args[0], int) else None


def _text(error: Exception) -> str:
    return str(error.args[-1]) if error.args else type(error).__name__
