"""The manual's page about the command line, generated from the commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.cli import command_page
from assay.cli.names import COMMANDS
from command import Command

PAGE = Path(__file__).parent.parent.parent / "docs" / "command-line.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == command_page.text(), "run: make docs"


def test_the_module_writes_the_page(tmp_path: Path) -> None:
    command_page.main([str(tmp_path / "page.md")])
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == command_page.text()


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_a_section(name: str) -> None:
    assert f"\n## `assay {name}`\n" in command_page.text()


def test_subcommands_and_options_are_described() -> None:
    text = command_page.text()
    assert "\n### `assay workflow signal`\n" in text
    assert "| `--health IP:PORT` |" in text
    assert "| `--allow-net [=HOST,…]` |" in text


def test_examples_of_a_help_text_stay_as_they_are(assay: Command) -> None:
    shown = "fish: assay completion fish > ~/.config/fish/completions/assay.fish\n```\n"
    assert shown in command_page.text()


def test_the_exit_codes(assay: Command) -> None:
    assert assay.run("exec", "-e", "os.exit(7)").returncode == 7
    assert assay.run("exec", "-e", "error('no')").returncode == 1
    assert assay.run("exec").returncode == 2
