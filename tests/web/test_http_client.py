"""`http` as a client: files, forms, time limits, cookies, redirects, proxies."""

from __future__ import annotations

import asyncio
import gzip
import os
import ssl
import sys
import zlib
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
import trustme

from assay.builtins.http import transport
from assay.errors import LuaError
from web_peers import WAIT_TIMEOUT, Peer, Script, answer_of, failure, listening, until

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
    async with asyncio.timeout(WAIT_TIMEOUT):
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
    assert saved == [6, "answer", "http.put: bad option 'file' (paths must not contain NUL bytes)"]
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
            "bad option 'multipart.1' (a name contains a quote, a line break or NUL)",
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
        f"http.get failed: no data from {place} for 0.2 s",
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
    assert message.startswith("http.get failed: cannot resolve nowhere.invalid: ")


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

    assert [cookies(index) for index in range(5)] == [[], ["a=1"], ["a=1", "b=2"], [], ["mine=3"]]
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


async def test_an_answer_through_a_tunnel(
    script: Script, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, server_tls: ssl.SSLContext
) -> None:
    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        asked.append(target)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", int(target.rpartition(":")[2]))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(pass_on(reader, far_writer), pass_on(far_reader, writer))

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    asked: list[str] = []
    proxy = await asyncio.start_server(connect, "127.0.0.1", 0)
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setattr(transport, "_is_loopback", lambda host: False)
    async with listening(Peer(), server_tls) as peer:
        peer.answers = [answer_of(b"one"), close_silently, answer_of(b"two")]
        code = """local url, pem = ...
        local c = http.client{ ca_cert = pem }
        return { c:get(url).body, c:post(url, "x").body }"""
        assert await script.run(code, peer.url, authority.cert_pem.bytes().decode()) == ["one", "two"]
        assert asked == [peer.url[8:]] * 2
        await script.host.close()
    proxy.close()


