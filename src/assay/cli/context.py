"""`assay context`: search the reference from the command line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from assay.cli.options import verbose

if TYPE_CHECKING:
    from assay.lua.reference import Entry

_WORD = re.compile(r"[a-z0-9]+")
_WEIGHTS = (8, 4, 1)  # of a word in the name, in the first sentence, in the rest
_OTHER_WEIGHT = 0.6  # of options and guides, relative to functions


@click.command(short_help="Search the reference and the guides.")
@verbose
@click.option("-n", "--number", type=click.IntRange(1), default=3, help="Maximum number of results [3].")
@click.argument("query", nargs=-1, required=True)
def command(query: tuple[str, ...], number: int, verbose: bool) -> int:
    """Search the reference and the guides and print the best matches: functions, options, sections.

    \b
    assay context read a file
    assay context ctx:wait_signal
    assay context heartbeat_timeout
    """  # noqa: D301 click keeps the line breaks after \b
    from assay.cli import guides, reference
    from assay.lua.reference import entries, options

    libraries = reference.libraries()
    functions = [entry for library in libraries for entry in entries(library)]
    others = [*(entry for library in libraries for entry in options(library)), *guides.sections()]
    candidates = functions + others
    words = _WORD.findall(" ".join(query).lower())
    scores = [
        _score(entry, words) * (1 if index < len(functions) else _OTHER_WEIGHT)
        for index, entry in enumerate(candidates)
    ]
    ranked = sorted(((score, -index) for index, score in enumerate(scores)), reverse=True)
    by_body: dict[str, list[Entry]] = {}  # the functions of `temporal` have the same text as those of a client
    for score, index in ranked:
        if score > 0:
            by_body.setdefault(candidates[-index].text.partition("\n")[2], []).append(candidates[-index])
    best = list(by_body.items())[:number]
    if not best:
        click.echo(f"no results for '{' '.join(query)}'", err=True)
        return 1
    click.echo("\n".join(_show(entries, body) for body, entries in best), nl=False)
    return 0


def _show(entries: list[Entry], body: str) -> str:
    """Return the text of functions or options that differ only in their names."""
    first, *others = entries
    names = [entry.text.partition("\n")[0].removeprefix("## ").partition(" → ")[0] for entry in others]
    also = f"\nAlso {', '.join(names)}.\n" if names else ""
    return first.text.partition("\n")[0] + "\n" + also + body


def _score(entry: Entry, words: list[str]) -> float:
    name = _WORD.findall(entry.title.lower())
    first, _, rest = entry.text.lower().partition(".\n")
    places = (name, _WORD.findall(first), _WORD.findall(rest))
    score = 0.0
    for word in words:
        for place, weight in zip(places, _WEIGHTS, strict=True):
            if word in place:
                score += weight
                break
            if len(word) > 3 and any(word in other or (len(other) > 3 and other in word) for other in place):
                score += weight / 2
                break
    return score - 0.01 * len(name) if score else 0
