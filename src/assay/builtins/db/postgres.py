"""Sessions with PostgreSQL."""

from __future__ import annotations

import datetime
import decimal
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
import orjson
from asyncpg.prepared_stmt import PreparedStatement

from assay.builtins.db import address
from assay.builtins.db.pool import DatabaseError
from assay.builtins.db.sql import Dialect, scan
from assay.errors import BuiltinError
from assay.lua.values import MAX_INTEGER, MIN_INTEGER
from assay.permissions import Permissions

_PORT = 5432
_MAX_PREPARED = 100
_FILES = {"passfile", "sslcert", "sslcrl", "sslkey", "sslrootcert"}
_JSON = ("json", "jsonb")
_INTEGERS = ("int2", "int4", "int8", "oid")
_FLOATS = ("float4", "float8")
_STRINGS = ("text", "varchar", "bpchar", "name", "citext", "xml")
_UTC = datetime.UTC


def connector(url: str, permissions: Permissions) -> Callable[[], Awaitable[PostgresSession]]:
    """Return a function that opens a session with the database of a URL. Raises BuiltinError or DeniedError."""
    servers = _check_permissions(url, permissions) if permissions.restricts else {}

    async def connect() -> PostgresSession:
        try:
            return PostgresSession(await asyncpg.connect(url, timeout=None, **servers))
        except OSError as error:
            raise DatabaseError(address.problem(error, address.of_url(url, _PORT)), "connect") from None
        except (ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            code = getattr(error, "sqlstate", None)
            raise DatabaseError(_text(error), "connect", code=code) from None

    return connect


def _check_permissions(url: str, permissions: Permissions) -> dict[str, list[Any]]:
    """Check the servers and files of a URL; return the driver's options with exactly these servers.

    Raises BuiltinError or DeniedError.
    """
    try:
        parts = urlsplit(url)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        default = int(query.get("port") or os.environ.get("PGPORT") or 5432)
        listed = unquote(parts.netloc.rpartition("@")[2]) or query.get("host") or os.environ.get("PGHOST")
        servers = [_host_and_port(item, default) for item in (listed or "localhost").split(",")]
    except ValueError:
        raise BuiltinError("bad argument 'url' (one port for all hosts, or one for each, expected)") from None
    for host, port in servers:
        if host.startswith("/"):
            permissions.check_socket(host)
        else:
            permissions.check_host("db", host, port)
    for name in _FILES & query.keys():
        permissions.path("read", os.fsencode(query[name]))
    return {"host": [host for host, _ in servers], "port": [port for _, port in servers]}


def _host_and_port(text: str, default: int) -> tuple[str, int]:
    if text.startswith("/"):
        return text, default
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    else:
        host, _, port = text.partition(":")
    return host, int(port or default)


class PostgresSession:
    """A connection to a server."""

    dialect: Dialect = "postgres"

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._prepared: OrderedDict[str, PreparedStatement] = OrderedDict()

    @property
    def in_transaction(self) -> bool:
        return bool(self._connection.is_in_transaction())

    @property
    def lost(self) -> bool:
        return bool(self._connection.is_closed())

    async def run(self, sql: str, params: list[Any] | None, rows: bool) -> Any:
        try:
            if params is None and not rows:
                return _count(await self._connection.execute(sql))
            return await self._run(sql, params, rows)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise _to_database_error(error) from None

    async def _run(self, sql: str, params: list[Any] | None, rows: bool) -> Any:
        text = _with_numbered_placeholders(sql) if params is not None else sql
        was_prepared = text in self._prepared
        statement = await self._prepare(text)
        types = statement.get_parameters()
        if len(types) != len(params or []):
            raise DatabaseError(f"the statement takes {len(types)} parameters, got {len(params or [])}", "query")
        values = [
            _to_driver(value, kind.name, f"parameter {number}")
            for number, (value, kind) in enumerate(zip(params or [], types, strict=True), 1)
        ]
        try:
            records = await statement.fetch(*values)
        except (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError):
            self._prepared.pop(text, None)
            if not was_prepared or self.in_transaction:
                raise
            return await self._run(sql, params, rows)
        except asyncpg.InterfaceError:
            raise
        except (ValueError, OverflowError):  # Python's dates are limited to these years
            text = "dates and times outside the years 1 to 9999 are not supported; cast them to text"
            raise DatabaseError(text, "query") from None
        if not rows:
            return _count(statement.get_statusmsg())
        columns = [(column.name, column.type.name) for column in statement.get_attributes()]
        return [
            {
                name: _to_lua(value, kind)
                for (name, kind), value in zip(columns, record, strict=True)
                if value is not None
            }
            for record in records
        ]

    async def _prepare(self, text: str) -> PreparedStatement:
        statement = self._prepared.get(text)
        if statement is None:
            statement = await self._connection.prepare(text)
            self._prepared[text] = statement
            if len(self._prepared) > _MAX_PREPARED:
                self._prepared.popitem(last=False)
        self._prepared.move_to_end(text)
        return statement

    async def begin(self) -> None:
        await self.run("BEGIN", None, False)

    async def commit(self) -> None:
        try:
            status = await self._connection.execute("COMMIT")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise _to_database_error(error) from None
        if status != "COMMIT":
            raise DatabaseError("rolled back, because a statement of the transaction had failed", "conflict")

    async def rollback(self) -> None:
        await self.run("ROLLBACK", None, False)

    async def check(self) -> bool:
        return not self.lost

    async def close(self) -> None:
        await self._connection.close()


def _with_numbered_placeholders(sql: str) -> str:
    statement = scan(sql, "postgres")
    if not statement.placeholders or sql[statement.placeholders[0].start] == "$":
        return sql
    return statement.replace([f"${item.parameter + 1}" for item in statement.placeholders])


def _count(status: str) -> int:
    """Return the number of rows in a status such as "UPDATE 3" or "INSERT 0 1"."""
    last = status.rpartition(" ")[2]
    return int(last) if last.isdecimal() else 0


def _text(error: Exception) -> str:
    if isinstance(error, asyncpg.PostgresError):
        detail = getattr(error, "detail", None)
        return f"{error.args[0]} ({detail})" if detail else str(error.args[0])
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)


