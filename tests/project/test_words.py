"""The word list of `make lint`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent.parent
TOOL = ROOT / "tools" / "words.py"


@pytest.fixture(scope="module")
def words() -> ModuleType:
    spec = importlib.util.spec_from_file_location("words", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "line",
    [
        "the failure is told in the log",
        "the worker waits for ever",
        "a thread of its own",
        "nil in place of a table",
        "the value cannot be carried",
        "MOST_RUNS = 10",
        "POLL_PATIENCE = 3.0",
    ],
)
def test_a_phrase_to_avoid_is_found_with_its_line_and_an_advice(words: ModuleType, line: str) -> None:
    [(number, found, advice)] = words.findings(f"first line\n{line}\n", is_source=False)
    assert number == 2
    assert found in line
    assert advice


@pytest.mark.parametrize("line", ["for every run", "the timeout of its parent", "MAX_RUNS = 10", "told"])
def test_plain_words_pass(words: ModuleType, line: str) -> None:
    assert list(words.findings(line, is_source=True)) == []


@pytest.mark.parametrize("start", ["What", "How", "Which", "Tell"])
def test_a_docstring_in_a_source_must_not_begin_with_a_relative_clause(words: ModuleType, start: str) -> None:
    line = f'    """{start} it does."""'
    assert list(words.findings(line, is_source=True))
    assert not list(words.findings(line, is_source=False))


def test_sources_and_guides_are_checked(words: ModuleType) -> None:
    checked = {path.relative_to(ROOT).as_posix() for path in words.files()}
    assert {"README.md", "docs/glossary.md", "src/assay/__init__.py", "src/assay/lua/host/bind.lua"} <= checked


def test_a_finding_is_printed_and_makes_the_tool_fail(
    words: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "README.md").write_text("It runs for ever.\n", encoding="utf-8")
    monkeypatch.setattr(words, "ROOT", tmp_path)
    with pytest.raises(SystemExit) as ended:
        words.main()
    assert ended.value.code == 1
    assert capsys.readouterr().out.startswith("README.md:1: 'for ever': ")
