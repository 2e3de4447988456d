"""Line coverage of Lua files: the lines that `coverage.lua` records, and the lines that contain code."""

from __future__ import annotations

import os.path
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from assay.checking.tokens import Token, end_of_block, tokenize
from assay.lua.declare import Library
from assay.lua.state import State

PART = os.path.join(os.path.dirname(__file__), "coverage")
"""The part of the private Lua side that records lines."""
LIBRARIES = {"_.coverage": ("assay.testing.coverage", False)}

library = Library("coverage", "Line coverage.")

_hits: dict[str, set[int]] = {}
_CLOSERS = frozenset({"end", "else", ")", "}", "]", ",", ";"})


@dataclass
class FileCoverage:
    """The lines of a file that contain code, and the subset that ran."""

    path: str
    lines: set[int]
    hit: set[int]

    @property
    def missing(self) -> list[tuple[int, int]]:
        """First and last line of each range that did not run; lines without code do not split a range."""
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
    """Return the percentage of lines that ran; 100 if there are none."""
    files = list(files)
    total = sum(len(file.lines) for file in files)
    return 100 * sum(len(file.hit) for file in files) / total if total else 100.0


@library.function(pure=True)
def hit(file: str, line: int) -> None:
    """Record that a line ran."""
    _hits.setdefault(file, set()).add(line)


def take_hits() -> dict[str, set[int]]:
    """Return the lines that ran since the last call, by file, and forget them."""
    taken = dict(_hits)
    _hits.clear()
    return taken


def collect(state: State, excluded: str) -> list[FileCoverage]:
    """Return the coverage of this process, without the file `excluded` and files that no longer exist."""
    by_path: dict[str, set[int]] = {}
    for name, lines in _hits.items():
        by_path.setdefault(_display_path(name), set()).update(lines)
    by_path.pop(_display_path(excluded), None)
    files = []
    for path, lines in by_path.items():
        try:
            with open(path, "rb") as file:
                source = file.read()
        except OSError:
            continue
        with_code = lines_with_code(state, source)
        files.append(FileCoverage(path, with_code, lines & with_code))
    return files


def merge(parts: Iterable[FileCoverage]) -> list[FileCoverage]:
    """Merge the entries of each file, and sort the files by path."""
    files: dict[str, FileCoverage] = {}
    for part in parts:
        file = files.setdefault(part.path, FileCoverage(part.path, set(), set()))
        file.lines |= part.lines
        file.hit |= part.hit
    return [files[path] for path in sorted(files)]


def _display_path(name: str) -> str:
    """Return a path relative to the working directory if it is inside, or an absolute path."""
    path = os.path.abspath(name)
    inside = os.path.relpath(path)
    return path if inside.startswith(os.pardir + os.sep) else inside


def lines_with_code(state: State, source: bytes) -> set[int]:
    """Return the lines of a source that contain code, without lines that only close a block or a bracket."""
    source = source.removeprefix(b"\xef\xbb\xbf")
    if source.startswith(b"#"):
        source = b"--" + source
    tokens = tokenize(source)
    significant: set[int] = set()
    for token in tokens:
        if token.kind == "string":  # Lua assigns the code of a long string to its last line
            significant.update(range(token.line, token.line + token.text.count("\n") + 1))
        elif token.text not in _CLOSERS:
            significant.add(token.line)
    active = _numbers(state.invoke(b"active_lines", source, False))
    for text in _functions(source, tokens):
        active |= _numbers(state.invoke(b"active_lines", text, True))
    return active & significant


def _numbers(text: bytes) -> set[int]:
    return set(map(int, text.split()))


def _functions(source: bytes, tokens: list[Token]) -> Iterator[bytes]:
    """Yield the source of each function from its parameters on, after as many empty lines as precede it."""
    for start, token in enumerate(tokens):
        if token.kind != "name" or token.text != "function":
            continue
        end = end_of_block(tokens, start)
        opening = next((other for other in tokens[start:] if other.text == "(" and other.kind == "sign"), None)
        if end is not None and opening is not None:
            yield b"\n" * (opening.line - 1) + source[opening.at : tokens[end].at + len(b"end")]


def as_json(files: Iterable[FileCoverage]) -> Mapping[str, tuple[list[int], list[int]]]:
    """Serialize coverage for another process."""
    return {file.path: (sorted(file.lines), sorted(file.hit)) for file in files}


def from_json(fields: Mapping[str, tuple[list[int], list[int]]]) -> list[FileCoverage]:
    """Deserialize the coverage of another process."""
    return [FileCoverage(path, set(lines), set(hit)) for path, (lines, hit) in fields.items()]
