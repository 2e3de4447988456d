"""Responses as the `http` client returns them: headers, encodings, limits, and bodies saved to files."""

from __future__ import annotations

import asyncio
import gzip
import os
import sys
import zlib
from pathlib import Path

import pytest

from assay.errors import LuaError
from timeouts import TIMEOUT
from web_peers import Peer, Script, answer_of, failure, listening, until

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# The response table ---------------------------------------------------------------------------------------------


async def test_a_response_has_status_and_body(script: Script, peer: Peer) -> None:
    peer.answers = [answer_of(b"\0\xff\r\n", status="418 Teapot")]
    found = await script.run("local r = http.get(...) return { status = r.status, body = r.body }", peer.url)
    assert found == {"status": 418, "body": b"\0\xff\r\n"}


async def test_headers_of_one_name_are_joined(script: Script, peer: Peer) -> None:
    peer.answers = [answer_of(b"", "X-Up: A", "x-up: b")]
    assert await script.run("return http.get(...).headers['x-up']", peer.url) == "A, b"


async def test_several_cookies_are_a_list(script: Script, peer: Peer) -> None:
    peer.answers = [answer_of(b"", "Set-Cookie: a=1", "Set-Cookie: b=2")]
    assert await script.run("return http.get(...).headers['set-cookie']", peer.url) == ["a=1", "b=2"]


async def test_one_cookie_is_a_string(script: Script, peer: Peer) -> None:
    peer.answers = [answer_of(b"", "Set-Cookie: a=1")]
    assert await script.run("return http.get(...).headers['set-cookie']", peer.url) == "a=1"


async def test_a_response_may_have_many_headers(script: Script, peer: Peer) -> None:
    peer.answers = [answer_of(b"", *[f"X-{number}: {number}" for number in range(500)])]
    assert await script.run("return http.get(...).headers['x-499']", peer.url) == "499"


async def test_a_header_of_100_000_bytes_is_accepted(script: Script, peer: Peer) -> None:
    peer.answers = [answer_of(b"", "Link: " + "x" * 100_000)]
    assert await script.run("return #http.get(...).headers.link", peer.url) == 100_000


async def test_a_header_over_the_limit_is_an_error(script: Script, peer: Peer) -> None:
    peer.answers = [answer_of(b"ok", "Link: " + "x" * 200_000)]
    assert await failure(script, "http.get(...)", peer.url) == (
        "protocol",
        f"http.get failed: {peer.url[7:]} sent a header of more than 102400 bytes",
    )


# Encodings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("gzip", gzip.compress(b"text", mtime=0)),
        ("deflate", zlib.compress(b"text")),
        ("br", b"\x8b\x01\x80text\x03"),
        ("zstd", zstd.compress(b"text")),
    ],
)
async def test_a_compressed_body_is_decompressed(script: Script, peer: Peer, encoding: str, data: bytes) -> None:
    peer.answers = [answer_of(data, f"Content-Encoding: {encoding}")]
    assert await script.run("return http.get(...).body", peer.url) == "text"
    (accepted,) = [line for line in peer.headers() if line.startswith("accept-encoding")]
    assert encoding in accepted


@pytest.mark.parametrize("header", ["content-encoding", "content-length"])
async def test_headers_about_the_compressed_body_are_left_out(script: Script, peer: Peer, header: str) -> None:
    peer.answers = [answer_of(gzip.compress(b"text"), "Content-Encoding: gzip")]
    assert await script.run("local url, name = ... return http.get(url).headers[name]", peer.url, header) is None


def zip_of(data: bytes) -> bytes:
    """Return data compressed with gzip, the same each time."""
    return gzip.compress(data, mtime=0)


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
async def test_encodings_are_known_by_other_names_and_may_be_several(
    script: Script, peer: Peer, encoding: str, data: bytes
) -> None:
    peer.answers = [answer_of(data, f"Content-Encoding: {encoding}")]
    code = "local r = http.get(...) return { body = r.body, encoding = r.headers['content-encoding'] }"
    assert await script.run(code, peer.url) == {"body": "text"}


async def test_an_unknown_encoding_is_left_alone(script: Script, peer: Peer) -> None:
    peer.answers = [answer_of(b"as it came", "Content-Encoding: compress, gzip")]
    code = "local r = http.get(...) return { body = r.body, encoding = r.headers['content-encoding'] }"
    assert await script.run(code, peer.url) == {"body": "as it came", "encoding": "compress, gzip"}


async def test_a_body_that_contradicts_its_encoding_is_an_error(script: Script, peer: Peer) -> None:
    peer.answers = [answer_of(b"plain text", "Content-Encoding: gzip")]
    assert await failure(script, "http.get(...)", peer.url) == (
        "protocol",
        f"http.get failed: the response from {peer.url[7:]} cannot be decompressed",
    )


BROKEN_BODIES = pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("gzip", zip_of(b"row of data\n" * 1000)),
        ("gzip", zip_of(bytes(range(256)) * 9)),
        ("deflate", zlib.compress(b"row of data\n" * 1000)),
        ("br", b"\x8b\x01\x80text\x03"),
        ("zstd", zstd.compress(b"row of data\n" * 1000)),
        ("gzip, gzip", zip_of(zip_of(b"text"))),
    ],
    ids=["gzip", "gzip of few bytes", "deflate", "br", "zstd", "twice"],
)


