"""`http` as a client: files, forms, time limits, cookies, redirects, proxies."""

from __future__ import annotations

import asyncio
import gzip
import os
import sys
import zlib
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest

from assay.errors import LuaError
from web_peers import PATIENCE, Peer, Script, answer_of, failure, listening, until

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


async def test_an_answer_goes_into_a_file(script: Script, peer: Peer, tmp_path: Path) -> None:
    data = bytes(range(256)) * 20000
    peer.answers = [answer_of(gzip.compress(data), "Content-Encoding: gzip"), answer_of(b"gone", status="404 Gone")]
    found = await script.run(
        """local url, path = ...
        local r = http.get(url, { save_to = path .. "/new/folder/file" })
        local missing = http.get(url, { save_to = path .. "/other" })
        return { r.body, r.saved, r.headers["content-encoding"] or "none", missing.body, missing.saved or "none" }""",
        peer.url,
        str(tmp_path),
    )
    assert found == ["", len(data), "none", "gone", "none"]
    assert (tmp_path / "new/folder/file").read_bytes() == data
    assert os.listdir(tmp_path) == ["new"]


@pytest.mark.parametrize("how", ["breaks off", "cancelled"])
async def test_half_an_answer_leaves_no_file(script: Script, peer: Peer, tmp_path: Path, how: str) -> None:
    (tmp_path / "file").write_text("before")
    whole = answer_of(b"x" * 3_000_000, "Connection: close")
    peer.answers = [whole[:-1] if how == "breaks off" else whole[:2_000_000].replace(b"Connection: close\r\n", b"")]
    call = "local url, path = ...; http.get(url, { save_to = path })"

    def size(name: str) -> int:
        return os.stat(tmp_path / name).st_size

    task = asyncio.ensure_future(script.run(call, peer.url, str(tmp_path / "file")))
    async with asyncio.timeout(PATIENCE):
        if how == "cancelled":
            await until(lambda: any(size(name) > 1_000_000 for name in os.listdir(tmp_path) if name != "file"))
            task.cancel()
        with pytest.raises((LuaError, asyncio.CancelledError)):
            await task
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "before"


async def test_a_file_that_cannot_be_written(script: Script, peer: Peer) -> None:
    with pytest.raises(LuaError) as caught:
        await script.run("http.get(..., { save_to = '/dev/null/x' })", peer.url)
    assert caught.value.message == "test.lua:1: http.get: /dev/null/x: File exists"


async def test_a_large_answer_is_not_held_in_memory(script: Script, tmp_path: Path) -> None:
    import tracemalloc

    chunk = b"x" * 1_000_000

    class Large(Peer):
        async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
            for _ in range(100):
                writer.write(chunk)
                await writer.drain()
            writer.close()

    async with listening(Large()) as peer:
        tracemalloc.start()
        try:
            call = "local url, path = ...; return http.get(url, { save_to = path }).saved"
            assert await script.run(call, peer.url, str(tmp_path / "file")) == 100_000_000
            assert tracemalloc.get_traced_memory()[1] < 20_000_000
        finally:
            tracemalloc.stop()
    assert (tmp_path / "file").stat().st_size == 100_000_000


async def test_a_file_is_sent(script: Script, peer: Peer, tmp_path: Path) -> None:
    data = bytes(range(256)) * 10000
    (tmp_path / "data.json").write_bytes(data)
    peer.answers = [answer_of(b"", "Location: /there", status="307 Temporary Redirect")]
    await script.run(
        "local url, path = ...; http.put(url, nil, { file = path })", peer.url, str(tmp_path / "data.json")
    )
    assert [peer.body(0) == data, peer.body(1) == data] == [True, True]
    assert f"content-length: {len(data)}" in peer.headers()
    assert "content-type: application/json" in peer.headers()
    with pytest.raises(LuaError) as caught:
        await script.run("http.put(..., nil, { file = '/no/file' })", peer.url)
    assert caught.value.message == "test.lua:1: http.put: /no/file: No such file or directory"


async def test_a_file_name_of_any_bytes(script: Script, peer: Peer, tmp_path: Path) -> None:
    peer.answers = [answer_of(b"answer")]
    saved = await script.run(
        r"""local url, path = ...
        fs.write(path .. "/in\xff", "content")
        local r = http.put(url, nil, { file = path .. "/in\xff", save_to = path .. "/out\xff" })
        http.post(url, nil, { multipart = { { name = "f", file = path .. "/in\xff" } } })
        local ok, problem = pcall(http.put, url, nil, { file = "a\0" })
        return { r.saved, fs.read(path .. "/out\xff"), tostring(problem) }""",
        peer.url,
        str(tmp_path),
    )
    assert saved == [6, "answer", "http.put: bad option 'file' (a path without NUL expected)"]
    assert peer.body(0) == b"content"
    assert 'filename="in\ufffd"'.encode() in peer.body(1)


