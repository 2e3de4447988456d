"""Terminal input of the REPL: multi-line editing, a history and completion."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import PygmentsLexer
from pygments.lexers.scripting import LuaLexer  # type: ignore[import-untyped]

_WORD = re.compile(r"[\w.:]*$")
_STRING_END = re.compile(r"""["']\)?$""")


def make_session(is_complete: Callable[[str], bool], names: Callable[[str], list[str]]) -> PromptSession[str]:
    """Return a session that reads from the terminal.

    Args:
        is_complete: Returns true if Enter is to run the code; otherwise it starts a new line.
        names: Returns the completions of an expression.
    """
    bindings = KeyBindings()

    @bindings.add("enter")
    def enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if not buffer.text.strip() or is_complete(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    return PromptSession(
        history=_history(),
        completer=_Names(names),
        complete_while_typing=False,
        key_bindings=bindings,
        multiline=True,
        prompt_continuation=lambda width, number, wrapped: ". ",
        lexer=PygmentsLexer(LuaLexer),
    )


class _Names(Completer):
    def __init__(self, names: Callable[[str], list[str]]) -> None:
        self._names = names

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        text = document.text_before_cursor
        match = _WORD.search(text)
        assert match is not None
        word = match[0].rpartition("..")[2]  # `..` concatenates strings
        typed = len(word) - max(word.rfind("."), word.rfind(":")) - 1
        if word.startswith((".", ":")):  # the type of an expression is known for string literals only
            if not _STRING_END.search(text.removesuffix(word)):
                return
            word = "string" + word
        for name in self._names(word):
            yield Completion(name, start_position=-typed)


def _history() -> History:
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    path = Path(base) / "assay" / "history"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)  # the input may contain secrets
    except OSError:
        return InMemoryHistory()
    return FileHistory(path)