async def test_tls_goes_through_a_tunnel(script: Script, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", peer.url.replace("//", "//me:secret@"))
    monkeypatch.setenv("no_proxy", "")
    peer.answers = [answer_of(b"", status="403 Forbidden")]
    kind, message = await failure(script, "http.get('https://away.invalid/')")
    assert (kind, message) == (
        "connect",
        "http.get failed: the proxy refused to connect to away.invalid:443: 403 Forbidden",
    )
    assert peer.requests[0].startswith(b"CONNECT away.invalid:443 ")
    assert "proxy-authorization: Basic bWU6c2VjcmV0" in peer.headers()


def zip_of(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


# Answers that are not by the book -------------------------------------------------------------------------------


@pytest.mark.parametrize("later", [False, True], ids=["at once", "in a packet of its own"])
@pytest.mark.parametrize(
    ("method", "answer", "status", "body"),
    [
        ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n|hello", 204, ""),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n|hello", 304, ""),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhel|lo", 200, "hel"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nhel|lo", 200, "hel"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n|hello", 200, ""),
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n0\r\n\r\n|lo", 200, "hel"),
        (
            "GET",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok|HTTP/1.1 500 No\r\nContent-Length: 1\r\n\r\nx",
            200,
            "ok",
        ),
        ("GET", b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok|HTTP/1.1", 200, "ok"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n|hello", 200, ""),
    ],
)
async def test_bytes_behind_an_answer_cost_only_the_connection(
    script: Script, peer: Peer, method: str, answer: bytes, status: int, body: str, later: bool
) -> None:
    first, _, surplus = answer.partition(b"|")

    async def answer_with_surplus(writer: asyncio.StreamWriter) -> None:
        writer.write(first if later else first + surplus)
        await writer.drain()
        if later:
            await asyncio.sleep(0.05)
            writer.write(surplus)

    peer.answers = [answer_with_surplus]
    found = await script.run(
        """local url, method = ...
        local first = http.request(method, url)
        sleep(0.1)
        return { first.status, first.body, http.get(url).status }""",
        peer.url,
        method,
    )
    assert found == [status, body, 200]
    assert peer.connections == 2


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("gzip", zip_of(b"row of data\n" * 1000)),
        ("gzip", zip_of(bytes(range(256)) * 9)),
        ("deflate", zlib.compress(b"row of data\n" * 1000)),
        ("br", b"\x8b\x01\x80text\x03"),
        ("zstd", zstd.compress(b"row of data\n" * 1000)),
        ("gzip, gzip", zip_of(zip_of(b"text"))),
    ],
)
@pytest.mark.parametrize("missing", [1, 3])
async def test_a_compressed_answer_that_breaks_off_is_an_error(
    script: Script, peer: Peer, tmp_path: Path, encoding: str, data: bytes, missing: int
) -> None:
    answer = answer_of(data[:-missing], f"Content-Encoding: {encoding}")
    peer.answers = [answer, answer]
    broken = ("protocol", f"http.get failed: the response from {peer.url[7:]} is incomplete")
    assert await failure(script, "http.get(...)", peer.url) == broken
    call = "local url, path = ...; http.get(url, { save_to = path })"
    assert await failure(script, call, peer.url, str(tmp_path / "file")) == broken
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("x-gzip", zip_of(b"text")),
        ("GZIP", zip_of(b"text")),
        ("gzip, gzip", zip_of(zip_of(b"text"))),
        ("deflate, gzip", zip_of(zlib.compress(b"text"))),
        ("identity, gzip", zip_of(b"text")),
        ("deflate", zlib.compress(b"text")[2:-4]),
        ("gzip", zip_of(b"te") + zip_of(b"xt")),
        ("gzip", zip_of(b"text") + b"\0\0garbage"),
        ("zstd", zstd.compress(b"te") + zstd.compress(b"xt")),
    ],
)
async def test_encodings_by_other_names_and_several_at_once(
    script: Script, peer: Peer, encoding: str, data: bytes
) -> None:
    peer.answers = [answer_of(data, f"Content-Encoding: {encoding}")]
    found = await script.run(
        "local r = http.get(...); return { r.body, tostring(r.headers['content-encoding']) }", peer.url
    )
    assert found == ["text", "nil"]


async def test_an_unknown_encoding_is_left_alone(script: Script, peer: Peer) -> None:
    peer.answers = [answer_of(b"as it came", "Content-Encoding: compress, gzip")]
    found = await script.run("local r = http.get(...); return { r.body, r.headers['content-encoding'] }", peer.url)
    assert found == ["as it came", "compress, gzip"]


async def test_a_body_has_a_limit_after_decompression(script: Script, peer: Peer, tmp_path: Path) -> None:
    bomb = gzip.compress(b"\0" * 300_000_000, compresslevel=6)
    peer.answers = [
        answer_of(bomb, "Content-Encoding: gzip"),
        answer_of(b"12345"),
        answer_of(b"12345"),
        answer_of(b"1234"),
    ]
    place = peer.url[7:]
    assert await failure(script, "http.get(...)", peer.url) == (
        "too_large",
        f"http.get failed: the response from {place} exceeds 104857600 bytes (option 'max_body')",
    )
    call = "http.client({ max_body = 4 }):get(...)"
    assert (await failure(script, call, peer.url))[0] == "too_large"
    call = "local url, path = ...; http.get(url, { max_body = 4, save_to = path })"
    assert (await failure(script, call, peer.url, str(tmp_path / "file")))[0] == "too_large"
    assert await script.run("return http.get(..., { max_body = 4 }).body", peer.url) == "1234"


async def test_a_bad_limit(script: Script) -> None:
    for call in ("http.get('http://x', { max_body = -1 })", "http.client({ max_body = -1 })"):
        with pytest.raises(LuaError) as caught:
            await script.run(call)
        assert "bad option 'max_body' (0 or more expected, got -1)" in caught.value.message


