"""The code blocks of README.md and docs/."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


PROGRAM = ("The program", "How to run it", "What you see")
"""The sections of a guide that `guide_programs.py` runs."""


def section(guide: str, heading: str) -> str | None:
    """The text below a heading of a guide, up to the next heading of the same level."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", _read(guide), re.MULTILINE | re.DOTALL)
    return None if found is None else found[1]


def fenced(text: str) -> list[tuple[str, str]]:
    """The code blocks of Markdown source, each with its info string (the language and the rest of that line)."""
    found = re.findall(r"^( *)```([^\n]*)\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    return [(info, re.sub(f"^{indent}", "", code, flags=re.MULTILINE)) for indent, info, code in found]


def blocks(guide: str, language: str) -> list[str]:
    """The code blocks of a guide in a language, except those of its program."""
    return [code for info, code in fenced(_without_program(guide)) if info == language]


def languages(guide: str) -> list[str]:
    """The languages of the code blocks of a guide, except those of its program."""
    return [info.split(" ")[0] for info, _ in fenced(_without_program(guide))]


def _without_program(guide: str) -> str:
    text = _read(guide)
    for heading in PROGRAM:
        text = text.replace(section(guide, heading) or "\0", "")
    return text


def _read(guide: str) -> str:
    return (ROOT / guide).read_text("utf-8")
