"""Statements of `db` against SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

import asyncio

import pytest

from command import Command
from database_scripts import TABLE, dialect, error
from timeouts import TIMEOUT
from web_peers import Script

# Queries --------------------------------------------------------------------------------------------------------


async def test_a_query_returns_a_table_per_row(script: Script, url: str) -> None:
    code = """
    c:execute("insert into t values (1, 'one'), (2, 'two')")
    return c:query("select id, name from t order by id")"""
    assert await script.run(TABLE + code, url) == [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}]


async def test_a_query_without_rows_returns_an_empty_table(script: Script, url: str) -> None:
    assert await script.run(TABLE + "return c:query('select id from t where id > 5')", url) == []


async def test_question_marks_are_parameters_in_order(script: Script, url: str) -> None:
    code = """
    c:execute("insert into t values (?, ?), (?, ?)", { 1, "one", 2, "two" })
    return c:query("select id, name from t where id < ?", { 2 })"""
    assert await script.run(TABLE + code, url) == [{"id": 1, "name": "one"}]


async def test_numbered_parameters_choose_by_position(script: Script, url: str) -> None:
    code = """
    c:execute("insert into t values ($2, $1)", { "three", 3 })
    return c:query("select * from t")"""
    assert await script.run(TABLE + code, url) == [{"id": 3, "name": "three"}]


async def test_a_question_mark_in_a_string_or_comment_is_not_a_parameter(script: Script, url: str) -> None:
    code = """
    c:execute("insert into t values (3, 'three')")
    return c:query("select name from t where name = '?' or name = ? -- ?", { "three" })"""
    assert await script.run(TABLE + code, url) == [{"name": "three"}]


async def test_functions_do_what_methods_do(script: Script, url: str) -> None:
    code = """
    return {
      inserted = db.execute(c, "insert into t values (?, ?)", { 1, "one" }),
      rows = db.query(c, "select name from t where id = ?", { 1 }),
    }"""
    assert await script.run(TABLE + code, url) == {"inserted": 1, "rows": [{"name": "one"}]}


async def test_a_query_sees_a_column_that_was_added(script: Script, url: str) -> None:
    code = """
    c:execute("insert into t values (1, 'a')")
    local before = c:query("select * from t where id = ?", { 1 })
    c:execute("alter table t add column more varchar(10) default 'x'")
    return { before = before, after = c:query("select * from t where id = ?", { 1 }) }"""
    assert await script.run(TABLE + code, url) == {
        "before": [{"id": 1, "name": "a"}],
        "after": [{"id": 1, "name": "a", "more": "x"}],
    }


# The number of changed rows -------------------------------------------------------------------------------------

THREE_ROWS = TABLE + """c:execute("insert into t values (1, 'a'), (2, 'b'), (3, 'c')")\n"""


@pytest.mark.parametrize(
    ("call", "count"),
    [
        ("c:execute([[insert into t values (4, 'd'), (5, 'e')]])", 2),
        ("c:execute('update t set name = null where id > ?', { 1 })", 2),
        ("c:execute('update t set name = name where id < 3')", 2),
        ("c:execute('delete from t')", 3),
        ("c:execute('delete from t where id = 99')", 0),
        ("c:execute([[insert into t values (4, 'x'); delete from t where id = 3;]])", 1),
        ("c:execute([[insert into t values (4, 'x'); delete from t where id > 2;]])", 2),
    ],
    ids=["insert", "update", "update to the same", "delete all", "delete none", "last is one row", "last is two rows"],
)
async def test_execute_returns_the_number_of_changed_rows(script: Script, url: str, call: str, count: int) -> None:
    assert await script.run(f"{THREE_ROWS} return {call}", url) == count


@pytest.mark.parametrize(
    ("statement", "count"),
    [
        ("insert into t values (4, 'd'), (5, 'e') returning id, name", 2),
        ("with more as (select 4 as id union select 5) insert into t select id, null from more", 2),
        ("with few as (select 1 as id) update t set name = 'd' where id in (select id from few)", 1),
        ("with none as (select 1 as id) delete from t where id = 99", 0),
        ("delete from t where id = 1; -- and no more\\n /* nor here */ ;", 1),
    ],
    ids=["returning", "with insert", "with update", "with delete", "comments after it"],
)
@pytest.mark.parametrize("database", ["sqlite_url", "postgres_url"])
async def test_changed_rows_are_counted_in_statements_of_any_form(
    script: Script, request: pytest.FixtureRequest, database: str, statement: str, count: int
) -> None:
    url = request.getfixturevalue(database)
    assert await script.run(f'{THREE_ROWS} return c:execute("{statement}")', url) == count


@pytest.mark.parametrize("database", ["sqlite_url", "postgres_url"])
async def test_a_parameter_in_a_statement_after_with_is_bound(
    script: Script, request: pytest.FixtureRequest, database: str
) -> None:
    code = """
    c:execute("with few as (select 1 as id) update t set name = ? where id in (select id from few)", { "d" })
    return c:query("select name from t where id = 1")"""
    assert await script.run(THREE_ROWS + code, request.getfixturevalue(database)) == [{"name": "d"}]


# Several statements ---------------------------------------------------------------------------------------------


async def test_all_statements_of_a_string_are_run(script: Script, url: str) -> None:
    code = """
    c:execute([[insert into t values (1, 'a;b'); -- a comment; with a semicolon
      insert into t values (2, ';');]])
    return c:query("select name from t order by id")"""
    assert await script.run(TABLE + code, url) == [{"name": "a;b"}, {"name": ";"}]


async def test_a_failure_of_the_second_statement_is_an_error(script: Script, url: str) -> None:
    found = await error(script, TABLE + "c:execute('delete from t; delete from missing')", url)
    assert found["kind"] == "query"


async def test_a_trigger_with_semicolons_is_one_statement_in_sqlite(script: Script) -> None:
    code = """
    local c = db.connect("sqlite::memory:")
    c:execute([[create table t (x); create table log (x);
      create trigger tr after insert on t begin insert into log values (new.x); insert into log values (';'); end;
      insert into t values (5)]])
    return c:query("select * from log")"""
    assert await script.run(code) == [{"x": 5}, {"x": ";"}]


# Errors ---------------------------------------------------------------------------------------------------------


async def test_a_violated_constraint_has_the_code_of_the_database(script: Script, url: str) -> None:
    code = """
    c:execute("insert into t values (1, 'a')")
    c:execute("insert into t values (2, 'a')")"""
    found = await error(script, TABLE + code, url)
    assert found["kind"] == "constraint"
    assert found["code"] == {"sqlite": "SQLITE_CONSTRAINT_UNIQUE", "postgres": "23505", "mysql": "23000"}[dialect(url)]
    assert found.get("errno") == (1062 if dialect(url) == "mysql" else None)
    assert found["message"].startswith("db.execute: ")


async def test_a_syntax_error_has_the_code_of_the_database(script: Script, url: str) -> None:
    found = await error(script, "db.connect(...):query('selec 1')", url)
    assert found["kind"] == "query"
    assert found["code"] == {"sqlite": "SQLITE_ERROR", "postgres": "42601", "mysql": "42000"}[dialect(url)]


async def test_notes_of_mariadb_are_not_shown(mysql_url: str, assay: Command) -> None:
    code = "local c = db.connect(arg[1]) c:execute([[drop table if exists never_made]]) print(1)"
    result = await asyncio.to_thread(assay.run, "exec", "-e", code, mysql_url)
    assert (result.stderr, result.stdout) == ("", "1\n")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("db.query({}, 'x')", "db.query: bad argument 'conn' (db.Connection expected, got table)"),
        ("db.connect('sqlite::memory:'):query(nil)", "conn:query: bad argument 'sql' (string expected, got nil)"),
        (
            "db.connect('sqlite::memory:'):transaction()",
            "conn:transaction: bad argument 'fn' (function expected, got nil)",
        ),
    ],
    ids=["connection", "statement", "function"],
)
async def test_a_bad_argument(script: Script, call: str, message: str) -> None:
    assert await error(script, call) == {"message": f"test.lua:1: {message}"}


# Statements that take time --------------------------------------------------------------------------------------

SLOW = {
    "sqlite": "with recursive n(i) as (select 1 union all select i + 1 from n limit 100000000000) select max(i) from n",
    "postgres": "select pg_sleep(1000)",
    "mysql": "select sleep(1000)",
}

RUNNING = {
    "sqlite": "select 1",
    "postgres": "select 1 from pg_stat_activity where pid <> pg_backend_pid() and state = 'active'"
    " and query like '%pg_sleep(1000)%'",
    "mysql": "select 1 from information_schema.processlist where id <> connection_id() and info like '%sleep(1000)%'",
}
"""A statement that returns rows as long as the slow statement runs on the server."""


async def start_slow(script: Script, url: str, seconds: float = 60) -> None:
    """Start the slow statement: `c` is its connection, `watcher` another one, `task` returns the kind of the error."""
    code = """
    local url, slow, running, timeout = ...
    c, watcher = db.connect(url, { timeout = timeout }), db.connect(url)
    c:query("select 1")
    local ended
    task = async.spawn(function()
      local ok, problem = pcall(c.query, c, slow)
      ended = true
      return ok and "completed" or problem.kind
    end)
    repeat sleep(0.05) until ended or #watcher:query(running) > 0"""
    await script.run(code, url, SLOW[dialect(url)], RUNNING[dialect(url)], seconds)


