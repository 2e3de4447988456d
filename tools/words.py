"""Finds words and phrases that the project avoids in sources and guides: `python tools/words.py`.

`docs/glossary.md` lists the terms to use.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PLACES = ("src", "docs", "README.md", "CONTRIBUTING.md", "SECURITY.md")
SUFFIXES = {".py", ".lua", ".md"}

WORDS = {
    r"\b(tell|tells|told|telling) (of|that)\b|\bis told\b|\bare told\b|\btold as\b": "report, log, return",
    r"\bfor ever\b": "forever, or 'without a limit'",
    r"\bthat is none\b": "say what it is",
    r"\bso many at once\b": "in parallel",
    r"\bbelongs? into\b": "belongs in",
    r"\bbears? to\b|\bmust bear\b": "can, tolerates",
    r"\bstand-ins?\b": "stub, placeholder",
    r"\b(a|the) text that is\b": "string",
    r"\bcannot be carried\b|\bcannot carry\b": "cannot be serialized",
    r"\bof (its|their) own\b": "separate, private, its own …",
    r"\bin place of\b": "instead of",
    r"\banew\b": "again",
    r"\b(is|are|be|when) left out\b|\b(leaves?|leave \w+) out\b": "omitted, omit",
    r"\b(hears?|heard) of\b": "is notified of, learns of",
    r"\bstands? for\b": "represents, is short for",
    r"\bMOST_[A-Z]|\b_MOST_[A-Z]|\b_?LONGEST_[A-Z]|\b_?DEEPEST_[A-Z]": "MAX_…",
    r"\b_?FEWEST_[A-Z]": "MIN_…",
    r"\b\w*PATIENCE\b": "…_TIMEOUT",
    r"\b_?TOLD\b": "…LOGGED",
}
SOURCE_WORDS = {
    r"\b(nobody|somebody|whoever)\b": "name the actor: the caller, the script, the client",
    r"^\s*r?\"{3}(What|How|Tell|Say|Who|Where|Which|When)\b": "a noun phrase, or 'Return …'",
}
"""Patterns that only sources must not have: programs and headings of guides may."""

_PATTERNS = [(re.compile(pattern), advice) for pattern, advice in WORDS.items()]
_SOURCE_PATTERNS = [(re.compile(pattern), advice) for pattern, advice in SOURCE_WORDS.items()]


def files() -> Iterator[Path]:
    """Yield the files to check."""
    for place in PLACES:
        path = ROOT / place
        found = sorted(path.rglob("*")) if path.is_dir() else [path] if path.is_file() else []
        yield from (file for file in found if file.suffix in SUFFIXES and file != Path(__file__).resolve())


def findings(text: str, *, is_source: bool) -> Iterator[tuple[int, str, str]]:
    """Yield the line number, the words and the advice of each finding in `text`."""
    patterns = _PATTERNS + _SOURCE_PATTERNS * is_source
    for number, line in enumerate(text.split("\n"), 1):
        for pattern, advice in patterns:
            if found := pattern.search(line):
                yield number, found[0], advice


def main() -> None:
    """Print the findings; exit with 1 if there are any."""
    count = 0
    for file in files():
        for number, words, advice in findings(file.read_text(encoding="utf-8"), is_source=file.suffix != ".md"):
            sys.stdout.write(f"{file.relative_to(ROOT)}:{number}: '{words}': {advice}\n")
            count += 1
    sys.exit(1 if count else 0)


if __name__ == "__main__":
    main()
