"""Metrics of several processes as one document in Prometheus' text format."""

from __future__ import annotations

import re
from collections.abc import Iterable

_COMMENT = re.compile(r"# (HELP|TYPE) (\S+)")


def merge(documents: Iterable[str]) -> str:
    """Return one document that has each metric once, with the samples of all.

    The samples must differ in a label, as those of processes do that tag what they measure.
    """
    comments: dict[str, dict[str, str]] = {}
    samples: dict[str, list[str]] = {}
    for document in documents:
        name = ""
        for line in document.splitlines():
            found = _COMMENT.match(line)
            if found is not None:
                kind, name = found.groups()
                comments.setdefault(name, {}).setdefault(kind, line)
            elif line and not line.startswith("#"):
                samples.setdefault(name, []).append(line)
    lines: list[str] = []
    for name, found_samples in samples.items():
        lines += [*comments.get(name, {}).values(), *found_samples]
    return "".join(f"{line}\n" for line in lines)
