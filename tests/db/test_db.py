"""`db` against SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from assay.errors import LuaError
from command import Command
from web_peers import WAIT_TIMEOUT, Script, until

TABLE = """
local url = ...
local c = db.connect(url)
c:execute("drop table if exists t")
c:execute("create table t (id integer primary key, name varchar(50) unique)")
"""

SLOW = {
    "sqlite": "with recursive n(i) as (select 1 union all select i + 1 from n limit 100000000000) select max(i) from n",
    "postgres": "select pg_sleep(1000)",
    "mysql": "select sleep(1000)",
}


def dialect(url: str) -> str:
    return url.partition(":")[0]


async def error(script: Script, code: str, *arguments: Any) -> dict[str, Any]:
    """The fields of the error that some code raises."""
    with pytest.raises(LuaError) as caught:
        await script.run(code, *arguments)
    value: dict[str, Any] = caught.value.value or {"message": caught.value.message}
    return value


async def test_functions_and_methods(script: Script, url: str) -> None:
    found = await script.run(
        TABLE
        + """
        local out = {}
        out[1] = db.execute(c, "insert into t values (?, ?), (?, ?)", { 1, "one", 2, "two" })
        out[2] = c:execute("insert into t values ($2, $1)", { "three", 3 })
        out[3] = db.query(c, "select id, name from t where id < ? order by id", { 3 })
        out[4] = c:query("select name from t where name = '?' or name = ? -- ?", { "three" })
        out[5] = c:query("select id from t where id > 5")
        out[6] = c:execute("update t set name = name where id < 3")
        out[7] = c:execute("delete from t")
        db.close(c) c:close()
        out[8] = select(2, pcall(c.query, c, "select 1"))
        return out""",
        url,
    )
    assert found[:7] == [2, 1, [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}], [{"name": "three"}], [], 2, 3]
    assert found[7] == {"kind": "closed", "message": "db.query: the connection is closed"}


async def test_values(script: Script, url: str) -> None:
    columns = {
        "sqlite": "i integer, f real, s text, b blob, n text, z boolean, empty text",
        "postgres": "i bigint, f double precision, s text, b bytea, n numeric, z boolean, empty text",
        "mysql": "i bigint, f double, s longtext, b longblob, n decimal(40, 10), z boolean, empty text",
    }[dialect(url)]
    found = await script.run(
        r"""local url, columns = ...
        local c = db.connect(url)
        c:execute("drop table if exists v")
        c:execute("create table v (" .. columns .. ")")
        local nasty = "a'b\"c\\d\n\r\26%s ? $1 größe 😀"
        local bytes = ""
        for i = 0, 255 do bytes = bytes .. string.char(i) end
        local sql = "insert into v (i, f, s, b, n, z) values (?, ?, ?, ?, ?, ?)"
        c:execute(sql, { math.maxinteger, 0.1, nasty, bytes, "12345678901234567890.0123456789", true })
        c:execute(sql, { math.mininteger, -1e300, "", "", "0", false })
        c:execute(sql, { nil, nil, nil, "text", nil, json.null })
        local rows = c:query("select * from v")
        return { rows, rows[1].s == nasty, rows[1].b == bytes, math.type(rows[1].i), math.type(rows[1].f) }""",
        url,
        columns,
    )
    first, second, third = found[0]
    assert found[1:] == [True, True, "integer", "float"]
    true, false = (True, False) if dialect(url) == "postgres" else (1, 0)
    zero = {"sqlite": "0", "postgres": "0", "mysql": "0.0000000000"}[dialect(url)]
    assert (first["i"], first["f"], first["z"]) == (2**63 - 1, 0.1, true)
    assert first["n"] == "12345678901234567890.0123456789"
    assert second == {"i": -(2**63), "f": -1e300, "s": "", "b": "", "n": zero, "z": false}
    assert third == {"b": "text"}


@pytest.mark.parametrize(
    ("kind", "expression", "wanted"),
    [
        ("timestamptz", "'2026-11-23 23:55:00.5+01'", "2026-11-23T22:55:00.500000+00:00"),
        ("timestamp", "'2026-11-23 23:55:00'", "2026-11-23T23:55:00"),
        ("date", "'2026-11-23'", "2026-11-23"),
        ("time", "'23:55:01'", "23:55:01"),
        ("interval", "'1 hour 2 seconds'", 3602.0),
        ("numeric", "'0.00000000010'", "0.00000000010"),
        ("numeric", "1e30", "1" + "0" * 30),
        ("jsonb", """'{"a": [1, 2.5, null, "x"], "b": {}}'""", {"a": [1, 2.5, None, "x"], "b": {}}),
        ("int[]", "'{1,null,3}'", [1, None, 3]),
        ("text[]", "'{{a,b},{c,d}}'", [["a", "b"], ["c", "d"]]),
        ("uuid", "'00000000-0000-0000-0000-000000000001'", "00000000-0000-0000-0000-000000000001"),
        ("inet", "'10.0.0.1/8'", "10.0.0.1/8"),
        ("bit(3)", "'101'", "101"),
        ("int4range", "'[1,5)'", "[1,5)"),
        ("tstzrange", "'(,2026-11-23 23:55:00Z]'", "(,2026-11-23T23:55:00+00:00]"),
        ("int4range", "'empty'", "empty"),
    ],
)
async def test_types_of_postgres(script: Script, postgres_url: str, kind: str, expression: str, wanted: object) -> None:
    rows = await script.run(f"return db.connect(...):query([[select {expression}::{kind} as v]])", postgres_url)
    assert rows == [{"v": wanted}]


async def test_parameters_of_postgres(script: Script, postgres_url: str) -> None:
    found = await script.run(
        r"""local c = db.connect(...)
        local function one(kind, value)
          local row = c:query("select ($1::" .. kind .. ")::text as v", { value })[1]
          return row.v or "NULL"
        end
        c:execute("set timezone = 'UTC'")
        return {
          one("timestamptz", "2026-11-23T23:55:00Z"), one("timestamptz", 0), one("timestamp", "2026-11-23 23:55"),
          one("date", "2026-11-23"), one("time", "23:55"),
          one("interval", 90), one("numeric", "0.10"), one("numeric", 2),
          one("jsonb", { a = json.array({ 1, json.null }) }), one("jsonb", "[1]"), one("int[]", { 1, 2.0, json.null }),
          one("text[]", { "a", 'b"c,' }), one("text[]", {}), one("text", 5), one("int", 5.0), one("float8", 5),
          one("bytea", "\0\255"), one("bytea", "é"), one("uuid", "00000000-0000-0000-0000-000000000001"),
          one("text", json.null), one("bool", true),
          tostring(select(2, pcall(one, "int", 5.5))), tostring(select(2, pcall(one, "int", "x"))),
          tostring(select(2, pcall(one, "text", "\255"))), tostring(select(2, pcall(one, "bool", 1))),
          tostring(select(2, pcall(one, "date", "soon"))), tostring(select(2, pcall(one, "int", { 1 }))),
        }""",
        postgres_url,
    )
    assert found[:21] == [
        *("2026-11-23 23:55:00+00", "1970-01-01 00:00:00+00", "2026-11-23 23:55:00"),
        *("2026-11-23", "23:55:00", "00:01:30", "0.10", "2"),
        *('{"a": [1, null]}', "[1]", "{1,2,NULL}"),
        *('{a,"b\\"c,"}', "{}", "5", "5", "5"),
        *("\\x00ff", "\\xc3a9", "00000000-0000-0000-0000-000000000001"),
        *("NULL", "true"),
    ]
    assert found[21:] == [
        "db.query: parameter 1: int4 expected, got 5.5",
        "db.query: parameter 1: int4 expected, got 'x'",
        "db.query: parameter 1: text expected, got bytes",
        "db.query: parameter 1: bool expected, got 1",
        "db.query: parameter 1: date expected, got 'soon'",
        "db.query: parameter 1: int4 expected, got a table",
    ]


@pytest.mark.parametrize("expression", ["'0044-03-15 BC'::date", "'12026-01-01'::timestamp"])
async def test_a_date_that_is_too_far_away(script: Script, postgres_url: str, expression: str) -> None:
    found = await script.run(
        f"""local c = db.connect(...)
        local ok, problem = pcall(c.query, c, [[select {expression} as v]])
        return {{ tostring(problem), problem.kind, c:query([[select ({expression})::text as v]])[1].v }}""",
        postgres_url,
    )
    assert found[0] == "db.query: dates and times outside the years 1 to 9999 are not supported; cast them to text"
    assert found[1] == "query"
    assert found[2].startswith(("0044-03-15 BC", "12026-01-01"))


async def test_notes_of_mariadb_are_not_shown(mysql_url: str, assay: Command) -> None:
    code = "local c = db.connect(arg[1]) c:execute([[drop table if exists never_made]]) print(1)"
    result = await asyncio.to_thread(assay.run, "exec", "-e", code, mysql_url)
    assert (result.stderr, result.stdout) == ("", "1\n")


async def test_types_of_mariadb(script: Script, mysql_url: str) -> None:
    found = await script.run(
        """local c = db.connect(...)
        return c:query([[select cast('2026-11-23 23:55:00.25' as datetime(2)) as a, cast('2026-11-23' as date) as b,
          cast('-25:00:01' as time) as c, cast(1.10 as decimal(10, 2)) as d, 18446744073709551615 as e,
          cast(18446744073709551615 as unsigned) - 0 as f, null as g, x'00ff' as h,
          '100%' as i, 9223372036854775807 as j
        ]])""",
        mysql_url,
    )
    assert found == [
        {
            "a": "2026-11-23T23:55:00.25",
            "b": "2026-11-23",
            "c": "-25:00:01",
            "d": "1.10",
            "e": "18446744073709551615",
            "f": "18446744073709551615",
            "h": b"\0\xff",
            "i": "100%",
            "j": 9223372036854775807,
        }
    ]


async def test_parameters_are_counted(script: Script, url: str) -> None:
    for params, got, hint in (("{}", 0, True), ("{ 1 }", 1, True), ("{ 1, 2, 3 }", 3, False), ("{ 1, nil }", 1, True)):
        found = await error(script, f"db.query(db.connect(...), 'select ?, ?', {params})", url)
        text = f"test.lua:1: db.query: bad argument 'params' (2 values expected, got {got})"
        assert found == {"message": text + (" (json.null is NULL)" if hint else "")}
    found = await error(script, "db.query(db.connect(...), 'select ?', { a = 1 })", url)
    assert found == {"message": "test.lua:1: db.query: bad argument 'params' (an array expected)"}


async def test_errors_have_a_kind_and_a_code(script: Script, url: str) -> None:
    code = TABLE + "c:execute('insert into t values (1, ?)', { 'a' })"
    found = await error(script, code + "c:execute('insert into t values (2, ?)', { 'a' })", url)
    assert found["kind"] == "constraint"
    assert found["code"] == {"sqlite": "SQLITE_CONSTRAINT_UNIQUE", "postgres": "23505", "mysql": "23000"}[dialect(url)]
    assert found["message"].startswith("db.execute: ")
    assert found.get("errno") == (1062 if dialect(url) == "mysql" else None)
    found = await error(script, "db.connect(...):query('selec 1')", url)
    assert found["kind"] == "query"
    assert found["code"] == {"sqlite": "SQLITE_ERROR", "postgres": "42601", "mysql": "42000"}[dialect(url)]


async def test_what_cannot_be_connected(script: Script, url: str) -> None:
    wrong = {
        "sqlite": ["sqlite:///no/such/folder/file.db", "sqlite://missing.db?mode=ro"],
        "postgres": [url.replace("s3cret", "wrong"), url + "-missing"],
        "mysql": [url.replace("s3cret", "wrong"), url + "-missing"],
    }[dialect(url)]
    for address in wrong:
        found = await error(script, "db.connect(...)", address)
        assert found["kind"] == "connect", found
        assert found["message"].startswith("db.connect: ")
        assert "Traceback" not in found["message"]


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("postgres://127.0.0.1:1/x", "connection refused: 127.0.0.1:1"),
        ("postgres://a:b@127.0.0.1:1,localhost:1/x", "connection refused: 127.0.0.1:1,localhost:1"),
        ("postgres:///x?host=/no/folder", "no such file or directory: /no/folder"),
        ("mysql://127.0.0.1:1/x", "connection refused: 127.0.0.1:1"),
        ("mysql://x/x?unix_socket=/no/socket", "no such file or directory: /no/socket"),
    ],
)
async def test_why_and_where_there_is_no_connection(script: Script, url: str, problem: str) -> None:
    found = await error(script, "db.connect(...)", url)
    assert (found["kind"], found["message"]) == ("connect", f"db.connect: {problem}")


@pytest.mark.parametrize(("scheme", "port"), [("postgres", 5432), ("mysql", 3306)])
async def test_a_database_server_that_cannot_be_found(script: Script, scheme: str, port: int) -> None:
    found = await error(script, "db.connect(...)", f"{scheme}://nowhere.invalid/x")
    assert found["kind"] == "connect"
    assert found["message"].endswith(f": nowhere.invalid:{port}")


def test_the_command_says_why_and_where_there_is_no_connection(assay: Command) -> None:
    result = assay.run("exec", "-e", "print(select(2, pcall(db.connect, 'postgres://127.0.0.1:1/x')))")
    assert result.stdout == "db.connect: connection refused: 127.0.0.1:1\n"


async def test_a_transaction_that_a_statement_begins_does_not_stay_in_the_pool(script: Script, server_url: str) -> None:
    found = await script.run(
        TABLE
        + """
        c:close()
        c = db.connect(url, { max_connections = 1 })
        local ok, problem = pcall(c.execute, c, "begin")
        c:execute("insert into t values (1, 'a')")
        return { tostring(problem), #db.connect(url):query("select * from t") }""",
        server_url,
    )
    text = "db.execute: use conn:transaction(fn): the handle is a connection pool"
    assert found == [text, 1]


