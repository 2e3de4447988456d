"""Collect the pages of the manual for the site generator: python tools/manual.py build

The pages are the guides and the reference, the changelog, the security policy, the contribution guide, and a page for
each example with its test. Links between these files are rewritten. Pages that are missing from the navigation in
mkdocs.yml are added to it.
"""

from __future__ import annotations

import html
import posixpath
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
RENAMED = {
    "CHANGELOG.md": "changelog.md",
    "CODE_OF_CONDUCT.md": "code-of-conduct.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security-policy.md",
    "examples/README.md": "examples/index.md",
    "examples/promotion/README.md": "examples/promotion.md",
    "docs/reference/README.md": "reference/index.md",
}
"""Pages with a different path on the site."""

_PIPES = re.compile(r"`([^`\n]*\\\|[^`\n]*)`")
"""Code with an escaped pipe in a table: GitHub needs the backslash, MkDocs would show it."""

_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s:]+)(#[^)]*)?\)")


def prepare(build: Path) -> None:
    """Write the pages to the folder `manual` inside the build folder, and `mkdocs.yml` next to it."""
    folder = build / "manual"
    shutil.rmtree(folder, ignore_errors=True)
    sources = {
        **{str(path.relative_to(ROOT)): path.read_text("utf-8") for path in (ROOT / "docs").rglob("*.md")},
        **{name: (ROOT / name).read_text("utf-8") for name in RENAMED if not name.startswith("docs/")},
        **{f"examples/{path.name}": _example(path) for path in _examples()},
    }
    pages = {source: page_of(source) for source in sources}
    for source, text in sources.items():
        target = folder / pages[source]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_rewrite_links(text, source, pages), encoding="utf-8")
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    settings |= {"docs_dir": "manual", "site_dir": "site"}
    _add_missing_pages(settings["nav"], folder)
    (build / "mkdocs.yml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")


def page_of(source: str) -> str:
    """Return the page of a file in the repository."""
    if source in RENAMED:
        return RENAMED[source]
    if source.startswith("examples/"):
        return source.removesuffix(".lua") + ".md"
    return source.removeprefix("docs/")


def _examples() -> list[Path]:
    return sorted(path for path in (ROOT / "examples").glob("*.lua") if not path.stem.endswith("_test"))


def _example(path: Path) -> str:
    """Return a page with an example and its test."""
    test = path.with_name(f"{path.stem}_test.lua")
    parts = [f"# {path.stem}.lua", f"```lua\n{path.read_text('utf-8')}```"]
    parts += ["## Test", f"```lua\n{test.read_text('utf-8')}```"]
    return "\n\n".join(parts) + "\n"


def _rewrite_links(text: str, source: str, pages: dict[str, str]) -> str:
    """Rewrite links to files into links to their pages; a link to a file without a page becomes plain text."""
    here, page = posixpath.dirname(source), pages[source]

    def link(match: re.Match[str]) -> str:
        words, target, anchor = match[1], match[2], match[3] or ""
        path = posixpath.normpath(posixpath.join(here, target))
        linked = pages.get(path, pages.get(posixpath.join(path, "README.md")))
        if linked is None:
            return words
        return f"[{words}]({posixpath.relpath(linked, posixpath.dirname(page) or '.')}{anchor})"

    text = re.sub(r"^( *```\w+) [^\n]*$", r"\1", text, flags=re.MULTILINE)  # remove test markers such as "no-run"
    parts = re.split(r"(^```.*?^```)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if part.startswith("```") else _PIPES.sub(_code, _LINK.sub(link, part)) for part in parts)


def _code(match: re.Match[str]) -> str:
    return f"<code>{html.escape(match[1].replace(chr(92) + '|', '|'), quote=False).replace('|', '&#124;')}</code>"


def _add_missing_pages(nav: list[dict[str, Any]], folder: Path) -> None:
    """Add missing pages to the navigation: libraries and examples to their sections, others to the guides."""
    sections = {title: entry for item in nav for title, entry in item.items()}
    named = set(re.findall(r"[\w./-]+\.md", yaml.safe_dump(nav)))
    pages = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.md"))
    missing = [page for page in pages if page not in named]
    libraries = [page for page in missing if page.startswith("reference/")]
    sections["Reference"][-1] = {"Libraries": ["reference/index.md", *libraries]}
    examples = next(item for item in sections["Getting started"] if "Examples" in item)
    examples["Examples"] = ["examples/index.md", *[page for page in missing if page.startswith("examples/")]]
    sections["Guides"] += [page for page in missing if "/" not in page and page != "code-of-conduct.md"]


if __name__ == "__main__":
    prepare(Path(sys.argv[1]))
