"""Requests of the `http` client: methods, headers, queries and bodies, as they arrive at a server."""

from __future__ import annotations

import asyncio
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest

from assay.errors import LuaError
from web_peers import Peer, Script, answer_of, listening

# Methods, headers and queries -----------------------------------------------------------------------------------


async def test_each_method_is_a_function_and_a_method_of_a_client(script: Script, peer: Peer) -> None:
    await script.run(
        """local url = ...
        local c = http.client()
        for _, name in ipairs{"post", "put", "patch"} do http[name](url, "b") c[name](c, url, "b") end
        http.delete(url) http.request("options", url) c:request("PROPFIND", url, {body = "q"})""",
        peer.url,
    )
    methods = [request.split()[0].decode() for request in peer.requests]
    assert methods == ["POST", "POST", "PUT", "PUT", "PATCH", "PATCH", "DELETE", "OPTIONS", "PROPFIND"]
    assert peer.body() == b"q"


async def test_a_header_of_the_caller_replaces_the_default(script: Script, peer: Peer) -> None:
    await script.run(
        """http.post(..., {1}, {headers = {
          ["content-TYPE"] = "application/x-mine", ["USER-agent"] = "me", Accept = "text/x", ["X-Many"] = {"a", "b"},
          ["X-Number"] = 3, ["accept-encoding"] = "identity"}})""",
        peer.url,
    )
    names = [line.partition(":")[0] for line in peer.headers() if not line.startswith("x-many")]
    assert sorted(set(names)) == sorted(names)
    assert {"content-type: application/x-mine", "user-agent: me", "accept: text/x", "x-number: 3"} <= set(
        peer.headers()
    )
    assert [line for line in peer.headers() if line.startswith("x-many")] == ["x-many: a", "x-many: b"]
    assert "accept-encoding: identity" in peer.headers()


async def test_a_request_adds_to_the_defaults_of_its_client(script: Script, peer: Peer) -> None:
    await script.run(
        """local url = ...
        local c = http.client{ headers = { Authorization = "t", ["X-A"] = "1" }, query = { v = 1 } }
        c:get(url .. "/one", { headers = { ["x-a"] = "2" }, query = { w = 2 } })
        c:get(url .. "/two")""",
        peer.url,
    )
    assert peer.requests[0].startswith(b"GET /one?v=1&w=2 ")
    assert {"authorization: t", "x-a: 2"} <= set(peer.headers(0))
    assert peer.requests[1].startswith(b"GET /two?v=1 ")
    assert {"authorization: t", "x-a: 1"} <= set(peer.headers(1))


async def test_a_query_is_added_to_that_of_the_url(script: Script, peer: Peer) -> None:
    await script.run('http.get(... .. "/projects/a%2Fb?x=1", { query = { n = 2, t = true } })', peer.url)
    path, _, query = peer.requests[0].split()[1].decode().partition("?")
    assert path == "/projects/a%2Fb"
    assert sorted(query.split("&")) == ["n=2", "t=true", "x=1"]


async def test_a_query_is_encoded(script: Script, peer: Peer) -> None:
    await script.run('http.get(..., { query = { q = "a b&+é" } })', peer.url)
    assert peer.requests[0].split()[1] == b"/?q=a+b%26%2B%C3%A9"


async def test_a_list_in_a_query_repeats_the_parameter(script: Script, peer: Peer) -> None:
    await script.run('http.get(..., { query = { l = { "1", "2" } } })', peer.url)
    assert peer.requests[0].split()[1] == b"/?l=1&l=2"


async def test_credentials_in_the_url_are_sent_as_basic_authorization(script: Script, peer: Peer) -> None:
    await script.run("http.get(...)", peer.url.replace("//", "//me:secret@"))
    assert "authorization: Basic bWU6c2VjcmV0" in peer.headers()