def _to_database_error(error: Exception) -> DatabaseError:
    code = getattr(error, "sqlstate", None) if isinstance(error, asyncpg.PostgresError) else None
    kind = "query"
    if isinstance(error, OSError | asyncpg.PostgresConnectionError) or code in ("57P01", "57P02", "57P03"):
        kind = "connect"
    elif code is not None and code.startswith("23"):
        kind = "constraint"
    elif code in ("40001", "40P01", "55P03", "25P02"):
        kind = "conflict"
    return DatabaseError(_text(error), kind, code=code)


# Values -------------------------------------------------------------------------------------------------------


def _to_lua(value: Any, kind: str) -> Any:
    """Convert a value of a column of type `kind` for Lua."""
    if value is None or isinstance(value, bool | float | bytes):
        return value
    if isinstance(value, str):
        return orjson.loads(value) if kind.removesuffix("[]") in _JSON else value
    if isinstance(value, int):
        return value if MIN_INTEGER <= value <= MAX_INTEGER else str(value)
    if isinstance(value, decimal.Decimal):
        return f"{value:f}"
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, list | tuple) and not isinstance(value, asyncpg.Record):
        return [_to_lua(item, kind) for item in value]
    if isinstance(value, asyncpg.Record):
        return {name: _to_lua(item, "") for name, item in value.items() if item is not None}
    if isinstance(value, asyncpg.Range):
        return _range_text(value, kind)
    return value.as_string() if isinstance(value, asyncpg.BitString) else str(value)


def _range_text(value: asyncpg.Range, kind: str) -> str:
    if value.isempty:
        return "empty"
    lower, upper = ("" if bound is None else _to_lua(bound, kind) for bound in (value.lower, value.upper))
    return f"{'[' if value.lower_inc else '('}{lower},{upper}{']' if value.upper_inc else ')'}"


def _to_driver(value: Any, kind: str, name: str) -> Any:
    """Convert a Lua value for the driver. Raises DatabaseError if it does not fit the type.

    Args:
        value: The value.
        kind: The name of the type.
        name: The parameter, for errors.
    """
    if value is None:
        return None
    if kind.endswith("[]"):
        if value == {}:
            return []
        if not isinstance(value, list):
            raise _mismatch(value, kind, name)
        return [_to_driver(item, kind[:-2], name) for item in value]
    if kind in _JSON:
        return value if isinstance(value, str) else orjson.dumps(value).decode()
    if isinstance(value, list | dict):
        raise _mismatch(value, kind, name)
    try:
        return _scalar(value, kind)
    except (ValueError, TypeError, ArithmeticError):
        raise _mismatch(value, kind, name) from None


def _scalar(value: Any, kind: str) -> Any:
    if kind == "bool":
        if not isinstance(value, bool):
            raise TypeError
    elif kind == "bytea":
        return value.encode() if isinstance(value, str) else bytes(memoryview(value))
    elif isinstance(value, bytes):
        raise TypeError
    elif kind in _INTEGERS:
        if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
            raise TypeError
        return int(value)
    elif kind in _FLOATS:
        return float(value)
    elif kind == "numeric":
        return decimal.Decimal(str(value))
    elif kind in ("timestamp", "timestamptz"):
        return _timestamp(value, kind)
    elif kind == "date":
        return datetime.date.fromisoformat(value)
    elif kind in ("time", "timetz"):
        return datetime.time.fromisoformat(value)
    elif kind == "interval":
        return datetime.timedelta(seconds=float(value))
    elif kind in _STRINGS:
        return ("true" if value else "false") if isinstance(value, bool) else str(value)
    return value


def _timestamp(value: Any, kind: str) -> datetime.datetime:
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, str):
        timestamp = datetime.datetime.fromisoformat(value)
    else:
        timestamp = datetime.datetime.fromtimestamp(value, _UTC)
    if timestamp.tzinfo is None:
        timestamp = timestamp.replace(tzinfo=_UTC)
    return timestamp if kind == "timestamptz" else timestamp.astimezone(_UTC).replace(tzinfo=None)


def _mismatch(value: Any, kind: str, name: str) -> DatabaseError:
    got = "a table" if isinstance(value, list | dict) else "bytes" if isinstance(value, bytes) else repr(value)
    return DatabaseError(f"{name}: {kind} expected, got {got}", "query", code="22P02")
