"""Runs statements and transactions on the sessions of a pool."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from assay.builtins.db.pool import CLEANUP_TIMEOUT, DatabaseError, Pool, Session
from assay.builtins.db.sql import scan
from assay.errors import BuiltinError, LuaError
from assay.lua.function import LuaFunction
from assay.lua.host import Host
from assay.lua.spawned import TaskResults

_current: ContextVar[Transaction | None] = ContextVar("transaction", default=None)
"""The transaction of the running function, to which its statements on the handle belong, also in tasks it spawns."""


class Transaction:
    """A session reserved for a transaction, which runs one statement at a time."""

    def __init__(self, pool: Pool, session: Session) -> None:
        self.pool = pool
        self.session = session
        self.savepoints = 0
        self.ended = False
        self.lock = asyncio.Lock()

    async def run(self, sql: str, params: list[Any] | None, rows: bool) -> Any:
        """Run a statement in the transaction."""
        async with self.lock:
            self.check()
            return await self.session.run(sql, params, rows)

    def check(self) -> None:
        """Raise DatabaseError if the transaction cannot continue."""
        self.pool.check_open()
        if self.ended:
            raise DatabaseError("the transaction has ended", "closed")
        if self.session.lost:
            raise DatabaseError("the transaction's connection was lost", "connect")
        if not self.session.in_transaction:
            problem = (
                "the database ended the transaction: rolled back, or committed by a statement such as CREATE TABLE"
            )
            raise DatabaseError(problem, "conflict")


def _active_transaction(pool: Pool, bound: Transaction | None) -> Transaction | None:
    if bound is not None:
        return bound
    current = _current.get()
    return current if current is not None and current.pool is pool and not current.ended else None


async def run(
    title: str, pool: Pool, bound: Transaction | None, sql: str, params: dict[str, Any] | None, *, rows: bool
) -> Any:
    """Run a statement, in the active transaction if there is one.

    Args:
        title: The function's name.
        pool: The database.
        bound: The transaction of the handle.
        sql: The statement.
        params: Index → value, as received from Lua.
        rows: True to return the rows, false for the number of affected rows.
    """
    values = _positional(params)
    if values is not None:
        expected = scan(sql, pool.dialect).parameter_count
        if expected != len(values):
            hint = " (json.null is NULL)" if len(values) < expected else ""
            raise BuiltinError(f"bad argument 'params' ({expected} values expected, got {len(values)}){hint}")
    active = _active_transaction(pool, bound)
    try:
        async with pool.limited():
            if active is not None:
                return await active.run(sql, values, rows)
            session = await pool.acquire()
            keep = False
            try:
                result = await session.run(sql, values, rows)
                keep = pool.dialect == "sqlite" or not session.in_transaction
            finally:
                pool.release(session, keep or not session.in_transaction)
            if not keep:
                raise DatabaseError("use conn:transaction(fn): the handle is a connection pool", "query")
            return result
    except DatabaseError as error:
        raise error.for_lua(title) from None


def _positional(params: dict[str, Any] | None) -> list[Any] | None:
    if params is None:
        return None
    if not all(key.isdecimal() and key != "0" for key in params):
        raise BuiltinError("bad argument 'params' (an array expected)")
    last = max(map(int, params), default=0)
    if last > 100_000:
        raise BuiltinError("bad argument 'params' (too many values)")
    return [params.get(str(index)) for index in range(1, last + 1)]


async def transact(
    title: str,
    host: Host,
    pool: Pool,
    bound: Transaction | None,
    function: LuaFunction,
    handle: Callable[[Transaction], object],
) -> TaskResults:
    """Run a Lua function in a transaction, or in a savepoint of the active one.

    Args:
        title: The function's name.
        host: The host of the function.
        pool: The database.
        bound: The transaction of the handle.
        function: The function.
        handle: Function that makes the handle passed to `function`.
    """
    active = _active_transaction(pool, bound)
    try:
        if active is not None:
            return await _savepoint(host, active, function, handle)
        async with pool.limited():
            session = await pool.acquire()
        try:
            return await _transaction(host, Transaction(pool, session), function, handle)
        finally:
            pool.release(session, not session.in_transaction)
    except DatabaseError as error:
        raise error.for_lua(title) from None


async def _transaction(
    host: Host, transaction: Transaction, function: LuaFunction, handle: Callable[[Transaction], object]
) -> TaskResults:
    pool, session = transaction.pool, transaction.session
    token = _current.set(transaction)
    try:
        async with pool.limited():
            await session.begin()
        results, failed = await _call(host, function, handle(transaction))
        transaction.ended = failed  # statements of tasks that it spawned fail from now on
        if not failed:
            async with pool.limited(), transaction.lock:
                try:
                    transaction.check()
                    await session.commit()
                except BaseException:
                    host.state.invoke(b"forget", int(results))
                    raise
        return results
    finally:
        transaction.ended = True
        _current.reset(token)
        if not session.lost and session.in_transaction:
            await _run_shielded(session.rollback())


async def _savepoint(
    host: Host, transaction: Transaction, function: LuaFunction, handle: Callable[[Transaction], object]
) -> TaskResults:
    pool, session = transaction.pool, transaction.session
    transaction.savepoints += 1
    name = f"assay_{transaction.savepoints}"
    async with pool.limited():
        await transaction.run(f"SAVEPOINT {name}", None, False)
    failed = True
    try:
        results, failed = await _call(host, function, handle(transaction))
        if not failed:
            async with pool.limited():
                await transaction.run(f"RELEASE SAVEPOINT {name}", None, False)
        return results
    finally:
        if failed and not session.lost and session.in_transaction:
            await _run_shielded(session.run(f"ROLLBACK TO SAVEPOINT {name}", None, False))


async def _call(host: Host, function: LuaFunction, argument: object) -> tuple[TaskResults, bool]:
    """Run a function; return its results or its error, and true if it failed."""
    task = host.start(function, (argument,), b"keep")
    try:
        await host.drive(task, host.step(task))
    except LuaError:
        return TaskResults(task), True
    except asyncio.CancelledError:
        host.state.invoke(b"forget", task)
        raise
    return TaskResults(task), False


async def _run_shielded(operation: Coroutine[Any, Any, Any]) -> None:
    """Run a cleanup to its end even if the task is cancelled, for up to CLEANUP_TIMEOUT.

    Errors are ignored, because the driver marks the session as lost.
    """
    task = asyncio.ensure_future(operation)
    cancelled = False
    loop = asyncio.get_running_loop()
    deadline = loop.time() + CLEANUP_TIMEOUT
    while not task.done():
        try:
            await asyncio.wait([task], timeout=max(0, deadline - loop.time()))
        except asyncio.CancelledError:
            cancelled = True
        if loop.time() >= deadline:
            task.cancel()
            break
    with suppress(DatabaseError, asyncio.CancelledError):
        await task
    if cancelled:
        raise asyncio.CancelledError
