"""Redirects that the `http` client follows."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from web_peers import Peer, Script, answer_of, failure, listening

THERE = answer_of(b"", "Location: /there", status="302 Found")


# Which are followed ---------------------------------------------------------------------------------------------


async def test_a_redirect_is_followed(script: Script, peer: Peer) -> None:
    peer.answers = [THERE, answer_of(b"done")]
    assert await script.run("return http.get(...).body", peer.url) == "done"


async def test_a_redirect_is_returned_without_follow_redirects(script: Script, peer: Peer) -> None:
    peer.answers = [THERE]
    assert await script.run("return http.get(..., { follow_redirects = false }).status", peer.url) == 302


async def test_more_than_ten_redirects_are_an_error(script: Script, peer: Peer) -> None:
    peer.answers = [THERE] * 50
    assert await failure(script, "http.get(...)", peer.url) == (
        "redirect",
        f"http.get failed: more than 10 redirects from {peer.url[7:]}",
    )


async def test_as_many_redirects_as_max_redirects_are_followed(script: Script, peer: Peer) -> None:
    peer.answers = [THERE, THERE, answer_of(b"done")]
    assert await script.run("return http.get(..., { max_redirects = 2 }).body", peer.url) == "done"


@pytest.mark.parametrize("limit", [2, 1, 0])
async def test_more_redirects_than_max_redirects_are_an_error(script: Script, peer: Peer, limit: int) -> None:
    peer.answers = [THERE] * 3
    assert await failure(script, f"http.get(..., {{ max_redirects = {limit} }})", peer.url) == (
        "redirect",
        f"http.get failed: more than {limit} redirects from {peer.url[7:]}",
    )


@pytest.mark.parametrize(
    "location", ["ftp://x/", "http://", "http://[x", "mailto:x", "http://h:99999/", "javascript:alert(1)"]
)
async def test_a_redirect_to_a_url_that_is_not_http_is_an_error(script: Script, peer: Peer, location: str) -> None:
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


async def test_a_redirect_may_have_a_long_url(script: Script, peer: Peer) -> None:
    location = "/?" + "x" * 50_000
    peer.answers = [answer_of(b"", f"Location: {location}", status="302 Found")]
    await script.run("http.get(...)", peer.url)
    assert peer.requests[1].split()[1].decode() == location


async def test_the_timeout_covers_all_redirects(script: Script, peer: Peer) -> None:
    async def wait(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        writer.write(answer_of(b"", "Location: /x", status="302 Found"))

    peer.answers = [wait] * 11
    kind, message = await failure(script, "http.get(..., { timeout = 0.5 })", peer.url)
    assert (kind, message) == ("timeout", f"http.get failed: no complete response from {peer.url[7:]} within 0.5 s")


# What is sent again ---------------------------------------------------------------------------------------------


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
async def test_the_status_decides_about_method_and_body(
    script: Script, peer: Peer, status: int, method: str, then: str, body: bytes
) -> None:
    peer.answers = [answer_of(b"", "Location: /there", status=f"{status} Moved")]
    await script.run("local url, method = ...; http.request(method, url, { body = 'data' })", peer.url, method)
    assert (peer.requests[1].split()[0].decode(), peer.body(1)) == (then, body)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirected_head_stays_a_head(script: Script, peer: Peer, status: int) -> None:
    peer.answers = [answer_of(b"", "Location: /there", status=f"{status} Moved"), answer_of(b"")]
    await script.run("http.request('HEAD', ...)", peer.url)
    assert [request.split()[0] for request in peer.requests] == [b"HEAD", b"HEAD"]


async def test_a_large_body_is_sent_again(script: Script, peer: Peer) -> None:
    peer.answers = [answer_of(b"", "Location: /there", status="307 Temporary Redirect")]
    await script.run('http.put(..., string.rep("x", 3000000))', peer.url)
    assert [len(peer.body(0)), len(peer.body(1))] == [3000000, 3000000]
    assert not [line for line in peer.headers() if line.startswith("content-type")]


async def test_a_file_is_sent_again(script: Script, peer: Peer, tmp_path: Path) -> None:
    data = bytes(range(256)) * 10000
    path = tmp_path / "data.json"
    path.write_bytes(data)
    peer.answers = [answer_of(b"", "Location: /there", status="307 Temporary Redirect")]
    await script.run("local url, path = ...; http.put(url, nil, { file = path })", peer.url, str(path))
    assert peer.body(0) == peer.body(1) == data
    assert f"content-length: {len(data)}" in peer.headers(1)
    assert "content-type: application/json" in peer.headers(1)


@pytest.mark.parametrize(("status", "kept"), [(302, False), (303, False), (307, True)])
async def test_headers_about_the_body_are_kept_with_the_body(
    script: Script, peer: Peer, status: int, kept: bool
) -> None:
    peer.answers = [answer_of(b"", "Location: /there", status=f"{status} Moved")]
    headers = '{ ["Content-Type"] = "text/x", ["Content-Encoding"] = "x", ["Content-Language"] = "de", ["X-A"] = "b" }'
    await script.run(f"http.post(..., 'data', {{ headers = {headers} }})", peer.url)
    found = [line.partition(":")[0] for line in peer.headers(1) if line.startswith(("content-", "x-a"))]
    always = ["x-a"]
    assert sorted(found) == sorted(
        [*always, "content-encoding", "content-language", "content-length", "content-type"] if kept else always
    )


# Secrets --------------------------------------------------------------------------------------------------------


async def test_authorization_and_cookies_are_not_sent_to_another_host(script: Script, peer: Peer) -> None:
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


async def test_private_headers_are_not_sent_to_another_origin(script: Script, peer: Peer) -> None:
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


async def test_credentials_of_a_url_are_not_sent_to_another_origin(script: Script, peer: Peer) -> None:
    async with listening(Peer()) as other:
        peer.answers = [
            answer_of(b"", "Location: /same", status="302 Found"),
            answer_of(b"", f"Location: {other.url.replace('//', '//you:s@')}/other", status="302 Found"),
        ]
        await script.run("http.get(...)", peer.url.replace("//", "//me:secret@"))
    assert "authorization: Basic bWU6c2VjcmV0" in peer.headers(1)
    assert "authorization: Basic eW91OnM=" in other.headers()
