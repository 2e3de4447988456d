"""The option --search-attribute of `assay dev`."""

from __future__ import annotations

import click

_TYPES = ("Text", "Keyword", "Int", "Double", "Bool", "Datetime", "KeywordList")


class SearchAttribute(click.ParamType[tuple[str, str]]):
    """NAME=TYPE, with the type in Temporal's or in Lua spelling: KeywordList or keyword_list."""

    name = "search attribute"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return the name and the type in Temporal's spelling."""
        name, equals, given = value.partition("=")
        if not (name and equals):
            self.fail(f"expected NAME=TYPE, got '{value}'", param, ctx)
        kind = next((known for known in _TYPES if known.lower() == given.replace("_", "").lower()), None)
        if kind is None:
            self.fail(f"unknown search attribute type '{given}' (known: {', '.join(_TYPES)})", param, ctx)
        return name, kind
