"""The reference pages and the annotations for editors, generated from the declarations."""

from __future__ import annotations

from pathlib import Path

import pytest
from lupa.lua55 import LuaRuntime

from assay.cli import reference
from assay.lua.annotations import module_stub, stub
from assay.lua.reference import page
from assay.temporal.rest.library import library as rest
from probe_library import library as probe

PAGES = Path(__file__).parent.parent.parent / "docs" / "reference"


def test_the_pages_are_current() -> None:
    written = {path.name: path.read_text(encoding="utf-8") for path in PAGES.glob("*.md")}
    stale = sorted(name for name, text in reference.pages().items() if written.pop(name, None) != text)
    assert (stale, sorted(written)) == ([], []), "run: python -m assay.cli.reference docs/reference"


def test_the_command_writes_pages_and_annotations(tmp_path: Path) -> None:
    reference.main([str(tmp_path / "pages"), "--stubs", str(tmp_path / "assay.lua")])
    assert {path.name for path in (tmp_path / "pages").iterdir()} == set(reference.pages())
    assert (tmp_path / "assay.lua").read_text(encoding="utf-8") == reference.stubs()
    module = (tmp_path / "assay.temporal.lua").read_text(encoding="utf-8")
    assert module == reference.module_stubs()["assay.temporal.lua"]
    with pytest.raises(SystemExit):
        reference.main([])


@pytest.mark.parametrize("library", reference.libraries(), ids=lambda library: str(library.name))
def test_everything_is_described(library: object) -> None:
    text = page(library)  # type: ignore[arg-type]
    assert "|  |\n" not in text, "an argument or a field without a description"


def test_a_page() -> None:
    text = page(probe)
    for part in (
        "# probe\n\nFunctions for tests.\n\n## `probe.echo(value)` → `any`\n\nReturn a value.\n\n"
        "| argument | type | meaning |\n| --- | --- | --- |\n| `value` | `any` | Any value. |\n\n"
        "It can be called in a workflow.",
        "## `probe.optional(value?, other?)` → `any`",
        '| `other?` | `string` | `"none"` |  |',
        "## `probe.rest(first, ...)` → `any`",
        "## `probe.word(value)` → `string`",
        '| `value` | `"fast"\\|"slow"` |  |',
        "## `probe.box(value?)` → `probe.Box`",
        "### `box:wait(seconds?)` → `any`\n\nReturn the value after a while.",
        "Suspends only the calling coroutine while it waits.",
        "## `probe.runtime_of(value)` → `boolean`",
        "## probe.Options\n\nEvery kind of option.\n\n| field | type | default | meaning |",
        "| `name` | `string` |  | A required string. |",
        "| `count?` | `integer` | `0` | An integer. |",
        '| `mode?` | `"fast"\\|"slow"` | `"fast"` | One of two strings. |',
        "| `headers?` | `table<string, string\\|string[]>` |  | Strings by name. |",
        "| `inner?` | [`probe.Inner`](#probeinner) |  | More options. |",
        "| `tags?` | `string[]` | `{}` | Strings. |",
        "## probe.Inner\n\nNested options.",
    ):
        assert part in text, part


def test_a_stub() -> None:
    text = stub(probe)
    for part in (
        "---Functions for tests.\n---@class probelib\nprobe = {}",
        "---Return a value.\n---@param value any Any value.\n---@return any\nfunction probe.echo(value) end",
        "---@param function_ function\n---@param ... any\n---@return any\nfunction probe.call(function_, ...) end",
        "---@param value? integer\n---@param other? string\n---@return any\nfunction probe.optional(value, other) end",
        "---Accept a function and release it.\n---@param function_ function\n---@return nothing\n"
        "function probe.hold(function_) end",
        "---Holds a value.\n---@class probe.Box: Outcome\nlocal Box = {}",
        "---@param seconds? number Delay.\n---@return any\nfunction Box:wait(seconds) end",
        '---@field mode? "fast"|"slow" One of two strings.',
        "---@field inner? probe.Inner More options.",
    ):
        assert part in text, part


def test_methods_that_need_no_colon_need_no_self() -> None:
    text = stub(next(library for library in reference.libraries() if library.name == "async"))
    assert "---@field await fun(self?: async.Task): any[] Wait for the task; return an array" in text
    assert "---@field cancel fun(self?: async.Task): nothing Cancel the task:" in text
    assert "Task:await" not in text


def test_the_annotations_are_lua_and_declare_every_global() -> None:
    lua = LuaRuntime()
    lua.execute(reference.stubs())
    declared = lua.globals()
    for name in ("assert", "async", "fs", "http", "json", "log", "temporal"):
        assert declared[name] is not None
    for path in ("assert.eq", "async.spawn", "fs.read", "os.hostname", "http.get", "temporal.worker", "json.encode"):
        library, function = path.split(".")
        assert declared[library][function] is not None
    assert declared["sleep"] is not None
    assert declared["os"]["time"] is not None


def test_a_module_for_require_has_a_file_and_sub_objects() -> None:
    text = module_stub(rest)
    for part in (
        "---@meta assay.temporal\n",
        "---@field workflows assay.temporal.Workflows Workflows of a namespace.\n",
        "---@return assay.temporal.Client\nfunction temporal.client(url, options) end",
        "---@class assay.temporal.Workflows\n---@overload fun(self: assay.temporal.Client, options?: assay.temporal.",
        "function Workflows:wait_complete(workflow_id, timeout_secs, options) end",
    ):
        assert part in text, part
    assert LuaRuntime().execute(text).client is not None
    described = page(rest)
    for part in (
        "| `schedules` | [`assay.temporal.Schedules`](#assaytemporalschedules) | Schedules of a namespace. |",
        "### `c.workflows:search(query, options?)` → `assay.temporal.ExecutionList`",
        "### `c:workflows(options?)` → `assay.temporal.ExecutionList`",
        "### `c:is_workflow_running(workflow_id, options?)` → `boolean`",
    ):
        assert part in described, part
    assert "assay.temporal" not in stub(probe) + reference.stubs()
