"""Sections of the guides, for `assay context`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from assay.lua.reference import Entry

_PACKAGE = Path(__file__).parent.parent
FOLDERS = (_PACKAGE / "guides", _PACKAGE.parent.parent / "docs")
"""Folders of the guides in an installed package and in a checkout."""
_EXCLUDED = ("architecture.md", "command-line.md", "index.md")  # for contributors; `assay help`; a table of links
_FENCE = "```"


def sections() -> Iterator[Entry]:
    """Yield the sections of all guides, in the order of their files."""
    for folder in FOLDERS:
        for path in sorted(folder.glob("*.md")):
            if path.name not in _EXCLUDED:
                yield from _sections(path)


def _sections(path: Path) -> Iterator[Entry]:
    """Yield the sections of a guide, starting with the text before the first heading."""
    guide = heading = ""
    lines: list[str] = []
    is_code = False
    for line in [*path.read_text(encoding="utf-8").splitlines(), "## "]:
        is_code ^= line.startswith(_FENCE)
        if is_code or not line.startswith(("# ", "## ")):
            lines.append(line)
            continue
        text = "\n".join(lines).strip()
        if text:
            title = f"{guide}: {heading}" if heading else guide
            yield Entry(title, text, f"## {title}\n\n{text}\n")
        lines = []
        guide, heading = (line[2:], "") if line.startswith("# ") else (guide, line[3:])
