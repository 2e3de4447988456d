"""Values of `db`: conversion of columns and parameters."""

from __future__ import annotations

import pytest

from database_scripts import dialect, error
from web_peers import Script

COLUMNS = {
    "sqlite": "i integer, f real, s text, b blob, n text, z boolean, empty text",
    "postgres": "i bigint, f double precision, s text, b bytea, n numeric, z boolean, empty text",
    "mysql": "i bigint, f double, s longtext, b longblob, n decimal(40, 10), z boolean, empty text",
}

ROW = """
local url, columns = ...
local c = db.connect(url)
c:execute("drop table if exists v")
c:execute("create table v (" .. columns .. ")")
local function round_trip(i, f, s, b, n, z)
  c:execute("insert into v (i, f, s, b, n, z) values (?, ?, ?, ?, ?, ?)", { i, f, s, b, n, z })
  return c:query("select * from v")[1]
end
"""
"""The beginning of a script: `round_trip` inserts a row with a column per kind of value, and returns it as read."""


# Each database --------------------------------------------------------------------------------------------------


async def test_numbers_and_booleans_come_back_as_they_were_stored(script: Script, url: str) -> None:
    code = "return round_trip(math.maxinteger, 0.1, 's', 'b', '12345678901234567890.0123456789', true)"
    found = await script.run(ROW + code, url, COLUMNS[dialect(url)])
    assert found["i"] == 2**63 - 1
    assert found["f"] == 0.1
    assert found["n"] == "12345678901234567890.0123456789"
    assert found["z"] == (True if dialect(url) == "postgres" else 1)


async def test_small_and_empty_values_come_back_as_they_were_stored(script: Script, url: str) -> None:
    found = await script.run(
        ROW + "return round_trip(math.mininteger, -1e300, '', '', '0', false)", url, COLUMNS[dialect(url)]
    )
    assert found == {
        "i": -(2**63),
        "f": -1e300,
        "s": "",
        "b": "",
        "n": "0.0000000000" if dialect(url) == "mysql" else "0",
        "z": False if dialect(url) == "postgres" else 0,
    }


async def test_null_is_an_absent_field(script: Script, url: str) -> None:
    found = await script.run(
        ROW + "return round_trip(nil, nil, nil, 'text', nil, json.null)", url, COLUMNS[dialect(url)]
    )
    assert found == {"b": "text"}


async def test_integers_and_floats_keep_their_type(script: Script, url: str) -> None:
    code = """
    local row = round_trip(math.maxinteger, 0.1, "", "", "0", true)
    return { integer = math.type(row.i), float = math.type(row.f) }"""
    found = await script.run(ROW + code, url, COLUMNS[dialect(url)])
    assert found == {"integer": "integer", "float": "float"}


async def test_text_with_special_characters_comes_back_unchanged(script: Script, url: str) -> None:
    code = r"""
    local nasty = "a'b\"c\\d\n\r\26%s ? $1 größe 😀"
    return round_trip(0, 0.5, nasty, "", "0", true).s == nasty"""
    assert await script.run(ROW + code, url, COLUMNS[dialect(url)]) is True


async def test_all_byte_values_come_back_unchanged(script: Script, url: str) -> None:
    code = """
    local bytes = ""
    for i = 0, 255 do bytes = bytes .. string.char(i) end
    return round_trip(0, 0.5, "", bytes, "0", true).b == bytes"""
    assert await script.run(ROW + code, url, COLUMNS[dialect(url)]) is True


@pytest.mark.parametrize(
    ("params", "count", "hint"),
    [
        ("{}", 0, " (json.null is NULL)"),
        ("{ 1 }", 1, " (json.null is NULL)"),
        ("{ 1, nil }", 1, " (json.null is NULL)"),
        ("{ 1, 2, 3 }", 3, ""),
    ],
    ids=["none", "too few", "nil at the end", "too many"],
)
async def test_parameters_are_counted(script: Script, url: str, params: str, count: int, hint: str) -> None:
    found = await error(script, f"db.query(db.connect(...), 'select ?, ?', {params})", url)
    text = f"test.lua:1: db.query: bad argument 'params' (2 values expected, got {count}){hint}"
    assert found == {"message": text}


async def test_parameters_are_an_array(script: Script, url: str) -> None:
    found = await error(script, "db.query(db.connect(...), 'select ?', { a = 1 })", url)
    assert found == {"message": "test.lua:1: db.query: bad argument 'params' (an array expected)"}


