"""The code blocks of README.md and docs/."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def blocks(guide: str, language: str | None = None) -> list[str]:
    """The code blocks of a guide in a language, or the languages of all."""
    found = re.findall(r"^( *)```([^\n]*)\n(.*?)^ *```", (ROOT / guide).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    if language is None:
        return [info.split(" ")[0] for _, info, _ in found]
    return [re.sub(f"^{indent}", "", text, flags=re.MULTILINE) for indent, info, text in found if info == language]