async def test_a_body_that_goes_into_a_file_has_no_limit(script: Script, peer: Peer, tmp_path: Path) -> None:
    size = 101 * 1024 * 1024
    peer.answers = [answer_of(gzip.compress(b"\0" * size), "Content-Encoding: gzip")]
    call = "local url, path = ...; return http.get(url, { save_to = path }).saved"
    assert await script.run(call, peer.url, str(tmp_path / "file")) == size


# Requests over kept connections ---------------------------------------------------------------------------------


async def close_silently(writer: asyncio.StreamWriter) -> None:
    pass


@pytest.mark.parametrize("options", ["{}", "{ headers = { Expect = '100-continue' } }"], ids=["plain", "expect"])
@pytest.mark.parametrize("body", ["'x'", "('x'):rep(3000000)", "{ 1, 2 }"])
async def test_a_request_that_a_kept_connection_loses_is_sent_again(
    script: Script, peer: Peer, body: str, options: str, capfd: pytest.CaptureFixture[str]
) -> None:
    peer.answers = [answer_of(b"first"), close_silently]
    code = f"local url = ...; http.get(url) return http.post(url, {body}, {options}).status"
    assert await script.run(code, peer.url) == 200
    assert peer.connections == 2
    assert [request.split()[0] for request in peer.requests] == [b"GET", b"POST", b"POST"]
    assert peer.body(1) == peer.body(2) != b""
    assert capfd.readouterr().err == ""


async def test_a_call_of_the_rest_client_that_a_kept_connection_loses_is_sent_again(script: Script, peer: Peer) -> None:
    packed = answer_of(gzip.compress(b'{"serverVersion":"1"}', mtime=0), "Content-Encoding: gzip")
    peer.answers = [packed, close_silently, packed]
    code = """local c = require("assay.temporal").client(...)
    return { c:system_info().serverVersion, c:system_info().serverVersion }"""
    assert await script.run(code, peer.url) == ["1", "1"]
    assert (len(peer.requests), peer.connections) == (3, 2)


async def test_a_file_is_sent_again_from_its_beginning(script: Script, peer: Peer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789" * 100_000)
    peer.answers = [answer_of(b"first"), close_silently]
    code = "local url, path = ...; http.get(url) return http.put(url, nil, { file = path }).status"
    assert await script.run(code, peer.url, str(tmp_path / "file")) == 200
    assert peer.body(1) == peer.body(2) == b"0123456789" * 100_000


@pytest.mark.parametrize("call", ["http.get(url)", "http.post(url, 'x')"])
async def test_a_request_that_a_new_connection_loses_is_an_error(script: Script, peer: Peer, call: str) -> None:
    peer.answers = [close_silently]
    kind, message = await failure(script, f"local url = ...; {call}", peer.url)
    assert kind == "protocol"
    assert message.endswith("closed the connection without a response")
    assert len(peer.requests) == 1


async def test_a_request_whose_answer_has_begun_is_not_sent_again(script: Script, peer: Peer) -> None:
    peer.answers = [answer_of(b"first"), b"HTTP/1.1 200 OK\r\nConnection: close\r\n"]
    found = await failure(script, "local url = ...; http.get(url) http.post(url, 'x')", peer.url)
    assert found == ("protocol", f"http.post failed: the response from {peer.url[7:]} is incomplete")
    assert len(peer.requests) == 2


# What a request says of its body --------------------------------------------------------------------------------


class Silent(Peer):
    """A server that reads heads only, and records what follows them."""

    answer = b""
    rest = b""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answer)
        self.rest += await reader.read(4 if self.answer.startswith(b"HTTP/1.1 100") or not self.answer else -1)
        if not self.answer or self.answer.startswith(b"HTTP/1.1 100"):
            writer.write(answer_of(b"done", "Connection: close"))
        writer.close()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 100 Continue\r\n\r\n"], ids=["silence", "100"])
