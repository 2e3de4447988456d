"""`db`: SQL databases.

`sql.py` finds placeholders, `pool.py` manages sessions, and `transactions.py` runs statements and transactions on them.
`sqlite.py`, `postgres.py` and `mysql.py` implement sessions; each of them, and its driver, is imported when a script
first connects to such a database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from assay.builtins.db.options import ConnectOptions
from assay.errors import BuiltinError
from assay.lua.declare import Library, method
from assay.lua.function import LuaFunction
from assay.lua.host import Host
from assay.lua.spawned import TaskResults
from assay.permissions.needs import DATABASE, NOTHING

if TYPE_CHECKING:
    from assay.builtins.db.pool import Pool
    from assay.builtins.db.transactions import Transaction

library = Library(
    "db",
    """SQL databases: SQLite, PostgreSQL, MySQL and MariaDB.

    Placeholders are `?`, in order, or `$1`, `$2`, … by number, for all databases. They are not recognized within
    strings, quoted names and comments. To use PostgreSQL's operators `?`, `?|` and `?&`, write placeholders as `$1`.
    Without parameters, the statement is sent unchanged. The parameter `json.null` is NULL. A table is sent as JSON, or
    as an array where PostgreSQL expects one.

    Values in results:

    - NULL is an absent key; in an array it is `json.null`.
    - Integers are exact. `numeric`, `decimal` and integers beyond 64 bits are strings, so that no digit is lost.
    - Dates and times are ISO 8601 strings (`2026-11-23T23:55:00+00:00`). Intervals of PostgreSQL are in seconds.
    - Bytes are strings.
    - JSON columns and arrays are tables, except in SQLite and MariaDB, where JSON is text.
    - Booleans are booleans in PostgreSQL, and 0 and 1 in the other databases.

    Errors have one of these kinds in `kind`:

    - "connect": the connection failed or was lost.
    - "timeout": the statement exceeded its time limit.
    - "constraint": a constraint was violated.
    - "conflict": there was a deadlock, or the server aborted the transaction. A retry may succeed.
    - "closed": the connection was closed.
    - "query": any other error.

    The field `code` is the SQLSTATE, or for SQLite the name of the error, such as `SQLITE_CONSTRAINT_UNIQUE`. The field
    `errno` is the error number of MySQL.
    """,
    callbacks={
        "db.transaction.fn": "fun(transaction: db.Connection): any",
        "conn:transaction.fn": "fun(transaction: db.Connection): any",
    },
    needs=NOTHING,
)


@library.handle
class Connection:
    """A database. Its methods are also functions of `db`.

    A handle is a connection pool: statements of several tasks run concurrently. With SQLite they run one at a time.
    """

    lua_name: ClassVar[str] = "db.Connection"
    lua_prefix: ClassVar[str] = "conn"

    def __init__(self, host: Host, pool: Pool, bound: Transaction | None = None) -> None:
        self._host = host
        self._pool = pool
        self._bound = bound

    @method
    async def query(self, sql: str, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Run a statement and return its rows, an array of tables from column name to value.

        Args:
            sql: One statement.
            params: An array of values for the placeholders.
        """
        from assay.builtins.db import transactions

        rows: list[dict[str, Any]] = await transactions.run("db.query", self._pool, self._bound, sql, params, rows=True)
        return rows

    @method
    async def execute(self, sql: str, params: dict[str, Any] | None = None) -> int:
        """Run a statement and return the number of rows that it inserted, updated (even if unchanged) or deleted.

        Args:
            sql: One statement, or several without parameters, of which the last one's rows are counted.
            params: An array of values for the placeholders.
        """
        from assay.builtins.db import transactions

        count: int = await transactions.run("db.execute", self._pool, self._bound, sql, params, rows=False)
        return count

    @method
    async def transaction(self, fn: LuaFunction) -> TaskResults:
        """Run a function in a transaction and return its results.

        If the function raises an error or is cancelled, the transaction is rolled back and the error raised again.
        Within the function, statements on this handle and on the handle that it receives belong to the transaction. A
        nested transaction is a savepoint. If the database has aborted the transaction, the commit raises an error.

        Args:
            fn: The function; it receives a handle bound to the transaction.
        """
        from assay.builtins.db import transactions

        return await transactions.transact(
            "db.transaction",
            self._host,
            self._pool,
            self._bound,
            fn,
            lambda bound: Connection(self._host, self._pool, bound),
        )

    @method
    async def close(self) -> None:
        """Close the connections; running statements are cancelled and fail. Do nothing if they are closed already."""
        if self._bound is not None:
            raise BuiltinError("a transaction's handle cannot be closed; the transaction ends with its function")
        await self._pool.close()
        self._host.kept.pop(self._pool.name, None)

    def release(self) -> None:
        """Close the pool after Lua has collected the handle."""
        import asyncio

        if self._bound is None and self._pool.name in self._host.kept:
            self._pool.close_task = asyncio.ensure_future(self.close())


@library.function(needs=DATABASE)
async def connect(host: Host, url: str, options: ConnectOptions | None = None) -> Connection:
    """Connect to a database. One connection is opened immediately to check the address and the credentials.

    In a sandbox, an SQLite file needs `--allow-read` and `--allow-write` for its path, or `--allow-read` alone with
    `?mode=ro`.

    Args:
        url: `sqlite:///path/to/file.db` or `sqlite://file.db` (created if missing, except with `?mode=ro` or
            `?mode=rw`), `sqlite::memory:` (a private in-memory database), `postgres://user:password@host:5432/name`
            (optionally `?sslmode=…`), or `mysql://user:password@host:3306/name` (`?ssl=true` for TLS, `?ssl_ca=file`
            with a CA certificate to trust).
        options: Options of the connection.
    """
    from assay.builtins.db import pool

    opened = await pool.open(url, options or ConnectOptions(), host.permissions)
    host.kept[opened.name] = opened
    return Connection(host, opened)


@library.function()
async def query(conn: Connection, sql: str, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Run a statement and return its rows, as `conn:query` does.

    Args:
        conn: The connection.
        sql: One statement.
        params: An array of values for the placeholders.
    """
    return await conn.query(sql, params)


@library.function()
async def execute(conn: Connection, sql: str, params: dict[str, Any] | None = None) -> int:
    """Run a statement and return the number of affected rows, as `conn:execute` does.

    Args:
        conn: The connection.
        sql: One statement, or several without parameters, of which the last one's rows are counted.
        params: An array of values for the placeholders.
    """
    return await conn.execute(sql, params)


@library.function()
async def transaction(conn: Connection, fn: LuaFunction) -> TaskResults:
    """Run a function in a transaction, as `conn:transaction` does.

    Args:
        conn: The connection.
        fn: The function; it receives a handle bound to the transaction.
    """
    return await conn.transaction(fn)


@library.function()
async def close(conn: Connection) -> None:
    """Close the connections of a handle, as `conn:close` does.

    Args:
        conn: The connection.
    """
    await conn.close()