async def test_several_cookies_of_the_caller_are_one_header(script: Script, peer: Peer) -> None:
    await script.run("http.get(..., { headers = { Cookie = { 'a=1', 'b=2' } } })", peer.url)
    assert [line for line in peer.headers() if line.startswith("cookie")] == ["cookie: a=1; b=2"]


# Bodies ---------------------------------------------------------------------------------------------------------


async def test_a_string_body_has_no_content_type(script: Script, peer: Peer) -> None:
    await script.run('http.post(..., "a\\0b\\255")', peer.url)
    assert peer.body() == b"a\0b\xff"
    assert not [line for line in peer.headers() if line.startswith("content-type")]
    assert peer.headers().count("content-length: 4") == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("{ a = 2, b = 2.0, c = {}, d = json.array() }", '{"a":2,"b":2.0,"c":{},"d":[]}'),
        ("{ 1, json.null, 'é' }", '[1,null,"é"]'),
        ("{ n = 9007199254740993, x = 0.1 }", '{"n":9007199254740993,"x":0.1}'),
    ],
)
@pytest.mark.parametrize(
    "how", ["post(url, VALUE)", "post(url, nil, {json = VALUE})", "post(url, nil, {body = VALUE})"]
)
async def test_a_table_is_sent_as_exact_json(script: Script, peer: Peer, how: str, value: str, text: str) -> None:
    await script.run(f"local url = ...; http.{how.replace('VALUE', value)}", peer.url)
    assert peer.body().decode() == text
    assert [line for line in peer.headers() if line.startswith("content-type")] == ["content-type: application/json"]


async def test_a_form_is_encoded(script: Script, peer: Peer) -> None:
    await script.run('http.post(..., nil, { form = { q = "a b&+", l = { 1, 2 } } })', peer.url)
    assert sorted(peer.body().split(b"&")) == [b"l=1", b"l=2", b"q=a+b%26%2B"]
    assert "content-type: application/x-www-form-urlencoded" in peer.headers()


async def test_a_file_is_sent_with_its_type(script: Script, peer: Peer, tmp_path: Path) -> None:
    data = bytes(range(256)) * 10000
    path = tmp_path / "data.json"
    path.write_bytes(data)
    await script.run("local url, path = ...; http.put(url, nil, { file = path })", peer.url, str(path))
    assert peer.body() == data
    assert f"content-length: {len(data)}" in peer.headers()
    assert "content-type: application/json" in peer.headers()


async def test_a_missing_file_is_an_error(script: Script, peer: Peer) -> None:
    with pytest.raises(LuaError) as caught:
        await script.run("http.put(..., nil, { file = '/no/file' })", peer.url)
    assert caught.value.message == "test.lua:1: http.put: /no/file: No such file or directory"


async def test_the_name_of_a_sent_file_may_be_any_bytes(script: Script, peer: Peer, tmp_path: Path) -> None:
    code = r"""local url, folder = ...
    fs.write(folder .. "/in\xff", "content")
    http.put(url, nil, { file = folder .. "/in\xff" })"""
    await script.run(code, peer.url, str(tmp_path))
    assert peer.body() == b"content"


async def test_the_name_of_a_file_in_a_form_becomes_utf_8(script: Script, peer: Peer, tmp_path: Path) -> None:
    code = r"""local url, folder = ...
    fs.write(folder .. "/in\xff", "content")
    http.post(url, nil, { multipart = { { name = "f", file = folder .. "/in\xff" } } })"""
    await script.run(code, peer.url, str(tmp_path))
    assert 'filename="in\ufffd"'.encode() in peer.body()


