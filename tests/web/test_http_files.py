"""Files that `http.serve` serves: paths, ranges, conditions, types."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from web_peers import Script, raw, say


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with files, beside a secret."""
    root = tmp_path / "site"
    (root / "deep" / ".well-known").mkdir(parents=True)
    (root / ".well-known").mkdir()
    (root / "index.html").write_text("<p>home")
    (root / "deep" / "index.html").write_text("<p>deep")
    (root / "a b.txt").write_text("0123456789")
    (root / "data.json").write_text("{}")
    (root / "strange.xyzzy").write_bytes(b"\0\xff")
    (root / ".env").write_text("SECRET")
    (root / ".well-known" / "ok").write_text("known")
    (tmp_path / "secret.txt").write_text("SECRET")
    (tmp_path / "site-two").mkdir()
    (tmp_path / "site-two" / "x.txt").write_text("SECRET")
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    (root / "out").symlink_to(tmp_path)
    (root / "inner.txt").symlink_to("data.json")
    os.mkfifo(root / "pipe")
    return root


def routes(site: Path) -> str:
    """Return routes that serve a folder and a single file."""
    return f"""{{ GET = {{
      ["/s/*"] = {{ static = "{site}", headers = {{ ["Cache-Control"] = "max-age=5" }} }},
      ["/bare/*"] = {{ static = "{site}", index = "" }},
      ["/one"] = {{ static = "{site}/data.json" }},
    }} }}"""


async def ask_raw(url: str, target: str, *headers: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    """Ask over a connection of its own; returns status, headers and body."""
    head = [f"{method} {target} HTTP/1.1", "Host: x", "Connection: close", *headers]
    answer = await raw(url, ("\r\n".join(head) + "\r\n\r\n").encode())
    text, _, body = answer.partition(b"\r\n\r\n")
    lines = text.decode().split("\r\n")
    return int(lines[0].split()[1]), dict(line.lower().split(": ", 1) for line in lines[1:]), body


ALL = b"0123456789"


# Which file -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "content_type"),
    [
        ("/s/", b"<p>home", "text/html; charset=utf-8"),
        ("/s/deep/", b"<p>deep", "text/html; charset=utf-8"),
        ("/s/a%20b.txt", ALL, "text/plain; charset=utf-8"),
        ("/s/data.json", b"{}", "application/json"),
        ("/s/strange.xyzzy", b"\0\xff", "application/octet-stream"),
        ("/s/inner.txt", b"{}", "application/json"),
        ("/s/.well-known/ok", b"known", "application/octet-stream"),
        ("/one", b"{}", "application/json"),
    ],
    ids=["index", "index of a folder", "text", "JSON", "unknown type", "link inside", "well-known", "single file"],
)
async def test_a_file_is_served(script: Script, site: Path, path: str, body: bytes, content_type: str) -> None:
    async with script.serving(routes(site)) as url:
        status, headers, found = await ask_raw(url, path)
    assert (status, found, headers["content-type"]) == (200, body, content_type)


async def test_a_folder_without_an_index_is_not_found(script: Script, site: Path) -> None:
    async with script.serving(routes(site)) as url:
        assert (await ask_raw(url, "/bare/"))[0] == 404


@pytest.mark.parametrize(
    "path",
    [
        "/s/../secret.txt",
        "/s/%2e%2e/secret.txt",
        "/s/..%2fsecret.txt",
        "/s/%2e%2e%2fsite-two/x.txt",
        "/s/deep/../../secret.txt",
        "/s//etc/passwd",
        "/s/%2fetc%2fpasswd",
        "/s/link.txt",
        "/s/out/secret.txt",
        "/s/.env",
        "/s/deep/%2e%2e/.env",
        "/s/data.json%00.txt",
        "/s/data.json/",
        "/s/pipe",
        "/s/missing",
        "/s/%ff",
    ],
)
async def test_a_path_that_is_not_served(script: Script, site: Path, path: str) -> None:
    async with script.serving(routes(site)) as url:
        answer = await raw(url, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"SECRET" not in answer


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/s/deep", "/s/deep/"),
        ("/s/deep?a=b%20c", "/s/deep/?a=b%20c"),
        ("/s//deep", "/s//deep/"),
        ("/s/%64eep", "/s/%64eep/"),
    ],
)
async def test_a_folder_without_its_slash_is_redirected(script: Script, site: Path, target: str, location: str) -> None:
    async with script.serving(routes(site)) as url:
        status, headers, _ = await ask_raw(url, target)
    assert (status, headers["location"]) == (301, location)


