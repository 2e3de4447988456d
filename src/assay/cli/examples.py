"""The examples of the reference: Lua files beside its pages, which run as tests.

A section begins with a line `--- NAME…` that names the functions that it shows; the page has it under the first of
them, and the others refer to it. A section named `setup` is not shown: it runs before each of the others.
"""

from __future__ import annotations

import re
from pathlib import Path

from assay.cli.guides import FOLDERS

SETUP = "setup"

_HEAD = re.compile(r"^--- (.+)\n", re.MULTILINE)


def sections(library: str) -> list[tuple[list[str], str]]:
    """The sections of a library's file: the names, and the Lua code."""
    for folder in FOLDERS:
        path = folder / "reference" / "examples" / f"{library}.lua"
        if path.exists():
            return _parse(path)
    return []


def _parse(path: Path) -> list[tuple[list[str], str]]:
    _, *parts = _HEAD.split(path.read_text(encoding="utf-8"))
    return [(names.split(), code.strip() + "\n") for names, code in zip(parts[::2], parts[1::2], strict=True)]


def shown(library: str) -> dict[str, str]:
    """Return what the page shows below each function, in Markdown."""
    found: dict[str, str] = {}
    for names, code in sections(library):
        if names == [SETUP]:
            continue
        first, *others = names
        found[first] = f"```lua\n{code}```"
        found |= dict.fromkeys(others, f"Example: see `{first}`.")
    return found