@pytest.mark.parametrize(
    ("part", "body", "disposition", "content_type"),
    [
        ("{ name = 'title', body = 'größe' }", "größe".encode(), 'form-data; name="title"', None),
        (r"{ name = 'title', body = '\0\255' }", b"\0\xff", 'form-data; name="title"', None),
        (
            "{ name = 'image', file = path }",
            b"\x89PNG\r\n\0",
            'form-data; name="image"; filename="a.png"',
            "image/png",
        ),
        (
            "{ name = 'note', body = '{}', filename = 'n.json' }",
            b"{}",
            'form-data; name="note"; filename="n.json"',
            "application/json",
        ),
        (
            "{ name = 'typed', body = 'x', content_type = 'text/x-mine' }",
            b"x",
            'form-data; name="typed"',
            "text/x-mine",
        ),
    ],
    ids=["text", "bytes", "file", "file name", "content type"],
)
async def test_a_part_of_a_multipart_form(
    script: Script,
    peer: Peer,
    tmp_path: Path,
    part: str,
    body: bytes,
    disposition: str,
    content_type: str | None,
) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\0")
    code = f"local url, path = ...; http.post(url, nil, {{ multipart = {{ {part} }} }})"
    await script.run(code, peer.url, str(tmp_path / "a.png"))
    (sent,) = multipart_of(peer)
    assert sent.get_payload(decode=True) == body
    assert sent.get("Content-Disposition") == disposition
    assert sent.get("Content-Type") == content_type


async def test_the_parts_of_a_multipart_form_keep_their_order(script: Script, peer: Peer) -> None:
    code = "http.post(..., nil, { multipart = { { name = 'b', body = '1' }, { name = 'a', body = '2' } } })"
    await script.run(code, peer.url)
    assert [part.get_payload() for part in multipart_of(peer)] == ["1", "2"]


def multipart_of(peer: Peer) -> list[Any]:
    """Return the parts of the form that the peer received."""
    (content_type,) = [line for line in peer.headers() if line.startswith("content-type")]
    message = BytesParser().parsebytes(content_type.encode() + b"\r\n\r\n" + peer.body())
    assert message.get_content_type() == "multipart/form-data"
    parts: Any = message.get_payload()
    return list(parts)


# Length of a body, and when it is sent --------------------------------------------------------------------------


class Silent(Peer):
    """A server that reads the head of a request, answers, and records what follows in `rest`."""

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
async def test_a_body_that_expects_100_continue_follows_the_answer_or_a_delay(script: Script, answer: bytes) -> None:
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
async def test_a_transfer_encoding_of_the_caller_replaces_the_length(script: Script, value: str) -> None:
    async with listening(Silent()) as peer:
        headers = f'{{ ["Transfer-Encoding"] = "{value}", ["Content-Length"] = "6" }}'
        await script.run(f"http.post(..., 'abcdef', {{ headers = {headers} }})", peer.url)
        assert [line for line in peer.headers() if line.startswith(("content-length", "transfer"))] == [
            "transfer-encoding: chunked"
        ]
        assert peer.rest == b"6\r\na"


@pytest.mark.parametrize("call", ["post(url, 'abc', OPTIONS)", "get(url, OPTIONS)", "put(url, nil, OPTIONS)"])
async def test_a_content_length_of_the_caller_is_ignored(script: Script, peer: Peer, call: str) -> None:
    options = '{ headers = { ["content-length"] = "2" } }'
    await script.run(f"local url = ...; http.{call.replace('OPTIONS', options)}", peer.url)
    lengths = [line for line in peer.headers() if line.startswith("content-length")]
    assert lengths == {"post": ["content-length: 3"], "get": [], "put": ["content-length: 0"]}[call.partition("(")[0]]


async def test_a_transfer_encoding_other_than_chunked_is_refused(script: Script) -> None:
    with pytest.raises(LuaError) as caught:
        await script.run("http.post('http://x', 'a', { headers = { ['Transfer-Encoding'] = 'gzip, chunked' } })")
    problem = "bad header 'Transfer-Encoding' ('chunked' expected, got 'gzip, chunked')"
    assert caught.value.message == f"test.lua:1: http.post: {problem}"


