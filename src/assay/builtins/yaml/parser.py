"""A YAML 1.2 parser for documents that libyaml rejects or misreads.

libyaml implements YAML 1.1. This parser derives from PyYAML's pure-Python scanner and parser. It follows YAML 1.2 for
tabs, for `:` and `?` in flow collections, for anchor names and for documents without `---`, and accepts JSON's
surrogate pairs. It is about ten times slower than libyaml.
"""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import re
from typing import Any

from yaml.events import DocumentEndEvent, Event
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner, ScannerError
from yaml.tokens import DocumentEndToken, FlowMappingStartToken, ScalarToken

_BREAK = "\0\r\n\x85\u2028\u2029"
_SPACE = _BREAK + " \t"
_FLOW = ",[]{}"
_INDICATORS = "-?:,[]{}#&*!|>'\"%@`"
_MAX_KEY = 1024
_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_TRAILING_CONTENT = re.compile(f"[ \t]*[^{_SPACE}#]")
_TAB = "found a tab where space indentation is expected"


def _words(terminators: str) -> re.Pattern[str]:
    """Return a pattern for one line of a plain scalar that ends at a space or one of the terminators."""
    ends = _SPACE + re.escape(terminators)
    word = f"(?:[^{ends}:]|:(?![{ends}]))+"
    return re.compile(f"{word}(?:[ \t]+(?!#){word})*")


_WORDS, _FLOW_WORDS = _words(""), _words(_FLOW)


