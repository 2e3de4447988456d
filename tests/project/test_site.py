"""The manual as a site: built from the files of the repository, and tested in a browser."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from html import unescape
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest

import browser
from guides import ROOT
from timeouts import TIMEOUT

DIALOG = "[...document.querySelectorAll('div')].find(element => element.shadowRoot)?.shadowRoot"
"""The search, which lives in a shadow tree."""

needs_browser = pytest.mark.skipif(
    browser.PROGRAM is None, reason="issue 17: Chromium is not installed, so the site is not tested in a browser"
)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        """Log nothing."""

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Send a file to a browser that may have disconnected."""
        with suppress(ConnectionError):
            super().copyfile(source, outputfile)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make site` does, with unreachable proxies."""
    folder = tmp_path_factory.mktemp("build")
    nowhere = {f"{name}_proxy": "http://127.0.0.1:9" for name in ("http", "https", "all")}
    subprocess.run([sys.executable, ROOT / "tools" / "manual.py", folder], check=True, timeout=TIMEOUT)
    build = subprocess.run(
        [
            os.path.join(sysconfig.get_path("scripts"), "zensical"),
            *("build", "--strict", "--clean", "--config-file", str(folder / "mkdocs.yml")),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **nowhere, "NO_COLOR": "1"},
        check=False,
    )
    assert build.returncode == 0, build.stdout + build.stderr
    return folder / "site"


@pytest.fixture(scope="module")
def url(site: Path) -> Iterator[str]:
    """The URL of a server for the site."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


class Links(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record the links and anchors of a tag."""
        found = dict(attrs)
        self.anchors.update(filter(None, (found.get("id"), found.get("name"))))
        for name in ("href", "src"):
            if link := found.get(name):
                self.links.add(link)


def test_no_link_is_dead(site: Path) -> None:
    pages = {path: Links(path.read_text("utf-8")) for path in site.rglob("*.html") if path.name != "404.html"}
    assert len(pages) > 60
    dead: set[str] = set()
    for path, page in pages.items():
        here = f"http://site/{path.relative_to(site)}"
        for link in page.links:
            target, anchor = urldefrag(urljoin(here, link))
            if not target.startswith("http://site/"):
                continue
            file = site / unquote(urlsplit(target).path.lstrip("/") or "index.html")
            file = file / "index.html" if file.is_dir() else file
            if not file.exists() or (anchor and file in pages and unquote(anchor) not in pages[file].anchors):
                dead.add(f"{path.relative_to(site)}: {link}")
    assert sorted(dead) == []


def test_each_page_of_the_manual_is_on_the_site_and_in_the_navigation(site: Path) -> None:
    start = {link.removeprefix("./") for link in Links((site / "index.html").read_text("utf-8")).links}
    guides = sorted(path.stem for path in (ROOT / "docs").glob("*.md") if path.stem != "index")
    assert [name for name in guides if f"{name}.html" not in start] == []
    libraries = sorted(path.stem for path in (ROOT / "docs" / "reference").glob("*.md") if path.stem != "README")
    assert [name for name in libraries if f"reference/{name}.html" not in start] == []


def test_each_block_of_code_is_one(site: Path) -> None:
    pages = [path for path in site.rglob("*.html") if "```" in path.read_text("utf-8")]
    assert [str(path.relative_to(site)) for path in pages] == []


def test_a_pipe_in_a_table_has_no_backslash(site: Path) -> None:
    text = (site / "reference" / "ctx.html").read_text("utf-8")
    assert '<code>"warn_and_abandon"|"abandon"</code>' in unescape(text)


def test_a_link_to_a_file_without_a_page_is_only_its_words(site: Path) -> None:
    text = (site / "contributing.html").read_text("utf-8")
    assert "architecture.html" in text
    assert not re.search(r'href="[^"]*\.(md|lua|py)"', text)


@needs_browser
async def test_the_start_page_in_a_browser(url: str, tmp_path: Path) -> None:
    async with browser.opened(tmp_path) as page:
        await page.open(url)
        assert await page.value("document.querySelector('h1').firstChild.textContent") == "assay"
        assert await page.value("document.querySelectorAll('article table a').length") > 15
        await page.until("document.querySelectorAll('article pre button, article .md-code__button').length > 0")
        assert page.problems == []
        assert [request for request in page.requests if not request.startswith((url, "data:", "blob:"))] == []


@needs_browser
async def test_the_palette_can_be_dark(url: str, tmp_path: Path) -> None:
    async with browser.opened(tmp_path) as page:
        await page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        await page.open(url)
        await page.until("document.body.getAttribute('data-md-color-scheme') === 'slate'")
        background = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
        assert max(await page.value(background)) < 80
        assert page.problems == []


@needs_browser
async def test_the_search_finds_signals(url: str, tmp_path: Path) -> None:
    async with browser.opened(tmp_path) as page:
        await page.open(url)
        opening = "document.querySelector('.md-search__button').click()"
        await page.until(f"{DIALOG}?.querySelector('dialog')?.open || ({opening}, false)")
        await page.until(f"{DIALOG}.activeElement?.tagName === 'INPUT'")
        await page.type("signal")
        first = await page.until(f"{DIALOG}.querySelector('ol a')?.href")
        assert urlsplit(first).path == "/messages.html"
        await page.until(f"/^[0-9]+ results$/.test({DIALOG}.querySelector('[role=status]').textContent)")
        assert page.problems == []


@needs_browser
async def test_a_reference_page_in_a_browser(url: str, tmp_path: Path) -> None:
    async with browser.opened(tmp_path) as page:
        await page.open(f"{url}reference/ctx.html")
        assert "ctx" in await page.value("document.title")
        assert await page.value("document.querySelectorAll('article h3, article h4').length") > 50
        assert page.problems == []