async def test_a_transaction(script: Script, url: str) -> None:
    found = await script.run(
        TABLE
        + """
        local function names()
          local list = {}
          for i, row in ipairs(c:query("select name from t order by id")) do list[i] = row.name end
          return table.concat(list, " ")
        end
        local out = { table.pack(c:transaction(function(tx)
          tx:execute("insert into t values (1, 'a')")
          db.execute(c, "insert into t values (2, 'b')")
          return names(), nil, "results"
        end)) }
        local ok, problem = pcall(c.transaction, c, function(tx)
          tx:execute("insert into t values (3, 'c')")
          error({ kind = "mine", n = 5 })
        end)
        out[2] = { ok, problem.kind, problem.n, names() }
        c:transaction(function(tx)
          tx:execute("insert into t values (4, 'd')")
          out[3] = table.pack(pcall(tx.transaction, tx, function()
            c:execute("insert into t values (5, 'e')")
            error("inner", 0)
          end))
          tx:transaction(function() tx:execute("insert into t values (6, 'f')") end)
        end)
        out[4] = names()
        local kept
        db.transaction(c, function(tx) kept = tx end)
        out[5] = tostring(select(2, pcall(kept.query, kept, "select 1")))
        out[6] = tostring(select(2, pcall(kept.transaction, kept, print)))
        c:transaction(function(tx) out[7] = tostring(select(2, pcall(tx.close, tx))) end)
        return out""",
        url,
    )
    assert found == [
        {"1": "a b", "3": "results", "n": 3},
        [False, "mine", 5, "a b"],
        {"1": False, "2": "inner", "n": 2},
        "a b d f",
        "db.query: the transaction has ended",
        "db.transaction: the transaction has ended",
        "conn:close: a transaction's handle cannot be closed; the transaction ends with its function",
    ]