async def test_a_multipart_form(script: Script, peer: Peer, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\0")
    await script.run(
        r"""local url, path = ...
        http.post(url, nil, { multipart = {
          { name = "title", body = "größe" },
          { name = "title", body = "\0\255" },
          { name = "image", file = path },
          { name = "note", body = "{}", filename = "n.json" },
          { name = "typed", body = "x", content_type = "text/x-mine" },
        } })""",
        peer.url,
        str(tmp_path / "a.png"),
    )
    (content_type,) = [line for line in peer.headers() if line.startswith("content-type")]
    message = BytesParser().parsebytes(content_type.encode() + b"\r\n\r\n" + peer.body())
    assert message.get_content_type() == "multipart/form-data"
    parts: Any = message.get_payload()
    assert [part.get_payload(decode=True) for part in parts] == [
        "größe".encode(),
        b"\0\xff",
        b"\x89PNG\r\n\0",
        b"{}",
        b"x",
    ]
    assert [part.get("Content-Disposition") for part in parts] == [
        'form-data; name="title"',
        'form-data; name="title"',
        'form-data; name="image"; filename="a.png"',
        'form-data; name="note"; filename="n.json"',
        'form-data; name="typed"',
    ]
    assert [part.get("Content-Type") for part in parts] == [None, None, "image/png", "application/json", "text/x-mine"]


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("{ name = 'a' }", "bad option 'multipart.1' (either 'body' or 'file' expected)"),
        (
            "{ name = 'a\\r\\nb', body = '' }",
            "bad option 'multipart.1' (a quote, a line break or NUL in a name)",
        ),
        ("{ body = 'a' }", "missing option 'multipart.1.name'"),
    ],
)
async def test_a_bad_part(script: Script, part: str, message: str) -> None:
    with pytest.raises(LuaError) as caught:
        await script.run(f"http.post('http://127.0.0.1:1', nil, {{ multipart = {{ {part} }} }})")
    assert caught.value.message == f"test.lua:1: http.post: {message}"


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("gzip", gzip.compress(b"text", mtime=0)),
        ("deflate", zlib.compress(b"text")),
        ("br", b"\x8b\x01\x80text\x03"),
        ("zstd", zstd.compress(b"text")),
    ],
)
async def test_compressed_answers(script: Script, peer: Peer, encoding: str, data: bytes) -> None:
    peer.answers = [answer_of(data, f"Content-Encoding: {encoding}")]
    assert await script.run("return http.get(...).body", peer.url) == "text"
    (accepted,) = [line for line in peer.headers() if line.startswith("accept-encoding")]
    assert encoding in accepted


async def test_time_limits_by_phase(script: Script, peer: Peer) -> None:
    place = peer.url[7:]
    peer.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"]
    assert await failure(script, "http.get(..., { read_timeout = 0.2 })", peer.url) == (
        "timeout",
        f"http.get failed: nothing from {place} for 0.2 s",
    )

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]  # a TLS handshake that nobody answers is part of the connection
    found = await failure(script, "http.get(..., { connect_timeout = 0.2 })", f"https://127.0.0.1:{port}")
    assert found == ("timeout", f"http.get failed: no connection to 127.0.0.1:{port} within 0.2 s")
    server.close()
    for option in ("timeout", "connect_timeout", "read_timeout"):
        with pytest.raises(LuaError) as caught:
            await script.run(f"http.get('http://x', {{ {option} = 0 }})")
        assert f"bad option '{option}' (a number above 0 expected, got 0)" in caught.value.message


async def test_a_host_that_is_not_there(script: Script) -> None:
    kind, message = await failure(script, "http.get('http://nowhere.invalid/')")
    assert kind == "dns"
    assert message.startswith("http.get failed: cannot find nowhere.invalid: ")