# PostgreSQL -----------------------------------------------------------------------------------------------------


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
async def test_a_column_of_postgres(
    script: Script, postgres_url: str, kind: str, expression: str, wanted: object
) -> None:
    rows = await script.run(f"return db.connect(...):query([[select {expression}::{kind} as v]])", postgres_url)
    assert rows == [{"v": wanted}]


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("timestamptz", "'2026-11-23T23:55:00Z'", "2026-11-23 23:55:00+00"),
        ("timestamptz", "0", "1970-01-01 00:00:00+00"),
        ("timestamp", "'2026-11-23 23:55'", "2026-11-23 23:55:00"),
        ("date", "'2026-11-23'", "2026-11-23"),
        ("time", "'23:55'", "23:55:00"),
        ("interval", "90", "00:01:30"),
        ("numeric", "'0.10'", "0.10"),
        ("numeric", "2", "2"),
        ("jsonb", "{ a = json.array({ 1, json.null }) }", '{"a": [1, null]}'),
        ("jsonb", "'[1]'", "[1]"),
        ("int[]", "{ 1, 2.0, json.null }", "{1,2,NULL}"),
        ("text[]", """{ "a", 'b"c,' }""", '{a,"b\\"c,"}'),
        ("text[]", "{}", "{}"),
        ("text", "5", "5"),
        ("text", "json.null", None),
        ("int", "5.0", "5"),
        ("float8", "5", "5"),
        ("bytea", r"'\0\255'", "\\x00ff"),
        ("bytea", "'é'", "\\xc3a9"),
        ("uuid", "'00000000-0000-0000-0000-000000000001'", "00000000-0000-0000-0000-000000000001"),
        ("bool", "true", "true"),
    ],
)
async def test_a_parameter_of_postgres(
    script: Script, postgres_url: str, kind: str, value: str, text: str | None
) -> None:
    code = f"""local c = db.connect(...)
    c:execute("set timezone = 'UTC'")
    return c:query("select ($1::{kind})::text as v", {{ {value} }})[1]"""
    assert await script.run(code, postgres_url) == ({} if text is None else {"v": text})


@pytest.mark.parametrize(
    ("kind", "value", "problem"),
    [
        ("int", "5.5", "int4 expected, got 5.5"),
        ("int", "'x'", "int4 expected, got 'x'"),
        ("int", "{ 1 }", "int4 expected, got a table"),
        ("text", r"'\255'", "text expected, got bytes"),
        ("bool", "1", "bool expected, got 1"),
        ("date", "'soon'", "date expected, got 'soon'"),
    ],
)
async def test_a_parameter_of_the_wrong_type_in_postgres(
    script: Script, postgres_url: str, kind: str, value: str, problem: str
) -> None:
    found = await error(script, f"db.connect(...):query('select $1::{kind} as v', {{ {value} }})", postgres_url)
    assert found["message"] == f"db.query: parameter 1: {problem}"


@pytest.mark.parametrize("expression", ["'0044-03-15 BC'::date", "'12026-01-01'::timestamp"])
async def test_a_date_outside_of_the_years_1_to_9999_is_refused(
    script: Script, postgres_url: str, expression: str
) -> None:
    found = await error(script, f"db.connect(...):query([[select {expression} as v]])", postgres_url)
    assert found["kind"] == "query"
    assert found["message"] == (
        "db.query: dates and times outside the years 1 to 9999 are not supported; cast them to text"
    )


@pytest.mark.parametrize(
    ("expression", "text"),
    [("'0044-03-15 BC'::date", "0044-03-15 BC"), ("'12026-01-01'::timestamp", "12026-01-01 00:00:00")],
)
async def test_a_date_outside_of_the_years_1_to_9999_can_be_cast_to_text(
    script: Script, postgres_url: str, expression: str, text: str
) -> None:
    code = f"""local c = db.connect(...)
    pcall(c.query, c, [[select {expression} as v]])
    return c:query([[select ({expression})::text as v]])"""
    assert await script.run(code, postgres_url) == [{"v": text}]


# MariaDB --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("cast('2026-11-23 23:55:00.25' as datetime(2))", "2026-11-23T23:55:00.25"),
        ("cast('2026-11-23' as date)", "2026-11-23"),
        ("cast('-25:00:01' as time)", "-25:00:01"),
        ("cast(1.10 as decimal(10, 2))", "1.10"),
        ("18446744073709551615", "18446744073709551615"),
        ("cast(18446744073709551615 as unsigned) - 0", "18446744073709551615"),
        ("9223372036854775807", 9223372036854775807),
        ("x'00ff'", b"\0\xff"),
        ("'100%'", "100%"),
    ],
)
async def test_a_column_of_mariadb(script: Script, mysql_url: str, expression: str, wanted: object) -> None:
    rows = await script.run(f"return db.connect(...):query([[select {expression} as v]])", mysql_url)
    assert rows == [{"v": wanted}]


async def test_a_null_column_of_mariadb_is_an_absent_field(script: Script, mysql_url: str) -> None:
    assert await script.run("return db.connect(...):query('select null as v, 1 as w')", mysql_url) == [{"w": 1}]
