"""`db`: SQL databases.

`sql` finds placeholders, `pool` hands out sessions, `transactions` keep one. `sqlite`, `postgres` and `mysql` make
sessions; each, and its driver, is imported when a script first connects to such a database.
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

    Parameters take the place of `?`, in order, or of `$1`, `$2`, … by number, in each of the databases alike, and never
    inside of a string, a quoted name or a comment. (In PostgreSQL's own operators `?`, `?|` and `?&` the question mark
    is an operator where the statement uses `$1`.) Without parameters the statement is sent as it is. `json.null` is
    NULL, a table is sent as JSON, or as an array where PostgreSQL expects one.

    What comes back: NULL is an absent key (in an array `json.null`); integers are exact; `numeric` and `decimal`, and
    integers beyond 64 bits, are strings, so that no digit is lost; dates and times are ISO 8601 strings
    (`2026-11-23T23:55:00+00:00`), intervals of PostgreSQL seconds; bytes are strings; JSON columns and arrays are
    tables (not in SQLite and MariaDB, where JSON is text); booleans are booleans in PostgreSQL, 0 and 1 elsewhere.

    An error has a `kind`: "connect" (no connection, or it broke), "timeout", "constraint", "conflict" (a deadlock, or a
    transaction that the server gave up: trying again may help), "closed", or "query" for all others; and a `code`: the
    SQLSTATE, for SQLite the name of its error such as `SQLITE_CONSTRAINT_UNIQUE`; `errno` is MySQL's own number.
    """,
    callbacks={
        "db.transaction.fn": "fun(transaction: db.Connection): any",
        "conn:transaction.fn": "fun(transaction: db.Connection): any",
    },
    needs=NOTHING,
)


@library.handle
class Connection:
    """A database. Its methods are functions of `db` too.

    A handle is a pool: statements of several tasks run at once, over connections that are opened when needed and kept.
    With SQLite they run one after the other.
    """

    lua_name: ClassVar[str] = "db.Connection"
    lua_prefix: ClassVar[str] = "conn"

    def __init__(self, host: Host, pool: Pool, bound: Transaction | None = None) -> None:
        self._host = host
        self._pool = pool
        self._bound = bound

    @method
    async def query(self, sql: str, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Run a statement and return its rows: an array of tables with a value for each column.

        Args:
            sql: One statement.
            params: An array with the values of its placeholders.
        """
        from assay.builtins.db import transactions

        rows: list[dict[str, Any]] = await transactions.run("db.query", self._pool, self._bound, sql, params, rows=True)
        return rows

    @method
    async def execute(self, sql: str, params: dict[str, Any] | None = None) -> int:
        """Run a statement and return how many rows it inserted, updated (changed or not) or deleted.

        Args:
            sql: One statement, or several when there are no parameters; the last one's rows are counted.
            params: An array with the values of its placeholders.
        """
        from assay.builtins.db import transactions

        count: int = await transactions.run("db.execute", self._pool, self._bound, sql, params, rows=False)
        return count

    @method
    async def transaction(self, fn: LuaFunction) -> TaskResults:
        """Run a function in a transaction and return what it returns.

        An error in it, a cancellation too, rolls back and is raised again. Whatever the function does with this handle
        belongs to the transaction, as well as with the one that it gets. A transaction in a transaction is a
        savepoint. A transaction that the database has given up does not commit silently: that is an error.

        Args:
            fn: The function; it gets a handle that is bound to the transaction.
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
        """Close the connections; statements that run are stopped and fail. Closing again is not an error."""
        if self._bound is not None:
            raise BuiltinError("this handle belongs to a transaction, which ends with its function")
        await self._pool.close()
        self._host.kept.pop(self._pool.name, None)

    def release(self) -> None:
        """Lua has collected the handle."""
        import asyncio

        if self._bound is None and self._pool.name in self._host.kept:
            self._pool.ending = asyncio.ensure_future(self.close())


@library.function(needs=DATABASE)
async def connect(host: Host, url: str, options: ConnectOptions | None = None) -> Connection:
    """Connect to a database; a wrong address or password is an error here.

    A file of SQLite needs `--allow-read` and `--allow-write` for its path, one that is only read `--allow-read`.

    Args:
        url: `sqlite:///path/to/file.db` or `sqlite://file.db` (made when missing; `?mode=ro` or `?mode=rw` behind it),
            `sqlite::memory:` (a database of its own), `postgres://user:password@host:5432/name` (with `?sslmode=…`),
            `mysql://user:password@host:3306/name` (`?ssl=true` for TLS, `?ssl_ca=file` with a certificate to trust).
        options: How to connect.
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
        params: An array with the values of its placeholders.
    """
    return await conn.query(sql, params)


@library.function()
async def execute(conn: Connection, sql: str, params: dict[str, Any] | None = None) -> int:
    """Run a statement and return how many rows it changed, as `conn:execute` does.

    Args:
        conn: The connection.
        sql: One statement, or several when there are no parameters; the last one's rows are counted.
        params: An array with the values of its placeholders.
    """
    return await conn.execute(sql, params)


@library.function()
async def transaction(conn: Connection, fn: LuaFunction) -> TaskResults:
    """Run a function in a transaction, as `conn:transaction` does.

    Args:
        conn: The connection.
        fn: The function; it gets a handle that is bound to the transaction.
    """
    return await conn.transaction(fn)


@library.function()
async def close(conn: Connection) -> None:
    """Close the connections of a handle, as `conn:close` does.

    Args:
        conn: The connection.
    """
    await conn.close()
