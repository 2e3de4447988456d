"""`markdown`: converts Markdown to HTML."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from assay.lua.declare import Library

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

library = Library("markdown", "Markdown to HTML: CommonMark with tables, strikethrough and task lists.")

_WORKFLOW_BYTES = 8 * 1024  # the parser takes quadratic time for thousands of open brackets


@library.function(pure=True, workflow_bytes=_WORKFLOW_BYTES)
def to_html(text: str) -> str:
    """Convert Markdown to HTML.

    HTML in the source is kept, as CommonMark requires. Sanitize the result if the source is untrusted.

    Args:
        text: The Markdown source.
    """
    html: str = _parser().render(text)
    return html


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt
    from mdit_py_plugins.tasklists import tasklists_plugin

    parser = MarkdownIt("commonmark", {"maxNesting": 100})
    return parser.enable(["table", "strikethrough"]).use(tasklists_plugin)