async def test_a_body_follows_when_it_is_asked_for_or_after_a_while(script: Script, answer: bytes) -> None:
    async with listening(Silent()) as peer:
        peer.answer = answer
        code = "return http.post(..., 'data', { headers = { Expect = '100-continue' } }).body"
        assert await script.run(code, peer.url) == "done"
        assert peer.rest == b"data"


async def test_a_body_that_is_refused_before_it_begins_is_not_sent(script: Script) -> None:
    async with listening(Silent()) as peer:
        peer.answer = answer_of(b"no", status="417 Expectation Failed")
        code = "return http.post(..., 'data', { headers = { Expect = '100-continue' } }).status"
        assert await script.run(code, peer.url) == 417
        await script.run("sleep(1.2)")
        assert (peer.rest, peer.connections) == (b"", 1)


@pytest.mark.parametrize("value", ["chunked", "Chunked"])
async def test_a_callers_transfer_encoding_is_the_only_word_on_length(script: Script, value: str) -> None:
    async with listening(Silent()) as peer:
        headers = f'{{ ["Transfer-Encoding"] = "{value}", ["Content-Length"] = "6" }}'
        await script.run(f"http.post(..., 'abcdef', {{ headers = {headers} }})", peer.url)
        assert [line for line in peer.headers() if line.startswith(("content-length", "transfer"))] == [
            "transfer-encoding: chunked"
        ]
        assert peer.rest == b"6\r\na"


@pytest.mark.parametrize("call", ["post(url, 'abc', OPTIONS)", "get(url, OPTIONS)", "put(url, nil, OPTIONS)"])
async def test_a_callers_content_length_is_not_believed(script: Script, peer: Peer, call: str) -> None:
    options = '{ headers = { ["content-length"] = "2" } }'
    await script.run(f"local url = ...; http.{call.replace('OPTIONS', options)}", peer.url)
    lengths = [line for line in peer.headers() if line.startswith("content-length")]
    assert lengths == {"post": ["content-length: 3"], "get": [], "put": ["content-length: 0"]}[call.partition("(")[0]]


async def test_other_transfer_encodings_are_refused(script: Script) -> None:
    with pytest.raises(LuaError) as caught:
        await script.run("http.post('http://x', 'a', { headers = { ['Transfer-Encoding'] = 'gzip, chunked' } })")
    problem = "bad header 'Transfer-Encoding' ('chunked' expected, got 'gzip, chunked')"
    assert caught.value.message == f"test.lua:1: http.post: {problem}"


async def test_several_cookies_of_the_caller_are_one_header(script: Script, peer: Peer) -> None:
    await script.run("http.get(..., { headers = { Cookie = { 'a=1', 'b=2' } } })", peer.url)
    assert [line for line in peer.headers() if line.startswith("cookie")] == ["cookie: a=1; b=2"]


@pytest.mark.parametrize("code", [*range(9), *range(10, 32), 127])
async def test_control_characters_in_headers_are_refused(script: Script, code: int) -> None:
    for call in (
        f"http.get('http://x', {{ headers = {{ a = 'b\\{code:03}c' }} }})",
        f"ws.connect('ws://x', {{ headers = {{ a = 'b\\{code:03}c' }} }})",
    ):
        with pytest.raises(LuaError) as caught:
            await script.run(call)
        assert "bad header 'a' (its value contains a control character)" in caught.value.message


# Redirects ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "kept"), [(302, False), (303, False), (307, True)])
async def test_headers_of_the_body_go_with_the_body(script: Script, peer: Peer, status: int, kept: bool) -> None:
    peer.answers = [answer_of(b"", "Location: /there", status=f"{status} Moved")]
    headers = '{ ["Content-Type"] = "text/x", ["Content-Encoding"] = "x", ["Content-Language"] = "de", ["X-A"] = "b" }'
    await script.run(f"http.post(..., 'data', {{ headers = {headers} }})", peer.url)
    found = [line.partition(":")[0] for line in peer.headers(1) if line.startswith(("content-", "x-a"))]
    always = ["x-a"]
    assert sorted(found) == sorted(
        [*always, "content-encoding", "content-language", "content-length", "content-type"] if kept else always
    )


