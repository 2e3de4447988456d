"""Proxies of the environment, as the `http` client uses them."""

from __future__ import annotations

import asyncio
import ssl

import pytest
import trustme
from yarl import URL

from assay.builtins.http import transport
from assay.errors import LuaError
from web_peers import Peer, Script, answer_of, close_silently, failure, listening


async def test_http_proxy_in_capitals_is_ignored_under_cgi(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under CGI, HTTP_PROXY is the header `Proxy` of a request."""
    monkeypatch.setenv("HTTP_PROXY", "http://evil.invalid")
    monkeypatch.setenv("REQUEST_METHOD", "GET")
    assert transport._proxy(URL("http://elsewhere.invalid/")) == (None, {})


async def test_http_proxy_in_small_letters_is_used_under_cgi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://evil.invalid")
    monkeypatch.setenv("REQUEST_METHOD", "GET")
    monkeypatch.setenv("http_proxy", "http://good.invalid")
    assert transport._proxy(URL("http://elsewhere.invalid/")) == (URL("http://good.invalid"), {})


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY"])
async def test_a_request_goes_through_the_proxy(
    script: Script, peer: Peer, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, peer.url)
    monkeypatch.setenv("no_proxy", "")
    await script.run('http.get("http://elsewhere.invalid/path")')
    assert peer.requests[0].startswith(b"GET http://elsewhere.invalid/path ")
    assert not [line for line in peer.headers() if line.startswith("proxy-authorization")]


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY"])
async def test_credentials_of_the_proxy_are_sent(
    script: Script, peer: Peer, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, peer.url.replace("//", "//me:secret@"))
    monkeypatch.setenv("no_proxy", "")
    await script.run('http.get("http://elsewhere.invalid/path")')
    assert peer.requests[0].startswith(b"GET http://elsewhere.invalid/path ")
    assert "proxy-authorization: Basic bWU6c2VjcmV0" in peer.headers()


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY"])
async def test_a_request_to_a_loopback_address_takes_no_proxy(
    script: Script, peer: Peer, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, peer.url.replace("//", "//me:secret@"))
    monkeypatch.setenv("no_proxy", "")
    await script.run("http.get(...)", f"{peer.url}/direct")
    assert peer.requests[0].startswith(b"GET /direct ")


@pytest.mark.parametrize("address", ["socks5://127.0.0.1:1080", "::::", "http://", "http://h:99999", "http://[::1"])
async def test_an_invalid_address_of_a_proxy_is_an_error(
    script: Script, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("http_proxy", address)
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(LuaError) as caught:
        await script.run("http.get('http://elsewhere.invalid/')")
    expected = "test.lua:1: http.get: environment variable http_proxy is not a valid HTTP proxy address"
    assert caught.value.message == expected


async def test_each_redirect_takes_the_proxy_of_its_url(
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


@pytest.mark.parametrize("exception", ["direct.invalid", "direct.invalid:80"])
async def test_a_host_in_no_proxy_is_reached_directly(
    script: Script, peer: Peer, monkeypatch: pytest.MonkeyPatch, exception: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", peer.url)
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.setenv("NO_PROXY", exception)
    monkeypatch.delenv("no_proxy", raising=False)
    kind, _ = await failure(script, "http.get('http://direct.invalid/')")
    assert kind == "dns"
    assert peer.requests == []


async def test_https_goes_through_a_tunnel_and_again_through_a_new_one(
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
    monkeypatch.setenv("https_proxy", f"http://me:secret@127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setattr(transport, "_is_loopback", lambda host: False)
    async with listening(Peer(), server_tls) as peer:
        peer.answers = [answer_of(b"one"), close_silently, answer_of(b"two")]
        code = """local url, pem = ...
        local c = http.client{ ca_cert = pem }
        return { c:get(url).body, c:post(url, "x").body }"""
        assert await script.run(code, peer.url, authority.cert_pem.bytes().decode()) == ["one", "two"]
        assert asked == [peer.url[8:]] * 2
        assert not [line for line in peer.headers() if line.startswith("proxy")]  # only the proxy gets its credentials
        await script.host.close()
    proxy.close()


async def test_a_proxy_that_refuses_a_tunnel_is_a_connect_error(
    script: Script, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
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