@pytest.mark.parametrize("target", ["/s/.well-known", "/bare/deep"])
async def test_a_folder_without_an_index_is_not_redirected(script: Script, site: Path, target: str) -> None:
    async with script.serving(routes(site)) as url:
        assert (await ask_raw(url, target))[0] == 404


async def test_a_redirect_does_not_lead_to_another_host(script: Script, site: Path) -> None:
    async with script.serving(f'{{ GET = {{ ["/*"] = {{ static = "{site}" }} }} }}') as url:
        assert (await ask_raw(url, "//deep"))[1]["location"] == "/deep/"


# Types and headers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("index.html", "text/html; charset=utf-8"),
        ("x.css", "text/css; charset=utf-8"),
        ("x.js", "text/javascript; charset=utf-8"),
        ("x.svg", "image/svg+xml"),
        ("x.webp", "image/webp"),
        ("x.tar.gz", "application/gzip"),
        ("x.wasm", "application/wasm"),
        ("none", "application/octet-stream"),
    ],
)
async def test_the_type_of_a_file_follows_from_its_name(
    script: Script, site: Path, name: str, content_type: str
) -> None:
    (site / name).touch()
    async with script.serving(routes(site)) as url:
        assert (await ask_raw(url, f"/s/{name}"))[1]["content-type"] == content_type


async def test_a_route_may_set_the_type(script: Script, site: Path) -> None:
    (site / "latin.txt").write_bytes(b"\xe9")
    target = f'{{ static = "{site}/latin.txt", headers = {{ ["content-type"] = "text/plain; charset=latin-1" }} }}'
    async with script.serving(f'{{ GET = {{ ["/latin"] = {target} }} }}') as url:
        assert (await ask_raw(url, "/latin"))[1]["content-type"] == "text/plain; charset=latin-1"


async def test_head_is_answered_with_the_headers_of_the_file(script: Script, site: Path) -> None:
    async with script.serving(routes(site)) as url:
        status, headers, body = await ask_raw(url, "/s/a%20b.txt", method="HEAD")
    assert (status, body) == (200, b"")
    assert headers["content-length"] == "10"
    assert headers["cache-control"] == "max-age=5"
    assert headers["server"] == "assay"


# Ranges ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "status", "body", "where"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=0-0", 206, b"0", "bytes 0-0/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=7-99", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-99", 206, ALL, "bytes 0-9/10"),
        ("Bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes= 2-4 ,", 206, b"234", "bytes 2-4/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        (f"bytes={'9' * 5000}-", 416, b"", "bytes */10"),
        ("bytes=4-2", 200, ALL, None),
        ("bytes=0-1,3-4", 200, ALL, None),
        ("bytes=-", 200, ALL, None),
        ("bytes=a-b", 200, ALL, None),
        ("bytes=+1-2", 200, ALL, None),
        ("bytes=1 - 2", 200, ALL, None),
        ("bytes", 200, ALL, None),
        ("bytes=", 200, ALL, None),
        ("=0-1", 200, ALL, None),
        ("items=0-1", 200, ALL, None),
        ("bytes 0-1", 200, ALL, None),
        ("", 200, ALL, None),
    ],
)
async def test_a_range_of_a_file(
    script: Script, site: Path, wanted: str, status: int, body: bytes, where: str | None
) -> None:
    async with script.serving(routes(site)) as url:
        found = await ask_raw(url, "/s/a%20b.txt", f"Range: {wanted}")
        assert (found[0], found[2], found[1].get("content-range")) == (status, body, where)
        assert found[1]["content-length"] == str(len(body))
        head = await ask_raw(url, "/s/a%20b.txt", f"Range: {wanted}", method="HEAD")
        assert (head[0], head[1]["content-length"], head[2]) == (200, "10", b"")


