"""Statements and transactions over the sessions of a pool."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from assay.builtins.db.pool import CLEAN_UP, DatabaseError, Pool, Session
from assay.builtins.db.sql import scan
from assay.errors import BuiltinError, LuaError
from assay.lua.function import LuaFunction
from assay.lua.host import Host
from assay.lua.spawned import TaskResults

_current: ContextVar[Transaction | None] = ContextVar("transaction", default=None)
"""The transaction of the running function: what it does with the handle belongs to it, also in tasks that it spawns."""


class Transaction:
    """A session for as long as a transaction runs; statements take turns."""

    def __init__(self, pool: Pool, session: Session) -> None:
        self.pool = pool
        self.session = session
        self.savepoints = 0
        self.ended = False
        self.turn = asyncio.Lock()

    async def run(self, sql: str, params: list[Any] | None, rows: bool) -> Any:
        """Run a statement in it."""
        async with self.turn:
            self.check()
            return await self.session.run(sql, params, rows)

    def check(self) -> None:
        """Raise when it cannot continue."""
        self.pool.check_open()
        if self.ended:
            raise DatabaseError("the transaction has ended", "closed")
        if self.session.lost:
            raise DatabaseError("the connection of the transaction is lost", "connect")
        if not self.session.in_transaction:
            problem = (
                "the database has ended the transaction: rolled back, or committed by a statement like CREATE TABLE"
            )
            raise DatabaseError(problem, "conflict")


def _find(pool: Pool, bound: Transaction | None) -> Transaction | None:
    if bound is not None:
        return bound
    current = _current.get()
    return current if current is not None and current.pool is pool and not current.ended else None


async def run(
    title: str, pool: Pool, bound: Transaction | None, sql: str, params: dict[str, Any] | None, *, rows: bool
) -> Any:
    """Run a statement, in the transaction if there is one.

    Args:
        title: The function's name.
        pool: The database.
        bound: The transaction that the handle belongs to.
        sql: The statement.
        params: Position → value, as they come from Lua.
        rows: Whether to return the rows, or their number.
    """
    values = _positional(params)
    if values is not None:
        wanted = scan(sql, pool.dialect).wanted
        if wanted != len(values):
            hint = " (json.null is NULL)" if len(values) < wanted else ""
            raise BuiltinError(f"bad argument 'params' ({wanted} values expected, got {len(values)}){hint}")
    inside = _find(pool, bound)
    try:
        async with pool.limited():
            if inside is not None:
                return await inside.run(sql, values, rows)
            session = await pool.take()
            keep = False
            try:
                result = await session.run(sql, values, rows)
                keep = pool.dialect == "sqlite" or not session.in_transaction
            finally:
                pool.give_back(session, keep or not session.in_transaction)
            if not keep:
                raise DatabaseError("a transaction needs one connection of the pool: use conn:transaction(fn)", "query")
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
    """Run a Lua function in a transaction, or in a savepoint of the one that runs.

    Args:
        title: The function's name.
        host: Whose function it is.
        pool: The database.
        bound: The transaction that the handle belongs to.
        function: The function.
        handle: Makes what the function gets.
    """
    inside = _find(pool, bound)
    try:
        if inside is not None:
            return await _savepoint(host, inside, function, handle)
        async with pool.limited():
            session = await pool.take()
        try:
            return await _transaction(host, Transaction(pool, session), function, handle)
        finally:
            pool.give_back(session, not session.in_transaction)
    except DatabaseError as error:
        raise error.for_lua(title) from None


async def _transaction(
    host: Host, transaction: Transaction, function: LuaFunction, handle: Callable[[Transaction], object]
) -> TaskResults:
    pool, session = transaction.pool, transaction.session
    before = _current.set(transaction)
    try:
        async with pool.limited():
            await session.begin()
        results, failed = await _call(host, function, handle(transaction))
        transaction.ended = failed  # what it spawned comes too late now
        if not failed:
            async with pool.limited(), transaction.turn:
                try:
                    transaction.check()
                    await session.commit()
                except BaseException:
                    host.state.invoke(b"forget", int(results))
                    raise
        return results
    finally:
        transaction.ended = True
        _current.reset(before)
        if not session.lost and session.in_transaction:
            await _finish(session.rollback())


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
            await _finish(session.run(f"ROLLBACK TO SAVEPOINT {name}", None, False))


async def _call(host: Host, function: LuaFunction, argument: object) -> tuple[TaskResults, bool]:
    """Run a function; returns its results, or its error, and whether it failed."""
    task = host.start(function, (argument,), b"keep")
    try:
        await host.drive(task, host.step(task))
    except LuaError:
        return TaskResults(task), True
    except asyncio.CancelledError:
        host.state.invoke(b"forget", task)
        raise
    return TaskResults(task), False


async def _finish(work: Coroutine[Any, Any, Any]) -> None:
    """Do what has to be done although the task is cancelled; a session that it fails for is given up by its driver."""
    task = asyncio.ensure_future(work)
    cancelled = False
    loop = asyncio.get_running_loop()
    deadline = loop.time() + CLEAN_UP
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
