"""Connections of `db`: addresses, failures to connect, the pool."""

from __future__ import annotations

import asyncio

import pytest

from command import Command
from database_scripts import TABLE, dialect, error
from timeouts import TIMEOUT
from web_peers import Script, until

# Addresses and options ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("db.connect('oracle://x')", "bad argument 'url' (a sqlite://, postgres:// or mysql:// URL expected)"),
        ("db.connect('sqlite://x?a=b')", "bad argument 'url' (?mode=ro, rw or rwc expected, got ?a=b)"),
        ("db.connect('mysql://x?a=b')", "bad argument 'url' (?ssl, ssl_ca or unix_socket expected, got ?a)"),
        (
            "db.connect('sqlite::memory:', { timeout = 0 })",
            "bad option 'timeout' (a number above 0 expected, got 0)",
        ),
    ],
    ids=["scheme", "parameter of sqlite", "parameter of mysql", "timeout"],
)
async def test_a_bad_address_or_option(script: Script, call: str, message: str) -> None:
    assert await error(script, call) == {"message": f"test.lua:1: db.connect: {message}"}


async def test_each_memory_database_is_separate(script: Script) -> None:
    code = """
    local a, b = db.connect("sqlite::memory:"), db.connect("sqlite://:memory:")
    a:execute("create table t (x)")
    b:query("select * from t")"""
    assert (await error(script, code))["message"] == "db.query: no such table: t"


# Failures to connect --------------------------------------------------------------------------------------------


async def connect_error(script: Script, address: str) -> str:
    """Return the message of an error of the kind "connect"."""
    found = await error(script, "db.connect(...)", address)
    assert found["kind"] == "connect"
    assert found["message"].startswith("db.connect: ")
    assert "Traceback" not in found["message"]
    return str(found["message"])


@pytest.mark.parametrize(
    "address", ["sqlite:///no/such/folder/file.db", "sqlite://missing.db?mode=ro"], ids=["folder", "file"]
)
async def test_a_missing_sqlite_file_is_a_connect_error(script: Script, address: str) -> None:
    await connect_error(script, address)


async def test_a_wrong_password_is_a_connect_error(script: Script, server_url: str) -> None:
    assert "s3cret" in server_url
    assert "wrong" not in await connect_error(script, server_url.replace("s3cret", "wrong"))


async def test_a_missing_database_is_a_connect_error(script: Script, server_url: str) -> None:
    await connect_error(script, f"{server_url}-missing")


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("postgres://127.0.0.1:1/x", "connection refused: 127.0.0.1:1"),
        ("postgres://a:b@127.0.0.1:1,localhost:1/x", "connection refused: 127.0.0.1:1,localhost:1"),
        ("postgres:///x?host=/no/folder", "no such file or directory: /no/folder"),
        ("mysql://127.0.0.1:1/x", "connection refused: 127.0.0.1:1"),
        ("mysql://x/x?unix_socket=/no/socket", "no such file or directory: /no/socket"),
    ],
)
async def test_a_connect_error_names_the_place(script: Script, address: str, problem: str) -> None:
    assert await connect_error(script, address) == f"db.connect: {problem}"


@pytest.mark.parametrize(("scheme", "port"), [("postgres", 5432), ("mysql", 3306)])
async def test_a_connect_error_names_a_host_that_cannot_be_resolved(script: Script, scheme: str, port: int) -> None:
    assert (await connect_error(script, f"{scheme}://nowhere.invalid/x")).endswith(f": nowhere.invalid:{port}")


def test_the_command_names_the_place_of_a_connect_error(assay: Command) -> None:
    result = assay.run("exec", "-e", "print(select(2, pcall(db.connect, 'postgres://127.0.0.1:1/x')))")
    assert result.stdout == "db.connect: connection refused: 127.0.0.1:1\n"


# Closing --------------------------------------------------------------------------------------------------------


async def test_a_closed_connection_cannot_be_used(script: Script, url: str) -> None:
    found = await error(script, TABLE + "c:close() c:query('select 1')", url)
    assert found == {"kind": "closed", "message": "db.query: the connection is closed"}


