"""The catalogue of worker events: names and codes are unique, used, and listed in the manual."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from assay import events

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "src" / "assay"
LEVELS = {20: "info", 30: "warning", 40: "error"}
WRITERS = {"telemetry/reporter.py", "telemetry/logs.py", "telemetry/runtime.py"}
"""The files of `temporal/` that may import `logging`."""


def constants() -> dict[str, events.Event]:
    """The names of the catalogue in Python."""
    return {name: event for name, event in vars(events).items() if isinstance(event, events.Event)}


def rows() -> list[str]:
    """The rows of the table in the manual."""
    return [
        f"| `{event.code}` | `{event.name}` | {LEVELS[event.level]} | {event.meaning} | {event.remedy} |"
        for event in events.CATALOGUE.values()
    ]


def test_every_code_is_in_the_manual() -> None:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `ASSAY\d+` .*$", text, re.MULTILINE) == rows()


def test_names_and_codes_are_unique() -> None:
    assert len({event.name for event in constants().values()}) == len(events.CATALOGUE) == len(constants())


@pytest.mark.parametrize("event", events.CATALOGUE.values(), ids=lambda event: event.code)
def test_a_name_says_what_it_concerns(event: events.Event) -> None:
    assert re.fullmatch(r"ASSAY[1-6]\d{3}", event.code)
    assert re.fullmatch(r"[a-z]+\.[a-z_]+", event.name)


def test_every_event_is_reported_somewhere() -> None:
    sources = [path for path in PACKAGE.rglob("*.py") if path.name != "events.py"]
    used = set(re.findall(r"\b[A-Z_]{4,}\b", "\n".join(path.read_text(encoding="utf-8") for path in sources)))
    assert constants().keys() <= used


def test_nothing_is_logged_without_an_event() -> None:
    folder = PACKAGE / "temporal"
    found = [path for path in folder.rglob("*.py") if any(map(imports_logging, ast.walk(ast.parse(path.read_text()))))]
    assert {str(path.relative_to(folder)) for path in found} == WRITERS


def imports_logging(node: ast.AST) -> bool:
    """Return true if a statement imports `logging`."""
    return isinstance(node, ast.Import) and any(alias.name == "logging" for alias in node.names)