async def test_a_cancelled_transaction_rolls_back(script: Script, url: str) -> None:
    found = await script.run(
        TABLE
        + """
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
        return { problem.kind, #c:query("select * from t") }""",
        url,
    )
    assert found == ["cancelled", 0]


async def test_others_see_a_transaction_when_it_is_over(script: Script, url: str) -> None:
    found = await script.run(
        TABLE
        + """
        local inside, go
        local task = async.spawn(function()
          c:transaction(function(tx)
            tx:execute("insert into t values (1, 'a')")
            inside = true
            while not go do sleep(0.001) end
          end)
        end)
        while not inside do sleep(0.001) end
        local before = async.spawn(function() return #c:query("select * from t") end)
        if url:match("^sqlite") then sleep(0.01) go = true end -- one connection: it has to wait
        local seen = before:await()[1]
        go = true
        task:await()
        return { seen, #c:query("select * from t") }""",
        url,
    )
    assert found == [1 if dialect(url) == "sqlite" else 0, 1]


async def test_a_failed_statement_does_not_commit_in_silence(script: Script, postgres_url: str) -> None:
    found = await error(
        script,
        TABLE
        + """c:transaction(function(tx)
          tx:execute("insert into t values (1, 'a')")
          pcall(tx.execute, tx, "insert into t values (1, 'again')")
        end)""",
        postgres_url,
    )
    assert found["kind"] == "conflict"
    assert found["message"] == "db.transaction: rolled back, because a statement of the transaction had failed"
    assert await script.run("return #db.connect(...):query('select * from t')", postgres_url) == 0


