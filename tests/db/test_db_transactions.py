"""Transactions of `db` against SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

import pytest

from assay.builtins.db.pool import DatabaseError
from assay.builtins.db.sqlite import SqliteSession
from database_scripts import TABLE, error
from web_peers import Script

NAMES = """
local function names()
  local list = {}
  for i, row in ipairs(c:query("select name from t order by id")) do list[i] = row.name end
  return list
end
"""
"""A function that returns the names in the table `t`."""

POOL_MESSAGE = "db.execute: use conn:transaction(fn): the handle is a connection pool"


async def test_a_transaction_returns_the_results_of_its_function(script: Script, url: str) -> None:
    code = """
    local results = table.pack(c:transaction(function() return "first", nil, "third" end))
    return { first = results[1], second = results[2], third = results[3], count = results.n }"""
    assert await script.run(TABLE + code, url) == {"first": "first", "third": "third", "count": 3}


async def test_a_transaction_is_committed_when_its_function_returns(script: Script, url: str) -> None:
    code = """
    c:transaction(function(tx) tx:execute("insert into t values (1, 'a')") end)
    c:close()
    return #db.connect(url):query("select * from t")"""
    assert await script.run(TABLE + code, url) == 1


async def test_a_statement_of_the_connection_joins_the_transaction_around_it(script: Script, url: str) -> None:
    code = """
    local inside
    pcall(c.transaction, c, function(tx)
      tx:execute("insert into t values (1, 'a')")
      db.execute(c, "insert into t values (2, 'b')")
      inside = names()
      error("roll back")
    end)
    return { inside = inside, rows_after = #names() }"""
    assert await script.run(TABLE + NAMES + code, url) == {"inside": ["a", "b"], "rows_after": 0}


async def test_an_error_rolls_a_transaction_back(script: Script, url: str) -> None:
    code = """
    c:execute("insert into t values (1, 'before')")
    pcall(c.transaction, c, function(tx)
      tx:execute("insert into t values (2, 'inside')")
      error("roll back")
    end)
    return names()"""
    assert await script.run(TABLE + NAMES + code, url) == ["before"]


async def test_an_error_of_a_transaction_reaches_the_caller_unchanged(script: Script, url: str) -> None:
    code = "c:transaction(function() error({ kind = 'mine', n = 5 }) end)"
    assert await error(script, TABLE + code, url) == {"kind": "mine", "n": 5}


async def test_an_error_in_an_inner_transaction_rolls_back_only_the_inner_one(script: Script, url: str) -> None:
    code = """
    local ok, problem
    c:transaction(function(tx)
      tx:execute("insert into t values (1, 'outer')")
      ok, problem = pcall(tx.transaction, tx, function()
        c:execute("insert into t values (2, 'inner')")
        error("failed inside", 0)
      end)
    end)
    return { ok = ok, problem = problem, names = names() }"""
    found = await script.run(TABLE + NAMES + code, url)
    assert found == {"ok": False, "problem": "failed inside", "names": ["outer"]}


async def test_an_inner_transaction_after_a_failed_one_is_committed(script: Script, url: str) -> None:
    code = """
    c:transaction(function(tx)
      tx:execute("insert into t values (1, 'outer')")
      pcall(tx.transaction, tx, function()
        tx:execute("insert into t values (2, 'failed')")
        error("failed inside")
      end)
      tx:transaction(function() tx:execute("insert into t values (3, 'second')") end)
    end)
    return names()"""
    assert await script.run(TABLE + NAMES + code, url) == ["outer", "second"]


async def test_an_outer_rollback_undoes_completed_inner_transactions(script: Script, url: str) -> None:
    code = """
    c:transaction(function(tx)
      tx:execute("insert into t values (1, 'outer')")
      pcall(tx.transaction, tx, function()
        tx:execute("insert into t values (2, 'failed')")
        tx:transaction(function() tx:execute("insert into t values (3, 'within the failed one')") end)
        error("failed inside")
      end)
    end)
    return names()"""
    assert await script.run(TABLE + NAMES + code, url) == ["outer"]