async def end_of_slow(script: Script, code: str = "") -> str:
    """Run `code`, then return the kind of the error with which the slow statement ended."""
    found: str = await asyncio.wait_for(script.run(f"{code} return task:await()[1]"), TIMEOUT)
    return found


async def wait_until_not_running(script: Script, url: str) -> None:
    """Wait until the server has ended the slow statement; SQLite has no server to ask."""
    if dialect(url) != "sqlite":
        async with asyncio.timeout(TIMEOUT):
            while await script.run("return #watcher:query(...)", RUNNING[dialect(url)]):  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def test_a_cancelled_statement_is_ended_on_the_server(script: Script, url: str) -> None:
    await start_slow(script, url)
    assert await end_of_slow(script, "task:cancel()") == "cancelled"
    assert await script.run("return c:query('select 1 as one')") == [{"one": 1}]
    await wait_until_not_running(script, url)


async def test_a_statement_that_timed_out_is_ended_on_the_server(script: Script, url: str) -> None:
    await start_slow(script, url, seconds=2)
    assert await end_of_slow(script) == "timeout"
    assert await script.run("return c:query('select 1 as one')") == [{"one": 1}]
    await wait_until_not_running(script, url)


async def test_closing_a_connection_ends_its_statement_on_the_server(script: Script, url: str) -> None:
    await start_slow(script, url)
    assert await end_of_slow(script, "c:close()") == "closed"
    await wait_until_not_running(script, url)


async def test_a_locked_file_times_out(script: Script, sqlite_url: str) -> None:
    code = """
    local other = db.connect(url, { timeout = 0.2 })
    local problem
    c:transaction(function(tx)
      tx:execute("insert into t values (1, 'a')")
      problem = select(2, pcall(other.execute, other, "insert into t values (2, 'b')"))
    end)
    return { kind = problem.kind, message = tostring(problem) }"""
    assert await script.run(TABLE + code, sqlite_url) == {
        "kind": "timeout",
        "message": "db.execute: statement timed out after 0.2 s",
    }


async def test_a_statement_waits_for_a_locked_file(script: Script, sqlite_url: str) -> None:
    code = """
    local other = db.connect(url)
    local waiting
    c:transaction(function(tx)
      tx:execute("insert into t values (1, 'a')")
      waiting = async.spawn(other.execute, other, "insert into t values (3, 'c')")
      sleep(0.05)
    end)
    return waiting:await()[1]"""
    assert await script.run(TABLE + code, sqlite_url) == 1