async def test_a_transaction_that_the_server_ended_does_not_go_on(script: Script, mysql_url: str) -> None:
    found = await error(
        script,
        TABLE
        + """c:transaction(function(tx)
          tx:execute("create table if not exists u (a int)")
          tx:execute("insert into t values (1, 'a')")
        end)""",
        mysql_url,
    )
    assert found["kind"] == "conflict"
    assert found["message"].startswith("db.execute: the database ended the transaction: ")


async def test_a_deadlock_is_a_conflict(script: Script, server_url: str) -> None:
    found = await script.run(
        TABLE
        + """
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
        return { a[1] ~= b[1], failed[2].kind }""",
        server_url,
    )
    assert found == [True, "conflict"]


async def test_transactions_by_hand(script: Script, url: str) -> None:
    code = TABLE + "c:execute('begin') c:execute([[insert into t values (1, 'a')]]) c:execute('rollback')"
    if dialect(url) == "sqlite":
        assert await script.run(code + "return #c:query('select * from t')", url) == 0
    else:
        found = await error(script, code, url)
        problem = "db.execute: use conn:transaction(fn): the handle is a connection pool"
        assert found["message"] == problem


async def test_statements_run_at_once(script: Script, server_url: str) -> None:
    # Each waits at the server for a lock that is let go when all of them wait.
    lock, wait, unlock, waiting = {
        "postgres": (
            "pg_advisory_lock(5)",
            "pg_advisory_lock_shared(5)",
            "pg_advisory_unlock(5)",
            "select 1 from pg_locks where locktype = 'advisory' and not granted",
        ),
        "mysql": (
            "get_lock('five', 60)",
            "get_lock('five', 60), release_lock('five')",
            "release_lock('five')",
            "select 1 from information_schema.processlist where id <> connection_id() and info like '%''five''%'",
        ),
    }[dialect(server_url)]
    code = f"""local url = ...
        local holder = db.connect(url, {{ max_connections = 1 }})
        holder:query([[select {lock}]])
        local c = db.connect(url, {{ max_connections = 5 }})
        local tasks = {{}}
        for i = 1, 5 do tasks[i] = async.spawn(c.query, c, [[select {wait}, ]] .. i .. " as i") end
        while #holder:query([[{waiting}]]) < 5 do sleep(0.01) end
        holder:query([[select {unlock}]])
        local sum = 0
        for i, results in ipairs(async.all(tasks)) do sum = sum + results[1][1].i end
        return sum"""
    assert await asyncio.wait_for(script.run(code, server_url), WAIT_TIMEOUT) == 15


