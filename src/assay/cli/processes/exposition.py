"""Merges metrics of several processes in Prometheus' text format."""

from __future__ import annotations

import re
from collections.abc import Iterable

_COMMENT = re.compile(r"# (HELP|TYPE) (\S+)")


def merge(documents: Iterable[str]) -> str:
    """Return one document in which each metric appears once, with the samples of all documents.

    The samples of the documents must differ in a label, such as the number of the process.
    """
    comments: dict[str, dict[str, str]] = {}
    samples: dict[str, list[str]] = {}
    for document in documents:
        name = ""
        for line in document.splitlines():
            match = _COMMENT.match(line)
            if match is not None:
                kind, name = match.groups()
                comments.setdefault(name, {}).setdefault(kind, line)
            elif line and not line.startswith("#"):
                samples.setdefault(name, []).append(line)
    lines: list[str] = []
    for name, of_metric in samples.items():
        lines += [*comments.get(name, {}).values(), *of_metric]
    return "".join(f"{line}\n" for line in lines)
