"""Connections of the `http` client: failures, time limits, reuse, cookies, TLS."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from timeouts import TIMEOUT
from web_peers import Peer, Script, answer_of, close_silently, failure, listening

# Failures -------------------------------------------------------------------------------------------------------


async def test_a_server_that_closes_without_a_response(script: Script, peer: Peer) -> None:
    peer.answers = [asyncio.sleep(0)]
    assert await failure(script, "http.post(...)", peer.url) == (
        "protocol",
        f"http.post failed: {peer.url[7:]} closed the connection without a response",
    )


async def test_a_server_that_does_not_speak_http(script: Script, peer: Peer) -> None:
    peer.answers = [b"SSH-2.0-x\r\n\r\n"]
    assert await failure(script, "http.get(...)", peer.url) == (
        "protocol",
        f"http.get failed: {peer.url[7:]} does not speak HTTP/1.1: bad status line",
    )


async def test_a_response_that_breaks_off(script: Script, peer: Peer) -> None:
    peer.answers = [answer_of(b"12345", "Connection: close")[:-1]]
    assert await failure(script, "http.client():get(...)", peer.url) == (
        "protocol",
        f"client:get failed: the response from {peer.url[7:]} is incomplete",
    )


async def test_a_port_without_a_server(script: Script) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        found = await failure(script, "http.get(...)", f"http://127.0.0.1:{port}/")
    assert found == ("connect", f"http.get failed: cannot connect to 127.0.0.1:{port}: Connection refused")


async def test_a_host_that_cannot_be_resolved(script: Script) -> None:
    kind, message = await failure(script, "http.get('http://nowhere.invalid/')")
    assert kind == "dns"
    assert message.startswith("http.get failed: cannot resolve nowhere.invalid: ")


# Time limits and cancellation -----------------------------------------------------------------------------------


async def test_a_timeout_closes_the_connection(script: Script, peer: Peer) -> None:
    peer.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"]
    assert await failure(script, "http.get(..., { timeout = 0.2 })", peer.url) == (
        "timeout",
        f"http.get failed: no complete response from {peer.url[7:]} within 0.2 s",
    )
    await asyncio.wait_for(peer.ended.wait(), TIMEOUT)


async def test_cancellation_closes_the_connection(script: Script, peer: Peer) -> None:
    peer.answers = [b"HTTP/1.1 200 OK\r\n"]
    task = asyncio.ensure_future(script.run("http.get(...)", peer.url))
    async with asyncio.timeout(TIMEOUT):
        await peer.asked.wait()
        task.cancel()
        await peer.ended.wait()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_pause_longer_than_read_timeout_is_an_error(script: Script, peer: Peer) -> None:
    peer.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"]
    assert await failure(script, "http.get(..., { read_timeout = 0.2 })", peer.url) == (
        "timeout",
        f"http.get failed: no data from {peer.url[7:]} for 0.2 s",
    )


async def test_connect_timeout_covers_the_tls_handshake(script: Script) -> None:
    async def be_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(be_silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert await failure(script, "http.get(..., { connect_timeout = 0.2 })", f"https://127.0.0.1:{port}") == (
        "timeout",
        f"http.get failed: no connection to 127.0.0.1:{port} within 0.2 s",
    )
    server.close()


# Reuse ----------------------------------------------------------------------------------------------------------


async def test_a_connection_is_kept_for_the_next_request(script: Script, peer: Peer) -> None:
    await script.run(
        """local url = ...
        http.get(url) http.post(url, "x")
        local c = http.client{ timeout = 5 }
        c:get(url) c:delete(url)""",
        peer.url,
    )
    assert peer.connections == 1
    assert [request.split()[0] for request in peer.requests] == [b"GET", b"POST", b"GET", b"DELETE"]


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
async def test_a_connection_with_bytes_after_the_response_is_not_used_again(
    script: Script, peer: Peer, method: str, answer: bytes, status: int, body: str, later: bool
) -> None:
    first, _, surplus = answer.partition(b"|")

    async def answer_with_surplus(writer: asyncio.StreamWriter) -> bool:
        writer.write(first if later else first + surplus)
        await writer.drain()
        if later:
            await asyncio.sleep(0.05)
            writer.write(surplus)
        return True

    peer.answers = [answer_with_surplus]
    found = await script.run(
        """local url, method = ...
        local first = http.request(method, url)
        sleep(0.1)
        return { status = first.status, body = first.body, status_of_next = http.get(url).status }""",
        peer.url,
        method,
    )
    assert found == {"status": status, "body": body, "status_of_next": 200}
    assert peer.connections == 2


@pytest.mark.parametrize("options", ["{}", "{ headers = { Expect = '100-continue' } }"], ids=["plain", "expect"])
@pytest.mark.parametrize("body", ["'x'", "('x'):rep(3000000)", "{ 1, 2 }"])
async def test_a_request_on_a_kept_connection_that_was_closed_is_sent_again(
    script: Script, peer: Peer, body: str, options: str, capfd: pytest.CaptureFixture[str]
) -> None:
    peer.answers = [answer_of(b"first"), close_silently]
    code = f"local url = ...; http.get(url) return http.post(url, {body}, {options}).status"
    assert await script.run(code, peer.url) == 200
    assert peer.connections == 2
    assert [request.split()[0] for request in peer.requests] == [b"GET", b"POST", b"POST"]
    assert peer.body(1) == peer.body(2) != b""
    assert capfd.readouterr().err == ""


async def test_the_rest_client_retries_on_a_closed_keep_alive_connection(script: Script, peer: Peer) -> None:
    packed = answer_of(gzip.compress(b'{"serverVersion":"1"}', mtime=0), "Content-Encoding: gzip")
    peer.answers = [packed, close_silently, packed]
    code = """local c = require("assay.temporal").client(...)
    return { c:system_info().serverVersion, c:system_info().serverVersion }"""
    assert await script.run(code, peer.url) == ["1", "1"]
    assert (len(peer.requests), peer.connections) == (3, 2)


async def test_a_file_is_sent_from_its_beginning_on_the_new_connection(
    script: Script, peer: Peer, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"0123456789" * 100_000)
    peer.answers = [answer_of(b"first"), close_silently]
    code = "local url, path = ...; http.get(url) return http.put(url, nil, { file = path }).status"
    assert await script.run(code, peer.url, str(tmp_path / "file")) == 200
    assert peer.body(1) == peer.body(2) == b"0123456789" * 100_000


@pytest.mark.parametrize("call", ["http.get(url)", "http.post(url, 'x')"])
async def test_a_request_on_a_new_connection_that_was_closed_is_an_error(script: Script, peer: Peer, call: str) -> None:
    peer.answers = [close_silently]
    kind, message = await failure(script, f"local url = ...; {call}", peer.url)
    assert kind == "protocol"
    assert message.endswith("closed the connection without a response")
    assert len(peer.requests) == 1


async def test_a_request_whose_response_has_begun_is_not_sent_again(script: Script, peer: Peer) -> None:
    peer.answers = [answer_of(b"first"), b"HTTP/1.1 200 OK\r\nConnection: close\r\n"]
    found = await failure(script, "local url = ...; http.get(url) http.post(url, 'x')", peer.url)
    assert found == ("protocol", f"http.post failed: the response from {peer.url[7:]} is incomplete")
    assert len(peer.requests) == 2


# Cookies --------------------------------------------------------------------------------------------------------


async def test_functions_keep_no_cookies(script: Script, peer: Peer) -> None:
    peer.answers = [answer_of(b"", "Set-Cookie: a=1; Path=/")]
    await script.run("local url = ...; http.get(url) http.get(url)", peer.url)
    assert not [line for line in peer.headers() if line.startswith("cookie")]


def cookies(peer: Peer, index: int = -1) -> list[str]:
    """Return the cookies of a request."""
    lines = [line.removeprefix("cookie: ") for line in peer.headers(index) if line.startswith("cookie:")]
    return sorted(cookie for line in lines for cookie in line.split("; "))


async def test_a_client_sends_cookies_that_it_received(script: Script, peer: Peer) -> None:
    peer.answers = [answer_of(b"", "Set-Cookie: a=1; Path=/")]
    await script.run('local url, c = ..., http.client(); c:get(url .. "/one") c:get(url .. "/two")', peer.url)
    assert cookies(peer, 0) == []
    assert cookies(peer, 1) == ["a=1"]


async def test_a_cookie_is_sent_below_its_path(script: Script, peer: Peer) -> None:
    peer.answers = [answer_of(b"", "Set-Cookie: a=1; Path=/", "Set-Cookie: b=2; Path=/deep")]
    code = 'local url, c = ..., http.client(); c:get(url) c:get(url .. "/two") c:get(url .. "/deep/x")'
    await script.run(code, peer.url)
    assert cookies(peer, 1) == ["a=1"]
    assert cookies(peer, 2) == ["a=1", "b=2"]


async def test_clients_do_not_share_cookies(script: Script, peer: Peer) -> None:
    peer.answers = [answer_of(b"", "Set-Cookie: a=1; Path=/")]
    await script.run("local url, c, other = ..., http.client(), http.client(); c:get(url) other:get(url)", peer.url)
    assert cookies(peer, 1) == []


async def test_a_cookie_header_of_the_caller_replaces_the_cookies(script: Script, peer: Peer) -> None:
    peer.answers = [answer_of(b"", "Set-Cookie: a=1; Path=/")]
    code = 'local url, c = ..., http.client(); c:get(url) c:get(url, { headers = { cookie = "mine=3" } })'
    await script.run(code, peer.url)
    assert cookies(peer, 1) == ["mine=3"]


async def test_a_client_without_cookies_keeps_none(script: Script, peer: Peer) -> None:
    peer.answers = [answer_of(b"", "Set-Cookie: a=1; Path=/")]
    await script.run("local url, c = ..., http.client{ cookies = false }; c:get(url) c:get(url)", peer.url)
    assert cookies(peer, 1) == []


async def test_clients_share_connections(script: Script, peer: Peer) -> None:
    code = "local url = ...; http.client():get(url) http.client{ cookies = false }:get(url)"
    await script.run(code, peer.url)
    assert peer.connections == 1


# TLS ------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def tls_peer(script: Script, server_tls: ssl.SSLContext) -> AsyncIterator[Peer]:
    """A server with a certificate of `authority`."""
    async with listening(Peer(), server_tls) as peer:
        yield peer
        await script.host.close()


async def test_a_certificate_of_an_unknown_authority_is_an_error(script: Script, tls_peer: Peer) -> None:
    assert await failure(script, "http.get(...)", tls_peer.url) == (
        "tls",
        f"http.get failed: {tls_peer.url[8:]}: certificate verify failed: unable to get local issuer certificate",
    )


async def test_ca_cert_is_the_authority_to_trust(script: Script, tls_peer: Peer, authority: trustme.CA) -> None:
    code = "local url, pem = ...; return http.get(url, { ca_cert = pem }).status"
    assert await script.run(code, tls_peer.url, authority.cert_pem.bytes().decode()) == 200


async def test_ca_cert_may_be_the_path_of_a_file(
    script: Script, tls_peer: Peer, authority: trustme.CA, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_bytes(authority.cert_pem.bytes())
    code = 'local url, path = ...; return http.client({ ca_cert = "@" .. path }):get(url).status'
    assert await script.run(code, tls_peer.url, str(tmp_path / "ca.pem")) == 200


async def test_verify_false_accepts_any_certificate(script: Script, tls_peer: Peer) -> None:
    assert await script.run("return http.get(..., { verify = false }).status", tls_peer.url) == 200


async def test_requests_with_different_trusted_certificates_share_no_connections(
    script: Script, tls_peer: Peer, authority: trustme.CA
) -> None:
    code = """local url, pem = ...
    local c = http.client{ ca_cert = pem }
    c:get(url) c:get(url)
    c:get(url, { verify = false })"""
    await script.run(code, tls_peer.url, authority.cert_pem.bytes().decode())
    assert tls_peer.connections == 2


async def test_a_server_without_tls_is_an_error(script: Script) -> None:
    async with script.serving("{}") as url:
        kind, message = await failure(script, "http.get(...)", url.replace("http", "https"))
    assert kind == "tls", message


@pytest.mark.parametrize("how", ["end", "reset"])
async def test_a_tls_handshake_that_the_server_ends_is_an_error(script: Script, how: str) -> None:
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
