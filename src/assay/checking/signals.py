"""The rule for signals that are awaited but not sent, across all files of a check."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tree_sitter import Node

from assay.checking import syntax
from assay.checking.body import Body
from assay.checking.findings import Finding, nearest, suggestion
from assay.checking.syntax import MethodCall

_WAITS = ("wait_signal", "poll_signal", "on_signal")
_NAME_AT = {"signal_at": 1, "signal": 0, "signal_workflow": 1}
"""Index of the argument with the signal's name, in methods without an options table."""


@dataclass(frozen=True)
class Mention:
    """A wait for a signal, or the sending of one; `name` is None if the source does not show it."""

    file: str
    line: int
    name: str | None


def waits(body: Body) -> Iterator[Mention]:
    """Return the waits for signals by literal name."""
    for call in syntax.method_calls(body.node):
        if call.method in _WAITS and call.literal is not None:
            yield Mention(body.file, call.line, call.literal)


def sends(body: Body) -> Iterator[Mention]:
    """Return the signals that are sent."""
    for call in syntax.method_calls(body.node):
        for node in _sent_by_method(call):
            yield Mention(body.file, call.line, syntax.string_of(node))
    for node in syntax.descendants(body.node):
        if node.type == "table_constructor":
            start = syntax.field(node, "start_signal")
            sent = syntax.field(node, "signal_name") or syntax.field(start, "name") or start
            if sent is not None:
                yield Mention(body.file, syntax.line_of(sent), syntax.string_of(sent))


def _sent_by_method(call: MethodCall) -> Iterator[Node]:
    """Return the names in arguments, as opposed to `signal_name` in a table."""
    at = _NAME_AT.get(call.method)
    if call.method == "signal" and syntax.text_of(call.subject).endswith("workflows"):
        at = 1  # of the REST client
    if at is None or at >= len(call.arguments):
        return
    is_table = call.method == "signal_workflow" and call.arguments[0].type == "table_constructor"
    if not is_table:
        yield call.arguments[at]


def find_unsent(awaited: Sequence[Mention], sent: Sequence[Mention], *, files: int) -> Iterator[Finding]:
    """Find signals that are awaited but sent in no checked file.

    Signals often come from other programs. So a finding requires that some file sends signals and all their names are
    known; with a single file, or if some names are unknown, it requires that a similar name is sent.
    """
    names = {mention.name for mention in sent if mention.name is not None}
    expected = {mention.name for mention in awaited if mention.name is not None}
    is_complete = files > 1 and all(mention.name is not None for mention in sent)
    for mention in awaited:
        name = mention.name
        if name is None or name in names or not names:
            continue
        if is_complete or nearest(name, names - expected):
            text = f"no checked file sends the signal '{name}'" + suggestion(name, names - expected)
            yield Finding(mention.file, mention.line, "warning", "signal", text)