async def test_private_headers_stay_with_their_origin(script: Script, peer: Peer) -> None:
    async with listening(Peer()) as other:
        peer.answers = [
            answer_of(b"", "Location: /same", status="302 Found"),
            answer_of(b"", f"Location: {other.url}/other", status="302 Found"),
        ]
        other.answers = [answer_of(b"", f"Location: {peer.url}/back", status="302 Found")]
        await script.run(
            """http.client{ private_headers = { "private-token" } }:get(..., { headers = {
              ["Private-Token"] = "t", ["Proxy-Authorization"] = "p", Authorization = "a", Host = "virtual",
              ["X-Mine"] = "m",
            } })""",
            peer.url,
        )
    secrets = {"private-token: t", "proxy-authorization: p", "authorization: a", "host: virtual"}
    assert secrets <= set(peer.headers(1))
    for headers in (other.headers(), peer.headers(2)):
        assert not secrets & set(headers)
        assert "x-mine: m" in headers


async def test_credentials_of_a_url_stay_with_their_origin(script: Script, peer: Peer) -> None:
    async with listening(Peer()) as other:
        peer.answers = [
            answer_of(b"", "Location: /same", status="302 Found"),
            answer_of(b"", f"Location: {other.url.replace('//', '//you:s@')}/other", status="302 Found"),
        ]
        await script.run("http.get(...)", peer.url.replace("//", "//me:secret@"))
    assert "authorization: Basic bWU6c2VjcmV0" in peer.headers(1)
    assert "authorization: Basic eW91OnM=" in other.headers()


@pytest.mark.parametrize(
    "location", ["ftp://x/", "http://", "http://[x", "mailto:x", "http://h:99999/", "javascript:alert(1)"]
)
async def test_a_redirect_that_leads_nowhere(script: Script, peer: Peer, location: str) -> None:
    peer.answers = [answer_of(b"", f"Location: {location}", status="302 Found")]
    kind, message = await failure(script, "http.get(...)", peer.url)
    assert (kind, message) == (
        "redirect",
        f"http.get failed: {peer.url[7:]} redirects to a URL that is not HTTP: {location}",
    )


@pytest.mark.parametrize("location", ["there", "/a/there", "//HOST/a/there", "http:/a/there", "?q", "../a/there#f"])
async def test_a_redirect_to_a_relative_url(script: Script, peer: Peer, location: str) -> None:
    peer.answers = [answer_of(b"", f"Location: {location.replace('HOST', peer.url[7:])}", status="302 Found")]
    await script.run("http.get(...)", f"{peer.url}/a/b")
    assert peer.requests[1].split()[1] == (b"/a/b?q" if location == "?q" else b"/a/there")


async def test_the_time_limit_is_for_all_redirects(script: Script, peer: Peer) -> None:
    async def wait(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        writer.write(answer_of(b"", "Location: /x", status="302 Found"))

    peer.answers = [wait] * 11
    kind, message = await failure(script, "http.get(..., { timeout = 0.5 })", peer.url)
    assert (kind, message) == ("timeout", f"http.get failed: no complete response from {peer.url[7:]} within 0.5 s")


@pytest.mark.parametrize("how", ["end", "reset"])
async def test_a_tls_handshake_that_the_server_ends(script: Script, how: str) -> None:
    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.transport.abort() if how == "reset" else writer.close()

    server = await asyncio.start_server(end, "127.0.0.1", 0)
    place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    assert await failure(script, "http.get(...)", f"https://{place}") == (
        "tls",
        f"http.get failed: {place}: TLS handshake failed: the server closed the connection",
    )
    server.close()