async def test_an_ended_transaction_cannot_be_used(script: Script, url: str) -> None:
    code = """
    local kept
    db.transaction(c, function(tx) kept = tx end)
    return {
      query = tostring(select(2, pcall(kept.query, kept, "select 1"))),
      transaction = tostring(select(2, pcall(kept.transaction, kept, print))),
    }"""
    assert await script.run(TABLE + code, url) == {
        "query": "db.query: the transaction has ended",
        "transaction": "db.transaction: the transaction has ended",
    }


async def test_the_handle_of_a_transaction_cannot_be_closed(script: Script, url: str) -> None:
    code = "c:transaction(function(tx) problem = tostring(select(2, pcall(tx.close, tx))) end) return problem"
    problem = "conn:close: a transaction's handle cannot be closed; the transaction ends with its function"
    assert await script.run(TABLE + code, url) == problem


async def test_a_cancelled_transaction_rolls_back(script: Script, url: str) -> None:
    code = """
    local task = async.spawn(function()
      c:transaction(function(tx)
        tx:execute("insert into t values (1, 'a')")
        inside = true
        sleep(1000)
      end)
    end)
    while not inside do sleep(0.001) end
    task:cancel()
    local ok, problem = pcall(task.await, task)
    return { kind = problem.kind, rows = #c:query("select * from t") }"""
    assert await script.run(TABLE + code, url) == {"kind": "cancelled", "rows": 0}