async def test_many_statements_share_few_connections(script: Script, url: str) -> None:
    found = await script.run(
        TABLE
        + """
        c:close()
        c = db.connect(url, { max_connections = 3, timeout = 120 })
        local tasks = {}
        for i = 1, 50 do tasks[i] = async.spawn(c.execute, c, "insert into t values (?, ?)", { i, "n" .. i }) end
        async.all(tasks)
        return c:query("select count(*) as n from t")[1].n""",
        url,
    )
    assert found == 50


def busy(rows: list[dict[str, Any]]) -> bool:
    return any("leep" in str(row) and "1000" in str(row) for row in rows)


@pytest.mark.parametrize("how", ["cancelled", "timeout", "closed"])
async def test_a_statement_can_be_stopped(script: Script, url: str, how: str) -> None:
    await script.run(
        """local url, slow, how = ...
        c = db.connect(url, { timeout = how == "timeout" and 2 or 60 })
        c:query("select 1")
        task = async.spawn(function()
          local ok, problem = pcall(c.query, c, slow)
          return { ok, problem.kind }
        end)
        sleep(0.05)""",
        url,
        SLOW[dialect(url)],
        how,
    )
    end = {"cancelled": "task:cancel()", "timeout": "", "closed": "c:close()"}[how]
    found = await asyncio.wait_for(script.run(f"{end} return task:await()[1]"), WAIT_TIMEOUT)
    assert found == [False, how]
    if how != "closed":
        assert await script.run("return c:query('select 1 as one')") == [{"one": 1}]
    watch = {
        "postgres": "select query from pg_stat_activity where pid <> pg_backend_pid() and state = 'active'",
        "mysql": "select info from information_schema.processlist where id <> connection_id()",
    }.get(dialect(url))
    if watch is None:
        return
    await script.run("w = db.connect(...)", url)
    async with asyncio.timeout(WAIT_TIMEOUT):
        while busy(await script.run(f"return w:query([[{watch}]])")):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_connection_that_the_server_ended_is_replaced(script: Script, server_url: str) -> None:
    mine = {"postgres": "pg_backend_pid()", "mysql": "connection_id()"}[dialect(server_url)]
    kill = {"postgres": "select pg_terminate_backend({})", "mysql": "kill {}"}[dialect(server_url)]
    watch = {
        "postgres": "select 1 from pg_stat_activity where pid = {}",
        "mysql": "select 1 from information_schema.processlist where id = {}",
    }[dialect(server_url)]
    number = await script.run(f"c = db.connect(...) return c:query('select {mine} as id')[1].id", server_url)
    await script.run(f"w = db.connect(...) w:query('{kill.format(number)}')", server_url)
    async with asyncio.timeout(WAIT_TIMEOUT):
        while await script.run(f"return #w:query('{watch.format(number)}')"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await asyncio.sleep(1.1)  # after a second an idle connection is looked at before it is used
    assert await script.run(f"return c:query('select {mine} as id')[1].id") != number


async def test_a_table_that_changes_its_columns(script: Script, url: str) -> None:
    found = await script.run(
        TABLE
        + """
        c:execute("insert into t values (1, 'a')")
        local before = c:query("select * from t where id = ?", { 1 })
        c:execute("alter table t add column more varchar(10) default 'x'")
        return { before, c:query("select * from t where id = ?", { 1 }) }""",
        url,
    )
    assert found == [[{"id": 1, "name": "a"}], [{"id": 1, "name": "a", "more": "x"}]]


async def test_several_statements_at_once(script: Script, url: str) -> None:
    code = (
        TABLE
        + """
        c:execute([[insert into t values (1, 'a;b'); -- a comment; with a semicolon
          insert into t values (2, ';');]])
        return c:query("select name from t order by id")"""
    )
    assert await script.run(code, url) == [{"name": "a;b"}, {"name": ";"}]
    found = await error(script, "db.connect(...):execute('delete from t; delete from missing')", url)
    assert found["kind"] == "query"


async def test_changed_rows_are_counted(script: Script, url: str) -> None:
    code = (
        TABLE
        + """
        return {
          c:execute("insert into t values (1, 'a'), (2, 'b'), (3, 'c')"),
          c:execute("update t set name = null where id > ?", { 1 }),
          c:execute("insert into t values (4, 'x'); delete from t where id > 2;"),
          c:execute("delete from t where id = 99"),
        }"""
    )
    assert await script.run(code, url) == [3, 2, 2, 0]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_changed_rows_are_counted_in_any_statement(
    script: Script, kind: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres_url") if kind == "postgres" else "sqlite::memory:"
    code = (
        TABLE
        + """
        return {
          c:execute("insert into t values (1, 'a'), (2, 'b') returning id, name"),
          c:execute("with more as (select 3 as id union select 4) insert into t select id, null from more"),
          c:execute("with few as (select 1 as id) update t set name = ? where id in (select id from few)", { "d" }),
          c:execute("with none as (select 1 as id) delete from t where id = 99"),
          c:execute("delete from t where id = 1; -- and no more\\n /* nor here */ ;"),
          #c:query("select * from t"),
        }"""
    )
    assert await script.run(code, url) == [2, 2, 1, 0, 1, 3]


# SQLite alone -------------------------------------------------------------------------------------------------


async def test_each_memory_database_is_its_own(script: Script) -> None:
    found = await script.run("""
        local a, b = db.connect("sqlite::memory:"), db.connect("sqlite://:memory:")
        a:execute("create table t (x)")
        a:execute("insert into t values (1)")
        return { #a:query("select * from t"), tostring(select(2, pcall(b.query, b, "select * from t"))) }""")
    assert found == [1, "db.query: no such table: t"]


async def test_a_trigger_is_one_statement(script: Script) -> None:
    found = await script.run("""
        local c = db.connect("sqlite::memory:")
        c:execute([[create table t (x); create table log (x);
          create trigger tr after insert on t begin insert into log values (new.x); insert into log values (';'); end;
          insert into t values (5)]])
        return c:query("select * from log")""")
    assert found == [{"x": 5}, {"x": ";"}]


async def test_a_locked_file_is_waited_for(script: Script, tmp_path: object) -> None:
    url = f"sqlite://{tmp_path}/test.db"
    found = await script.run(
        TABLE
        + """
        local other = db.connect(url, { timeout = 0.2 })
        local patient = db.connect(url)
        local out = {}
        c:transaction(function(tx)
          tx:execute("insert into t values (1, 'a')")
          local ok, problem = pcall(other.execute, other, "insert into t values (2, 'b')")
          out[1], out[2] = problem.kind, tostring(problem)
          waiting = async.spawn(patient.execute, patient, "insert into t values (3, 'c')")
          sleep(0.05)
        end)
        out[3] = waiting:await()[1]
        return out""",
        url,
    )
    assert found == ["timeout", "db.execute: statement timed out after 0.2 s", 1]


async def test_options_and_urls(script: Script) -> None:
    for code, message in (
        (
            "db.connect('oracle://x')",
            "db.connect: bad argument 'url' (a sqlite://, postgres:// or mysql:// URL expected)",
        ),
        ("db.connect('sqlite://x?a=b')", "db.connect: bad argument 'url' (?mode=ro, rw or rwc expected, got ?a=b)"),
        (
            "db.connect('mysql://x?a=b')",
            "db.connect: bad argument 'url' (?ssl, ssl_ca or unix_socket expected, got ?a)",
        ),
        (
            "db.connect('sqlite::memory:', { timeout = 0 })",
            "db.connect: bad option 'timeout' (a number above 0 expected, got 0)",
        ),
        ("db.query({}, 'x')", "db.query: bad argument 'conn' (db.Connection expected, got table)"),
        (
            "db.connect('sqlite::memory:'):query(nil)",
            "conn:query: bad argument 'sql' (string expected, got nil)",
        ),
        (
            "db.connect('sqlite::memory:'):transaction()",
            "conn:transaction: bad argument 'fn' (function expected, got nil)",
        ),
    ):
        assert await error(script, code) == {"message": f"test.lua:1: {message}"}


async def test_a_collected_handle_closes_its_connections(script: Script, postgres_url: str) -> None:
    await script.run("w = db.connect(...); db.connect(...):query('select 1 as mark_of_the_collected')", postgres_url)

    async def count() -> int:
        found: int = await script.run(
            "collectgarbage() return #w:query([[select 1 from pg_stat_activity where query like 'select 1 as mark%']])"
        )
        return found

    async with asyncio.timeout(WAIT_TIMEOUT):
        while await count():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await until(lambda: len(script.host.kept) == 1)