async def test_the_host_forgets_a_closed_connection(script: Script) -> None:
    await script.run("for _ = 1, 3 do db.connect('sqlite::memory:'):close() end")
    assert [name for name in script.host.kept if name.startswith("db.")] == []


async def test_a_connection_can_be_closed_twice(script: Script, url: str) -> None:
    assert await script.run(TABLE + "db.close(c) c:close() return true", url) is True


async def test_a_collected_handle_closes_its_connections(script: Script, postgres_url: str) -> None:
    await script.run("watcher = db.connect(...)", postgres_url)
    await script.run("db.connect(...):query('select 1 as mark_of_the_collected')", postgres_url)
    marked = "select 1 from pg_stat_activity where query like 'select 1 as mark%'"
    async with asyncio.timeout(TIMEOUT):
        while await script.run("collectgarbage() return #watcher:query(...)", marked):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await until(lambda: len(script.host.kept) == 1)


# The pool -------------------------------------------------------------------------------------------------------

LOCKS = {
    "postgres": {
        "take": "select pg_advisory_lock(5)",
        "wait": "select pg_advisory_lock_shared(5), ",
        "release": "select pg_advisory_unlock(5)",
        "waiting": "select 1 from pg_locks where locktype = 'advisory' and not granted",
    },
    "mysql": {
        "take": "select get_lock('five', 60)",
        "wait": "select get_lock('five', 60), release_lock('five'), ",
        "release": "select release_lock('five')",
        "waiting": "select 1 from information_schema.processlist"
        " where id <> connection_id() and info like '%''five''%'",
    },
}
"""Statements about a lock; "wait" returns another column once the lock is free."""


async def test_statements_run_in_parallel(script: Script, server_url: str) -> None:
    # The lock is released only when five statements wait for it on the server.
    code = """
    local url, lock = ...
    local holder = db.connect(url, { max_connections = 1 })
    holder:query(lock.take)
    local c = db.connect(url, { max_connections = 5 })
    local tasks = {}
    for i = 1, 5 do tasks[i] = async.spawn(c.query, c, lock.wait .. i .. " as i") end
    while #holder:query(lock.waiting) < 5 do sleep(0.01) end
    holder:query(lock.release)
    local answers = {}
    for i, results in ipairs(async.all(tasks)) do answers[i] = results[1][1].i end
    return answers"""
    found = await asyncio.wait_for(script.run(code, server_url, LOCKS[dialect(server_url)]), TIMEOUT)
    assert found == [1, 2, 3, 4, 5]


async def test_many_statements_share_few_connections(script: Script, url: str) -> None:
    code = """
    c:close()
    c = db.connect(url, { max_connections = 3, timeout = 120 })
    local tasks = {}
    for i = 1, 50 do tasks[i] = async.spawn(c.execute, c, "insert into t values (?, ?)", { i, "n" .. i }) end
    async.all(tasks)
    return c:query("select count(*) as n from t")[1].n"""
    assert await script.run(TABLE + code, url) == 50


BACKENDS = {
    "postgres": {
        "own": "select pg_backend_pid() as id",
        "kill": "select pg_terminate_backend({})",
        "alive": "select 1 from pg_stat_activity where pid = {}",
    },
    "mysql": {
        "own": "select connection_id() as id",
        "kill": "kill {}",
        "alive": "select 1 from information_schema.processlist where id = {}",
    },
}
"""Statements about the process of a connection on the server."""


async def test_a_connection_that_the_server_ended_is_replaced(script: Script, server_url: str) -> None:
    statements = BACKENDS[dialect(server_url)]
    await script.run("url = ... c, watcher = db.connect(url), db.connect(url)", server_url)
    first = await script.run("return c:query(...)[1].id", statements["own"])
    await script.run("watcher:query(...)", statements["kill"].format(first))
    async with asyncio.timeout(TIMEOUT):
        while await script.run("return #watcher:query(...)", statements["alive"].format(first)):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await asyncio.sleep(1.1)  # a connection that was idle for a second is checked before it is used
    assert await script.run("return c:query(...)[1].id", statements["own"]) != first
