"""The option --search-attribute of `assay dev`."""

from __future__ import annotations

import click

_TYPES = ("Text", "Keyword", "Int", "Double", "Bool", "Datetime", "KeywordList")


class SearchAttribute(click.ParamType[tuple[str, str]]):
    """NAME=TYPE, with the type as Temporal or as scripts write it: KeywordList, keyword_list."""

    name = "search attribute"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return the name and the type."""
        name, equals, kind = value.partition("=")
        if not (name and equals):
            self.fail(f"'{value}' is not NAME=TYPE", param, ctx)
        found = next((known for known in _TYPES if known.lower() == kind.replace("_", "").lower()), None)
        if found is None:
            self.fail(f"'{kind}' is not a type of search attributes ({', '.join(_TYPES)})", param, ctx)
        return name, found