@BROKEN_BODIES
@pytest.mark.parametrize("missing", [1, 3])
async def test_a_compressed_body_without_its_end_is_an_error(
    script: Script, peer: Peer, encoding: str, data: bytes, missing: int
) -> None:
    peer.answers = [answer_of(data[:-missing], f"Content-Encoding: {encoding}")]
    assert await failure(script, "http.get(...)", peer.url) == (
        "protocol",
        f"http.get failed: the response from {peer.url[7:]} is incomplete",
    )


@BROKEN_BODIES
@pytest.mark.parametrize("missing", [1, 3])
async def test_a_compressed_body_without_its_end_is_not_saved(
    script: Script, peer: Peer, tmp_path: Path, encoding: str, data: bytes, missing: int
) -> None:
    peer.answers = [answer_of(data[:-missing], f"Content-Encoding: {encoding}")]
    call = "local url, path = ...; http.get(url, { save_to = path })"
    assert await failure(script, call, peer.url, str(tmp_path / "file")) == (
        "protocol",
        f"http.get failed: the response from {peer.url[7:]} is incomplete",
    )
    assert os.listdir(tmp_path) == []


# The largest body -----------------------------------------------------------------------------------------------


async def test_the_limit_of_a_body_counts_decompressed_bytes(script: Script, peer: Peer) -> None:
    bomb = gzip.compress(b"\0" * 300_000_000, compresslevel=6)
    peer.answers = [answer_of(bomb, "Content-Encoding: gzip")]
    assert await failure(script, "http.get(...)", peer.url) == (
        "too_large",
        f"http.get failed: the response from {peer.url[7:]} exceeds 104857600 bytes (option 'max_body')",
    )


async def test_a_body_as_long_as_max_body_is_returned(script: Script, peer: Peer) -> None:
    peer.answers = [answer_of(b"1234")]
    assert await script.run("return http.get(..., { max_body = 4 }).body", peer.url) == "1234"


async def test_max_body_of_a_client_limits_its_responses(script: Script, peer: Peer) -> None:
    peer.answers = [answer_of(b"12345")]
    kind, _ = await failure(script, "http.client({ max_body = 4 }):get(...)", peer.url)
    assert kind == "too_large"


async def test_max_body_limits_a_saved_body(script: Script, peer: Peer, tmp_path: Path) -> None:
    peer.answers = [answer_of(b"12345")]
    call = "local url, path = ...; http.get(url, { max_body = 4, save_to = path })"
    kind, _ = await failure(script, call, peer.url, str(tmp_path / "file"))
    assert kind == "too_large"


async def test_a_saved_body_has_no_limit_by_default(script: Script, peer: Peer, tmp_path: Path) -> None:
    size = 101 * 1024 * 1024
    peer.answers = [answer_of(gzip.compress(b"\0" * size), "Content-Encoding: gzip")]
    call = "local url, path = ...; return http.get(url, { save_to = path }).saved"
    assert await script.run(call, peer.url, str(tmp_path / "file")) == size


# Bodies saved to files ------------------------------------------------------------------------------------------


SAVE = """local url, path = ...
local r = http.get(url, { save_to = path })
return { body = r.body, saved = r.saved, encoding = r.headers["content-encoding"] }"""


async def test_a_body_is_saved_to_a_file_in_a_new_folder(script: Script, peer: Peer, tmp_path: Path) -> None:
    data = bytes(range(256)) * 20000
    peer.answers = [answer_of(gzip.compress(data), "Content-Encoding: gzip")]
    path = tmp_path / "new" / "folder" / "file"
    assert await script.run(SAVE, peer.url, str(path)) == {"body": "", "saved": len(data)}
    assert path.read_bytes() == data


async def test_the_body_of_a_failed_request_is_not_saved(script: Script, peer: Peer, tmp_path: Path) -> None:
    peer.answers = [answer_of(b"gone", status="404 Gone")]
    assert await script.run(SAVE, peer.url, str(tmp_path / "file")) == {"body": "gone"}
    assert os.listdir(tmp_path) == []


async def test_the_path_of_a_saved_body_may_be_any_bytes(script: Script, peer: Peer, tmp_path: Path) -> None:
    peer.answers = [answer_of(b"answer")]
    code = r"""local url, folder = ...
    local saved = http.get(url, { save_to = folder .. "/out\xff" }).saved
    return { saved = saved, content = fs.read(folder .. "/out\xff") }"""
    assert await script.run(code, peer.url, str(tmp_path)) == {"saved": 6, "content": "answer"}


async def test_a_response_that_breaks_off_does_not_replace_the_file(script: Script, peer: Peer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("before")
    peer.answers = [answer_of(b"x" * 3_000_000, "Connection: close")[:-1]]
    with pytest.raises(LuaError):
        await script.run(SAVE, peer.url, str(tmp_path / "file"))
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "before"


async def test_a_cancelled_request_does_not_replace_the_file(script: Script, peer: Peer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("before")
    peer.answers = [answer_of(b"x" * 3_000_000)[:2_000_000]]

    def has_begun() -> bool:
        return any(path.stat().st_size > 1_000_000 for path in tmp_path.iterdir())

    task = asyncio.ensure_future(script.run(SAVE, peer.url, str(tmp_path / "file")))
    await until(has_begun)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, TIMEOUT)
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "before"


async def test_a_path_that_cannot_be_written_is_an_error(script: Script, peer: Peer) -> None:
    with pytest.raises(LuaError) as caught:
        await script.run("http.get(..., { save_to = '/dev/null/x' })", peer.url)
    assert caught.value.message == "test.lua:1: http.get: /dev/null/x: File exists"


async def test_a_saved_body_is_not_held_in_memory(script: Script, tmp_path: Path) -> None:
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
