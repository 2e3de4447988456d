"""docs/errors.md lists each `kind` and `type` that the source names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from command import Command
from guides import ROOT, blocks

SOURCE = ROOT / "src" / "assay"
PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")

OTHER_KINDS = {"argument", "extra argument", "rest", "search attributes", "string", "table"}
"""Values of `kind` that are not error kinds."""

ELSEWHERE = ("cli", "debugging", "temporal/timeline")
"""Folders whose kinds and types are not those of errors."""

FAMILIES = re.compile(r"^[A-Z]+(_[A-Z]+)*$")
"""gRPC statuses and Nexus handler errors: the page names examples."""


def strings(node: ast.expr | None) -> Iterator[str]:
    """The constants that an expression can evaluate to."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from strings(node.body)
        yield from strings(node.orelse)


def named(field: str, *, positional: dict[str, int]) -> set[str]:
    """The strings that the source gives a field of errors: as an argument, in a table, or in a variable of its name."""
    found: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        if any(path.is_relative_to(SOURCE / folder) for folder in ELSEWHERE):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func).rpartition(".")[2]
                if name.endswith(("ErrorObject", "RestError", "update", "__init__", "QueryFailed")):
                    for keyword in node.keywords:
                        found.update(strings(keyword.value) if keyword.arg == field else ())
                if name in positional and len(node.args) > positional[name]:
                    found.update(strings(node.args[positional[name]]))
            elif isinstance(node, ast.Assign):
                for target in node.targets:
                    words = ast.unparse(target).strip("()")
                    if words in (field, f'described["{field}"]', f"described['{field}']"):
                        found.update(strings(node.value))
                    elif words.startswith(f"{field}, ") and isinstance(node.value, ast.Tuple):
                        found.update(strings(node.value.elts[0]))
            elif isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == field:
                        found.update(strings(value))
    return found


def listed() -> set[str]:
    """The words in code in the first two columns of the tables."""
    rows = [line.split(" | ")[:2] for line in PAGE.splitlines() if line.startswith("| ")]
    return set(re.findall(r"`([^`]+)`", " ".join(cell for row in rows for cell in row)))


def test_each_kind_is_listed() -> None:
    kinds = named("kind", positional={}) - OTHER_KINDS
    assert len(kinds) > 15, "the source is written in another way now: mend this test"
    assert sorted(kinds - listed()) == []


def test_each_type_is_listed() -> None:
    types = named("type", positional={"application": 1}) | {"LuaError"}
    types = {name for name in types if not FAMILIES.match(name)} | {"TIMEOUT"}
    assert len(types) > 9, "the source is written in another way now: mend this test"
    assert sorted(types - listed()) == []


def test_no_kind_is_listed_that_nothing_raises() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    tables = PAGE.partition("## Types")[0] + PAGE.partition("## Kinds of builtin errors")[2]
    kinds = set(re.findall(r"^\| [^|]*\| `(\w+)` \|", tables, re.MULTILINE))
    kinds |= set(re.findall(r"^\| `(\w+)` \|", PAGE.partition("## Types")[0], re.MULTILINE)) - {"kind"}
    assert len(kinds) > 20
    assert [kind for kind in sorted(kinds) if f'"{kind}"' not in text] == []


def test_the_example(assay: Command) -> None:
    (program,) = blocks("docs/errors.md", "lua")
    assay.script(program)
    result = assay.run("script.lua")
    assert result.stdout == "false\tconnect\ntrue\n", result.stderr


@pytest.mark.parametrize(
    ("code", "kind", "type_"),
    [
        ("error({ kind = 'x', message = 'm' })", "x", None),
        ("local t = async.spawn(sleep, 60) t.cancel() t.await()", "cancelled", None),
        ("db.connect('sqlite::memory:'):query('nonsense')", "query", None),
        ("local c = db.connect('sqlite::memory:') c:execute('create table t (a unique)')"
         " c:execute('insert into t values (1)') c:execute('insert into t values (1)')", "constraint", None),
        ("temporal.connect({ url = '127.0.0.1:1' })", "rpc", None),
        ("http.get('http://nowhere.invalid/')", "dns", None),
    ],
)  # fmt: skip
def test_raised_errors_have_the_kind(assay: Command, code: str, kind: str, type_: str | None) -> None:
    assay.script(f"local ok, err = pcall(function() {code} end)\nprint(ok, err.kind, err.type)")
    result = assay.run("script.lua")
    assert result.stdout == f"false\t{kind}\t{type_ or 'nil'}\n", result.stderr
