"""Placeholders in SQL statements."""

from __future__ import annotations

import pytest

from assay.builtins.db.sql import Dialect, scan

ALL: tuple[Dialect, ...] = ("sqlite", "postgres", "mysql")


def marked(text: str, dialect: Dialect) -> str:
    """Return the statement with the index of each placeholder in angle brackets."""
    statement = scan(text, dialect)
    return statement.replace([f"<{item.parameter}>" for item in statement.placeholders])


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("select ?, ?", "select <0>, <1>"),
        ("select $2, $1, $2", "select <1>, <0>, <1>"),
        ("select $0, $1", "select $0, <0>"),
        ("select $0, ?", "select $0, <0>"),
        ("select '?', ?", "select '?', <0>"),
        ("select 'it''s ?', ?", "select 'it''s ?', <0>"),
        ("select '$1', $1", "select '$1', <0>"),
        ('select "a?b", ?', 'select "a?b", <0>'),
        ('select "a""?", ?', 'select "a""?", <0>'),
        ("select ? -- why?\n, ?", "select <0> -- why?\n, <1>"),
        ("select ? /* why? */, ?", "select <0> /* why? */, <1>"),
        ("select a$1, b_?", "select a$1, b_<0>"),
        ("select größe$1 from t where x=?", "select größe$1 from t where x=<0>"),
        ("select ?::text", "select <0>::text"),
        ("select ? - -1", "select <0> - -1"),
        ("select 1.5e3, ?", "select 1.5e3, <0>"),
        ("select '", "select '"),
        ("select 'open ?", "select 'open <0>"),
        ("", ""),
        ("select a ?? b, ?", "select a ?? b, <0>"),
    ],
)
def test_in_every_dialect(dialect: Dialect, text: str, expected: str) -> None:
    assert marked(text, dialect) == expected


@pytest.mark.parametrize(
    ("dialect", "text", "expected"),
    [
        ("postgres", r"select '\', ?", r"select '\', <0>"),
        ("postgres", r"select E'\'?', ?", r"select E'\'?', <0>"),
        ("postgres", "select $$ ? $1 $$, ?", "select $$ ? $1 $$, <0>"),
        ("postgres", "select $a$ $b$ ? $b$ $a$, ?", "select $a$ $b$ ? $b$ $a$, <0>"),
        ("postgres", "select /* a /* ? */ ? */ ?", "select /* a /* ? */ ? */ <0>"),
        ("postgres", "select j ? $1", "select j ? <0>"),
        ("postgres", "select j ?| array[$1]", "select j ?| array[<0>]"),
        ("postgres", "select `, ?", "select `, <0>"),
        ("postgres", "select a[?]", "select a[<0>]"),
        ("sqlite", r"select '\', ?", r"select '\', <0>"),
        ("sqlite", "select `a?`, [b?], ?", "select `a?`, [b?], <0>"),
        ("sqlite", "select /* ? ", "select /* ? "),
        ("mysql", r"select '\'?', ?", r"select '\'?', <0>"),
        ("mysql", r'select "\"?", ?', r'select "\"?", <0>'),
        ("mysql", "select `a?`, ?", "select `a?`, <0>"),
        ("mysql", "select ? # why?\n, ?", "select <0> # why?\n, <1>"),
        ("mysql", "select 5--?", "select 5--<0>"),
        ("mysql", "select 5 -- ?\n, ?", "select 5 -- ?\n, <0>"),
        ("mysql", "select '%s', ?", "select '%s', <0>"),
    ],
)
def test_in_a_dialect(dialect: Dialect, text: str, expected: str) -> None:
    assert marked(text, dialect) == expected


def test_a_long_statement_is_scanned_in_linear_time() -> None:
    text = "select " + "'" * 100_001 + "(" * 100_000 + "/*" * 50_000 + "$a" * 50_000
    for dialect in ALL:
        scan(text, dialect)