class Parser12(Reader, Scanner, Parser):
    """An iterator over the events of a YAML stream."""

    def __init__(self, text: str) -> None:
        self._flow: list[bool] = []
        """For each open flow collection, true if it is a mapping."""
        self._json_like = False
        """True if the last token ended a quoted scalar or a flow collection, after which `:` needs no space."""
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)

    def __iter__(self) -> Parser12:
        return self

    def __next__(self) -> Event:
        event: Event | None = self.get_event()
        if event is None:
            raise StopIteration
        return event

    # Characters (the buffer always holds the whole text) ----------------------------------------------------

    def peek(self, index: int = 0) -> str:
        """Return the character at an offset from the current position."""
        return self.buffer[self.pointer + index]  # type: ignore[no-any-return]

    def forward(self, length: int = 1) -> None:
        """Skip characters."""
        begin = self.pointer
        end = self.pointer = begin + length
        self.index += length
        self.column += length
        for line_break in _LINE_BREAK.finditer(self.buffer, begin, end):
            self.line += 1
            self.column = end - line_break.end()

    # Spaces -------------------------------------------------------------------------------------------------

    def scan_to_next_token(self) -> None:
        """Skip spaces, tabs, comments and line breaks. Raises ScannerError for a block collection indented by a tab."""
        if self.index == 0 and self.peek() == "\ufeff":
            self.forward()
        while True:
            while self.peek() == " ":
                self.forward()
            if self.peek() == "\t":
                self._skip_tabs()
            if self.peek() == "#":
                while self.peek() not in _BREAK:
                    self.forward()
            if not self.scan_line_break():
                return
            if not self.flow_level:
                self.allow_simple_key = True

    def _skip_tabs(self) -> None:
        first = self.get_mark()
        while self.peek() in " \t":
            self.forward()
        if self.flow_level:
            return
        self.allow_simple_key = False
        if first.column <= self.indent and self.peek() not in _BREAK + "#":
            before = self.buffer[first.pointer - first.column : first.pointer]
            if not before.strip(" "):
                raise ScannerError(None, None, _TAB, first)

    # Indicators ---------------------------------------------------------------------------------------------

    def check_key(self) -> bool:
        """Return true if a `?` begins a key."""
        return self._ends_word(1)

    def check_value(self) -> bool:
        """Return true if a `:` begins a value."""
        return self._ends_word(1) or (bool(self._flow) and self._json_like)

    def check_plain(self) -> bool:
        """Return true if a plain scalar begins here."""
        first = self.peek()
        return first not in _SPACE + _INDICATORS or (first in "-?:" and not self._ends_word(1))

    def _ends_word(self, ahead: int) -> bool:
        character = self.peek(ahead)
        return character in _SPACE or (bool(self._flow) and character in _FLOW)

    def fetch_more_tokens(self) -> None:
        """Scan the next tokens."""
        super().fetch_more_tokens()
        last = self.tokens[-1] if self.tokens else None
        quoted = isinstance(last, ScalarToken) and last.style in ("'", '"')
        self._json_like = quoted or (last is not None and last.id in ("]", "}"))

    # Keys without a `?` -------------------------------------------------------------------------------------

    def stale_possible_simple_keys(self) -> None:
        """Drop possible keys that are too long. In a flow collection they may span several lines."""
        while self.possible_simple_keys:
            level, key = next(iter(self.possible_simple_keys.items()))  # the earliest in the text
            if (level or key.line == self.line) and self.index - key.index <= _MAX_KEY:
                return
            if key.required:
                here = self.get_mark()
                raise ScannerError("while scanning a simple key", key.mark, "could not find expected ':'", here)
            del self.possible_simple_keys[level]

    def next_possible_simple_key(self) -> int | None:
        """Return the number of the first token that may be a key."""
        for key in self.possible_simple_keys.values():
            return int(key.token_number)
        return None

    def fetch_value(self) -> None:
        """Process a `:`. In a flow sequence it must be in the line of its key."""
        if self._flow and not self._flow[-1]:
            key = self.possible_simple_keys.get(self.flow_level)
            if key is not None and key.line != self.line:
                del self.possible_simple_keys[self.flow_level]
        super().fetch_value()

    def fetch_flow_collection_start(self, token: Any) -> None:
        """Process a `[` or `{`."""
        super().fetch_flow_collection_start(token)
        self._flow.append(token is FlowMappingStartToken)

    def fetch_flow_collection_end(self, token: Any) -> None:
        """Process a `]` or `}`."""
        super().fetch_flow_collection_end(token)
        if self._flow:
            self._flow.pop()

    # Tokens -------------------------------------------------------------------------------------------------

    def scan_anchor(self, token: Any) -> Any:
        """Scan an anchor or an alias, whose name ends at a space or a flow indicator."""
        start = self.get_mark()
        self.forward()
        length = 0
        while self.peek(length) not in _SPACE + _FLOW:
            length += 1
        if not length:
            raise ScannerError("while scanning an anchor or an alias", start, "expected its name", self.get_mark())
        name = self.prefix(length)
        self.forward(length)
        return token(name, start, self.get_mark())

    def scan_flow_scalar(self, style: str) -> Any:
        """Scan a quoted scalar; combine escaped surrogate pairs."""
        start = self.get_mark()
        try:
            token = super().scan_flow_scalar(style)
            token.value = token.value.encode("utf-16", "surrogatepass").decode("utf-16")
        except (ValueError, OverflowError):
            problem = "found an invalid escape sequence"
            raise ScannerError("while scanning a double-quoted scalar", start, problem, start) from None
        return token

    def scan_plain(self) -> Any:
        """Scan a plain scalar."""
        start = end = self.get_mark()
        indent = self.indent + 1
        words = _FLOW_WORDS if self._flow else _WORDS
        chunks: list[str] = []
        spaces: list[str] = []
        while self.peek() != "#":
            match = words.match(self.buffer, self.pointer)
            if match is None:
                break
            self.allow_simple_key = False
            chunks += [*spaces, match[0]]
            self.forward(len(match[0]))
            end = self.get_mark()
            spaces = self.scan_plain_spaces(indent, start)
            if not spaces or (not self._flow and self.column < indent):
                break
        return ScalarToken("".join(chunks), True, start, end)

    def scan_plain_spaces(self, indent: int, start: Any) -> list[str]:
        """Scan the whitespace between two lines of a plain scalar; return nothing if the scalar ends here."""
        while self.peek() in " \t":
            self.forward()
        if not self.scan_line_break():
            return []
        self.allow_simple_key = True
        breaks: list[str] = []
        while not (self.check_document_start() or self.check_document_end()):
            while self.peek() == " ":
                self.forward()
            indented = self.column
            while self.peek() in " \t":
                self.forward()
            line_break = self.scan_line_break()
            if not line_break:
                if indented < indent and self.column > indented and not self._flow:
                    raise ScannerError("while scanning a plain scalar", start, _TAB, self.get_mark())
                return breaks or [" "]
            breaks.append(line_break)
        return []

    # Documents ----------------------------------------------------------------------------------------------

    def parse_document_end(self) -> DocumentEndEvent:
        """End a document."""
        event = super().parse_document_end()
        if event.explicit:
            self.state = self._parse_after_end
        return event

    def _parse_after_end(self) -> Any:
        """Begin another document after `...`, where `---` is optional."""
        while self.check_token(DocumentEndToken):
            self.get_token()
        return self.parse_implicit_document_start()

    def fetch_document_end(self) -> None:
        """Process a `...`, which must be alone in its line."""
        super().fetch_document_end()
        if _TRAILING_CONTENT.match(self.buffer, self.pointer) is not None:
            raise ScannerError(None, None, "expected a line break after '...'", self.get_mark())
