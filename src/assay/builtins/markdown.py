"""`markdown`: HTML from Markdown."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from assay.lua.declare import Library

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

library = Library("markdown", "HTML from Markdown: CommonMark with tables, strikethrough and task lists.")

_WORKFLOW_BYTES = 8 * 1024  # thousands of open brackets take quadratic time


@library.function(pure=True, workflow_bytes=_WORKFLOW_BYTES)
def to_html(text: str) -> str:
    """Return the HTML of a Markdown text.

    HTML inside the text passes through, as CommonMark says: do not show the result of a text from strangers as it is.

    Args:
        text: Markdown.
    """
    html: str = _parser().render(text)
    return html


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt
    from mdit_py_plugins.tasklists import tasklists_plugin

    parser = MarkdownIt("commonmark", {"maxNesting": 100})
    return parser.enable(["table", "strikethrough"]).use(tasklists_plugin)