async def test_a_client_keeps_cookies(script: Script, peer: Peer) -> None:
    peer.answers = [answer_of(b"", "Set-Cookie: a=1; Path=/", "Set-Cookie: b=2; Path=/deep")]
    await script.run(
        """local url = ...
        local c, other = http.client(), http.client()
        c:get(url .. "/one") c:get(url .. "/two") c:get(url .. "/deep/x") other:get(url)
        c:get(url .. "/two", { headers = { cookie = "mine=3" } })""",
        peer.url,
    )

    def cookies(index: int) -> list[str]:
        found = [line[8:] for line in peer.headers(index) if line.startswith("cookie:")]
        return sorted(part for line in found for part in line.split("; "))

    assert [cookies(index) for index in range(5)] == [[], ["a=1"], ["a=1", "b=2"], [], ["a=1", "mine=3"]]
    peer.answers = [answer_of(b"", "Set-Cookie: a=1; Path=/")]
    await script.run("local c = http.client{ cookies = false }; c:get(...) c:get(...)", peer.url)
    assert cookies(-1) == []
    assert peer.connections == 1


@pytest.mark.parametrize(
    ("status", "method", "then", "body"),
    [
        (301, "POST", "GET", b""),
        (302, "POST", "GET", b""),
        (303, "PUT", "GET", b""),
        (307, "POST", "POST", b"data"),
        (308, "PUT", "PUT", b"data"),
        (302, "PUT", "PUT", b"data"),
    ],
)
async def test_the_method_after_a_redirect(
    script: Script, peer: Peer, status: int, method: str, then: str, body: bytes
) -> None:
    peer.answers = [answer_of(b"", "Location: /there", status=f"{status} Moved")]
    await script.run("local url, method = ...; http.request(method, url, { body = 'data' })", peer.url, method)
    assert (peer.requests[1].split()[0].decode(), peer.body(1)) == (then, body)


async def test_the_number_of_redirects(script: Script, peer: Peer) -> None:
    there = answer_of(b"", "Location: /there", status="302 Found")
    peer.answers = [there, there, answer_of(b"done")]
    assert await script.run("return http.get(..., { max_redirects = 2 }).body", peer.url) == "done"
    for most in (2, 1, 0):
        peer.answers = [there] * 3
        kind, message = await failure(script, f"http.get(..., {{ max_redirects = {most} }})", peer.url)
        assert (kind, message) == ("redirect", f"http.get failed: more than {most} redirects from {peer.url[7:]}")


async def test_credentials_stay_with_their_host(script: Script, peer: Peer) -> None:
    async with listening(Peer()) as other:
        peer.answers = [
            answer_of(b"", "Location: /same", status="302 Found"),
            answer_of(b"", f"Location: {other.url}/other", status="302 Found"),
        ]
        headers = '{ authorization = "Bearer t", cookie = "a=1", ["x-mine"] = "kept" }'
        await script.run(f"http.get(..., {{ headers = {headers} }})", peer.url)
        assert {"authorization: Bearer t", "cookie: a=1", "x-mine: kept"} <= set(peer.headers(1))
        assert not [line for line in other.headers() if line.startswith(("authorization", "cookie"))]
        assert "x-mine: kept" in other.headers()


async def test_a_redirect_takes_the_proxy_of_its_own_url(
    script: Script, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(Peer()) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("//", "//me:secret@"))
        monkeypatch.delenv("http_proxy", raising=False)
        monkeypatch.setenv("NO_PROXY", "direct.invalid")
        monkeypatch.delenv("no_proxy", raising=False)
        proxy.answers = [answer_of(b"", f"Location: {peer.url}/here", status="302 Found")]
        assert await script.run("return http.get('http://away.invalid/').status") == 200
        assert proxy.requests[0].startswith(b"GET http://away.invalid/ ")
        assert "proxy-authorization: Basic bWU6c2VjcmV0" in proxy.headers()
        assert peer.requests[0].startswith(b"GET /here ")
        assert not [line for line in peer.headers() if line.startswith("proxy")]
        kind, _ = await failure(script, "http.get('http://direct.invalid/')")
        assert kind == "dns"


async def test_tls_goes_through_a_tunnel(script: Script, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", peer.url.replace("//", "//me:secret@"))
    monkeypatch.setenv("no_proxy", "")
    peer.answers = [answer_of(b"", status="403 Forbidden")]
    kind, message = await failure(script, "http.get('https://away.invalid/')")
    assert (kind, message) == (
        "connect",
        "http.get failed: the proxy does not connect to away.invalid:443: 403 Forbidden",
    )
    assert peer.requests[0].startswith(b"CONNECT away.invalid:443 ")
    assert "proxy-authorization: Basic bWU6c2VjcmV0" in peer.headers()
