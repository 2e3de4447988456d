"""Line coverage of Lua files: what `coverage.lua` records, and which lines there are."""

from __future__ import annotations

import os.path
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from assay.checking.tokens import Token, end_of_block, tokenize
from assay.lua.declare import Library
from assay.lua.state import State

PART = os.path.join(os.path.dirname(__file__), "coverage")
"""The part of the private Lua side that looks."""
LIBRARIES = {"_.coverage": ("assay.testing.coverage", False)}

library = Library("coverage", "While lines are counted.")

_hits: dict[str, set[int]] = {}
_CLOSERS = frozenset({"end", "else", ")", "}", "]", ",", ";"})


@dataclass
class FileCoverage:
    """The lines of a file that have code, and those of them that ran."""

    path: str
    lines: set[int]
    hit: set[int]

    @property
    def missing(self) -> list[tuple[int, int]]:
        """The lines that did not run, as first and last line of each range; lines without code do not part one."""
        ranges: list[tuple[int, int]] = []
        open_range = False
        for line in sorted(self.lines):
            if line in self.hit:
                open_range = False
            elif open_range:
                ranges[-1] = (ranges[-1][0], line)
            else:
                ranges.append((line, line))
                open_range = True
        return ranges


def percent(files: Iterable[FileCoverage]) -> float:
    """Return how much of the lines of some files ran; 100 when there is none."""
    known = list(files)
    total = sum(len(file.lines) for file in known)
    return 100 * sum(len(file.hit) for file in known) / total if total else 100.0


@library.function(pure=True)
def hit(file: str, line: int) -> None:
    """Tell that a line ran."""
    _hits.setdefault(file, set()).add(line)


def take_hits() -> dict[str, set[int]]:
    """Return the lines that ran since the last call, by file; they count for `collect` no more."""
    taken = dict(_hits)
    _hits.clear()
    return taken


def collect(state: State, leave_out: str) -> list[FileCoverage]:
    """Return what ran in this process, of each file that is still there, but for the file `leave_out`."""
    by_path: dict[str, set[int]] = {}
    for name, lines in _hits.items():
        by_path.setdefault(_plain(name), set()).update(lines)
    by_path.pop(_plain(leave_out), None)
    found = []
    for path, lines in by_path.items():
        try:
            with open(path, "rb") as file:
                source = file.read()
        except OSError:
            continue
        known = lines_with_code(state, source)
        found.append(FileCoverage(path, known, lines & known))
    return found


def merge(parts: Iterable[FileCoverage]) -> list[FileCoverage]:
    """One entry for each file, in the order of their paths."""
    files: dict[str, FileCoverage] = {}
    for part in parts:
        file = files.setdefault(part.path, FileCoverage(part.path, set(), set()))
        file.lines |= part.lines
        file.hit |= part.hit
    return [files[path] for path in sorted(files)]


def _plain(name: str) -> str:
    path = os.path.abspath(name)
    inside = os.path.relpath(path)
    return path if inside.startswith(os.pardir + os.sep) else inside


def lines_with_code(state: State, source: bytes) -> set[int]:
    """The lines of a source text that something of it can run on: all but those that only close what is open."""
    source = source.removeprefix(b"\xef\xbb\xbf")
    if source.startswith(b"#"):
        source = b"--" + source
    tokens = tokenize(source)
    speaking: set[int] = set()
    for token in tokens:
        if token.kind == "string":  # Lua gives what a long one does to its last line
            speaking.update(range(token.line, token.line + token.text.count("\n") + 1))
        elif token.text not in _CLOSERS:
            speaking.add(token.line)
    active = _numbers(state.invoke(b"active_lines", source, False))
    for text in _functions(source, tokens):
        active |= _numbers(state.invoke(b"active_lines", text, True))
    return active & speaking


def _numbers(text: bytes) -> set[int]:
    return set(map(int, text.split()))


def _functions(source: bytes, tokens: list[Token]) -> Iterator[bytes]:
    """Each function from its parameters on, with the lines before it as empty lines."""
    for start, token in enumerate(tokens):
        if token.kind != "name" or token.text != "function":
            continue
        end = end_of_block(tokens, start)
        opening = next((other for other in tokens[start:] if other.text == "(" and other.kind == "sign"), None)
        if end is not None and opening is not None:
            yield b"\n" * (opening.line - 1) + source[opening.at : tokens[end].at + len(b"end")]


def as_json(files: Iterable[FileCoverage]) -> Mapping[str, tuple[list[int], list[int]]]:
    """Coverage for another process."""
    return {file.path: (sorted(file.lines), sorted(file.hit)) for file in files}


def from_json(fields: Mapping[str, tuple[list[int], list[int]]]) -> list[FileCoverage]:
    """Coverage of another process."""
    return [FileCoverage(path, set(lines), set(hit)) for path, (lines, hit) in fields.items()]
