"""Examples of the reference: Lua files next to its pages, which also run as tests.

A section begins with a line `--- NAME…` that names the functions in the example. The page shows it under the first one;
the others refer to it. A section named `setup` is not shown: it runs before each of the others.
"""

from __future__ import annotations

import re
from pathlib import Path

from assay.cli.guides import FOLDERS

SETUP = "setup"

_HEAD = re.compile(r"^--- (.+)\n", re.MULTILINE)


def sections(library: str) -> list[tuple[list[str], str]]:
    """Return the sections of a library's file: names and Lua code."""
    for folder in FOLDERS:
        path = folder / "reference" / "examples" / f"{library}.lua"
        if path.exists():
            return _parse(path)
    return []


def _parse(path: Path) -> list[tuple[list[str], str]]:
    _, *parts = _HEAD.split(path.read_text(encoding="utf-8"))
    return [(names.split(), code.strip() + "\n") for names, code in zip(parts[::2], parts[1::2], strict=True)]


def by_function(library: str) -> dict[str, str]:
    """Return the Markdown of the example of each function."""
    examples: dict[str, str] = {}
    for names, code in sections(library):
        if names == [SETUP]:
            continue
        first, *others = names
        examples[first] = f"```lua\n{code}```"
        examples |= dict.fromkeys(others, f"Example: see `{first}`.")
    return examples