# Bad arguments --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("http.get()", "http.get: bad argument 'url' (string expected, got nil)"),
        ("http.get('/x')", "http.get: bad argument 'url' (an http:// or https:// URL expected, got '/x')"),
        (
            "http.get('http://[x')",
            "http.get: bad argument 'url' (an http:// or https:// URL expected, got 'http://[x')",
        ),
        ("http.get('http://x', {timeot = 1})", "http.get: unknown option 'timeot' (did you mean 'timeout'?)"),
        ("http.get('http://x', {timeout = 0})", "http.get: bad option 'timeout' (a number above 0 expected, got 0)"),
        ("http.post('http://x', 5)", "http.post: bad argument 'body' (string or table expected, got number)"),
        ("http.post('http://x', {a = {0/0}})", "http.post: bad argument 'body' (not JSON-serializable: NaN at .a[1])"),
        ("http.get('http://x', {headers = {['a b'] = 'c'}})", "http.get: bad header name 'a b'"),
        (
            "http.post('http://x', nil, {file = 'a\\0'})",
            "http.post: bad option 'file' (paths must not contain NUL bytes)",
        ),
        ("http.get('http://x', {max_body = -1})", "http.get: bad option 'max_body' (0 or more expected, got -1)"),
        ("http.client{max_body = -1}", "http.client: bad option 'max_body' (0 or more expected, got -1)"),
        (
            "http.get('http://x', {connect_timeout = 0})",
            "http.get: bad option 'connect_timeout' (a number above 0 expected, got 0)",
        ),
        (
            "http.get('http://x', {read_timeout = 0})",
            "http.get: bad option 'read_timeout' (a number above 0 expected, got 0)",
        ),
        (
            "http.get('http://x', {headers = {a = 'b\\r\\nc: d'}})",
            "http.get: bad header 'a' (its value contains a control character)",
        ),
        (
            "http.post('http://x', 'a', {json = 1})",
            "http.post: the body argument and the options 'body', 'json', 'form', 'multipart' and 'file' are mutually"
            " exclusive",
        ),
        ("http.request('A B', 'http://x')", "http.request: bad argument 'method' (an HTTP method expected, got 'A B')"),
        (
            "http.client{ca_cert = 'x'}",
            "http.client: bad option 'ca_cert' (PEM certificates expected, or \"@\" and the path of a file with them)",
        ),
        (
            "http.get('https://127.0.0.1:1', {ca_cert = '@/no/file'})",
            "http.get: bad option 'ca_cert' (/no/file: No such file or directory)",
        ),
        (
            "ws.connect('wss://127.0.0.1:1', {ca_cert = '@a\\0'})",
            "ws.connect: bad option 'ca_cert' (paths must not contain NUL bytes)",
        ),
        (
            "http.client{ca_cert = '@/no/file'}",
            "http.client: bad option 'ca_cert' (/no/file: No such file or directory)",
        ),
    ],
)
async def test_a_bad_argument(script: Script, call: str, message: str) -> None:
    with pytest.raises(LuaError) as caught:
        await script.run(call)
    assert caught.value.message == f"test.lua:1: {message}"


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
async def test_a_bad_part_of_a_multipart_form(script: Script, part: str, message: str) -> None:
    with pytest.raises(LuaError) as caught:
        await script.run(f"http.post('http://127.0.0.1:1', nil, {{ multipart = {{ {part} }} }})")
    assert caught.value.message == f"test.lua:1: http.post: {message}"


@pytest.mark.parametrize("code", [*range(9), *range(10, 32), 127])
@pytest.mark.parametrize("call", ["http.get('http://x', OPTIONS)", "ws.connect('ws://x', OPTIONS)"])
async def test_a_control_character_in_a_header_is_refused(script: Script, call: str, code: int) -> None:
    options = f"{{ headers = {{ a = 'b\\{code:03}c' }} }}"
    with pytest.raises(LuaError) as caught:
        await script.run(call.replace("OPTIONS", options))
    assert "bad header 'a' (its value contains a control character)" in caught.value.message