@pytest.mark.parametrize(("wanted", "status"), [("bytes=0-", 416), ("bytes=-5", 200), ("bytes=-0", 416)])
async def test_a_range_of_an_empty_file(script: Script, site: Path, wanted: str, status: int) -> None:
    (site / "empty").touch()
    async with script.serving(routes(site)) as url:
        assert (await ask_raw(url, "/s/empty", f"Range: {wanted}"))[0] == status


def header_case(date: str) -> str:
    """Return a date as servers write it: `ask_raw` returns it in small letters."""
    return date.title().replace("Gmt", "GMT")


@pytest.mark.parametrize(
    ("condition", "partial"),
    [
        ("TAG", True),
        ("DATE", True),
        ('"other"', False),
        ("W/TAG", False),
        ("Mon, 01 Jan 2001 00:00:00 GMT", False),
        ("Mon, 01 Jan 2035 00:00:00 GMT", False),
        ("nonsense", False),
        ("TAG, TAG", False),
    ],
)
async def test_if_range_asks_for_a_range_of_an_unchanged_file(
    script: Script, site: Path, condition: str, partial: bool
) -> None:
    async with script.serving(routes(site)) as url:
        _, headers, _ = await ask_raw(url, "/s/a%20b.txt", method="HEAD")
        os.utime(site / "data.json", (10**9, 10**9))
        given = condition.replace("TAG", headers["etag"]).replace("DATE", header_case(headers["last-modified"]))
        status, _, body = await ask_raw(url, "/s/a%20b.txt", "Range: bytes=4-", f"If-Range: {given}")
        assert (status, body) == ((206, b"456789") if partial else (200, ALL))


# Conditions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        (["If-None-Match: TAG"], 304),
        (["If-None-Match: W/TAG"], 304),
        (["If-None-Match: *"], 304),
        (['If-None-Match: "a", TAG'], 304),
        (['If-None-Match: "a"'], 200),
        (["If-Modified-Since: DATE"], 304),
        (["If-Modified-Since: Mon, 01 Jan 2001 00:00:00 GMT"], 200),
        (["If-Modified-Since: nonsense"], 200),
        (['If-None-Match: "a"', "If-Modified-Since: DATE"], 200),
        (["If-Match: TAG"], 200),
        (["If-Match: *"], 200),
        (["If-Match: W/TAG"], 412),
        (['If-Match: "a"'], 412),
        (["If-Unmodified-Since: DATE"], 200),
        (["If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT"], 412),
        (["If-Match: TAG", "If-None-Match: TAG"], 304),
        (["If-None-Match: TAG", "Range: bytes=0-1"], 304),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_condition_decides_about_the_status(
    script: Script, site: Path, conditions: list[str], status: int, method: str
) -> None:
    async with script.serving(routes(site)) as url:
        _, headers, _ = await ask_raw(url, "/s/a%20b.txt", method="HEAD")
        tag, date = headers["etag"], header_case(headers["last-modified"])
        given = [line.replace("TAG", tag).replace("DATE", date) for line in conditions]
        found, headers, body = await ask_raw(url, "/s/a%20b.txt", *given, method=method)
    assert (found, body) == (status, ALL if status == 200 and method == "GET" else b"")
    assert headers["etag"] == tag
    assert headers["cache-control"] == "max-age=5"


# Large files ----------------------------------------------------------------------------------------------------


@pytest.fixture
def large(site: Path) -> bytes:
    """The content of a large file on the site, `large`."""
    data = os.urandom(3_000_000)
    (site / "large").write_bytes(data)
    return data


async def test_a_large_file_is_served(script: Script, site: Path, large: bytes) -> None:
    async with script.serving(routes(site)) as url:
        assert (await ask_raw(url, "/s/large"))[2] == large


async def test_a_range_of_a_large_file_is_served(script: Script, site: Path, large: bytes) -> None:
    async with script.serving(routes(site)) as url:
        assert (await ask_raw(url, "/s/large", "Range: bytes=1000000-"))[2] == large[1_000_000:]


async def test_a_file_is_served_to_a_client_that_half_closes(script: Script, site: Path, large: bytes) -> None:
    async with script.serving(routes(site)) as url:
        answer = await say(url, b"GET /s/large HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n" + large)