async def test_a_connection_whose_rollback_failed_is_not_used_again(
    script: Script, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(session: SqliteSession) -> None:
        raise DatabaseError("disk I/O error", "query")

    monkeypatch.setattr(SqliteSession, "rollback", fail)
    code = """
    local _, problem = pcall(c.transaction, c, function(tx)
      tx:execute("insert into t values (1, 'inside')")
      error("roll back", 0)
    end)
    c:execute("insert into t values (2, 'after')")
    return { problem = problem, seen_by_others = db.connect(url):query("select name from t") }"""
    found = await script.run(TABLE + code, sqlite_url)
    assert found == {"problem": "roll back", "seen_by_others": [{"name": "after"}]}


async def test_the_results_of_a_transaction_that_cannot_be_committed_are_released(
    script: Script, sqlite_url: str
) -> None:
    code = """
    c:execute("pragma foreign_keys = on")
    c:execute("create table child (parent integer references t (id) deferrable initially deferred)")
    local weak = setmetatable({}, { __mode = "v" })
    local ok = pcall(c.transaction, c, function(tx)
      tx:execute("insert into child values (1)") -- violates the constraint, which is only checked by the commit
      local result = {}
      weak[1] = result
      return result
    end)
    collectgarbage()
    collectgarbage()
    return { ok = ok, is_released = weak[1] == nil }"""
    assert await script.run(TABLE + code, sqlite_url) == {"ok": False, "is_released": True}


async def test_the_error_of_a_cancelled_transaction_is_released(script: Script, sqlite_url: str) -> None:
    code = """
    local weak = setmetatable({}, { __mode = "v" })
    local is_waiting = false
    local task = async.spawn(function()
      c:transaction(function()
        is_waiting = true
        pcall(sleep, 1000)
        local problem = { kind = "cancelled" }
        weak[1] = problem
        error(problem)
      end)
    end)
    while not is_waiting do sleep(0.001) end
    task:cancel()
    local ok = pcall(task.await, task)
    collectgarbage()
    collectgarbage()
    return { ok = ok, is_released = weak[1] == nil }"""
    assert await script.run(TABLE + code, sqlite_url) == {"ok": False, "is_released": True}


async def test_other_connections_see_a_transaction_after_it_ends(script: Script, server_url: str) -> None:
    code = """
    local inside, may_end
    local task = async.spawn(function()
      c:transaction(function(tx)
        tx:execute("insert into t values (1, 'a')")
        inside = true
        while not may_end do sleep(0.001) end
      end)
    end)
    while not inside do sleep(0.001) end
    local during = #c:query("select * from t")
    may_end = true
    task:await()
    return { during = during, after = #c:query("select * from t") }"""
    assert await script.run(TABLE + code, server_url) == {"during": 0, "after": 1}


async def test_a_sqlite_statement_waits_for_the_open_transaction(script: Script, sqlite_url: str) -> None:
    code = """
    local inside, may_end
    local task = async.spawn(function()
      c:transaction(function(tx)
        tx:execute("insert into t values (1, 'a')")
        inside = true
        while not may_end do sleep(0.001) end
      end)
    end)
    while not inside do sleep(0.001) end
    local query = async.spawn(function() return #c:query("select * from t") end)
    sleep(0.01)
    may_end = true
    task:await()
    return query:await()[1]"""
    assert await script.run(TABLE + code, sqlite_url) == 1


async def test_a_transaction_with_a_failed_statement_is_a_conflict_in_postgres(
    script: Script, postgres_url: str
) -> None:
    code = """
    c:transaction(function(tx)
      tx:execute("insert into t values (1, 'a')")
      pcall(tx.execute, tx, "insert into t values (1, 'again')")
    end)"""
    found = await error(script, TABLE + code, postgres_url)
    assert found["kind"] == "conflict"
    assert found["message"] == "db.transaction: rolled back, because a statement of the transaction had failed"
    assert await script.run("return #db.connect(...):query('select * from t')", postgres_url) == 0


async def test_a_statement_after_mariadb_ended_the_transaction_is_a_conflict(script: Script, mysql_url: str) -> None:
    code = """
    c:transaction(function(tx)
      tx:execute("create table if not exists u (a int)")
      tx:execute("insert into t values (1, 'a')")
    end)"""
    found = await error(script, TABLE + code, mysql_url)
    assert found["kind"] == "conflict"
    assert found["message"].startswith("db.execute: the database ended the transaction: ")


async def test_a_deadlock_fails_one_of_two_transactions_with_a_conflict(script: Script, server_url: str) -> None:
    code = """
    c:execute("insert into t values (1, 'a'), (2, 'b')")
    local ready = 0
    local function swap(first, second)
      return pcall(c.transaction, c, function(tx)
        tx:execute("update t set name = ? where id = ?", { "x" .. first, first })
        ready = ready + 1
        while ready < 2 do sleep(0.001) end
        tx:execute("update t set name = ? where id = ?", { "y" .. second, second })
      end)
    end
    local one, two = async.spawn(swap, 1, 2), async.spawn(swap, 2, 1)
    local a, b = one:await(), two:await()
    local failed = a[1] and b or a
    return { one_succeeded = a[1] ~= b[1], kind = failed[2].kind }"""
    assert await script.run(TABLE + code, server_url) == {"one_succeeded": True, "kind": "conflict"}


async def test_sqlite_accepts_begin_and_rollback_as_statements(script: Script, sqlite_url: str) -> None:
    code = """
    c:execute("begin")
    c:execute("insert into t values (1, 'a')")
    c:execute("rollback")
    return #c:query("select * from t")"""
    assert await script.run(TABLE + code, sqlite_url) == 0


async def test_a_write_after_an_outdated_read_fails_at_once_in_sqlite(script: Script, sqlite_url: str) -> None:
    code = """
    c:query("pragma journal_mode = wal")
    local reader = db.connect(url, { timeout = 5 })
    reader:execute("begin")
    reader:query("select * from t")
    c:execute("insert into t values (1, 'other')")
    reader:execute("insert into t values (2, 'late')")"""
    found = await error(script, TABLE + code, sqlite_url)
    assert (found["kind"], found["code"]) == ("query", "SQLITE_BUSY_SNAPSHOT")


async def test_a_begin_statement_on_a_pool_is_refused(script: Script, server_url: str) -> None:
    found = await error(script, TABLE + "c:execute('begin')", server_url)
    assert found["message"] == POOL_MESSAGE


async def test_a_refused_begin_leaves_no_transaction_open_in_the_pool(script: Script, server_url: str) -> None:
    code = """
    c:close()
    c = db.connect(url, { max_connections = 1 })
    local ok, problem = pcall(c.execute, c, "begin")
    c:execute("insert into t values (1, 'a')")
    return { problem = tostring(problem), rows_seen_by_others = #db.connect(url):query("select * from t") }"""
    found = await script.run(TABLE + code, server_url)
    assert found == {"problem": POOL_MESSAGE, "rows_seen_by_others": 1}
