"""Server-sent events: handlers of `http.serve` that return a stream."""

from __future__ import annotations

import aiohttp
import pytest

from assay.builtins.http.events import Event
from web_peers import Script, connected


async def stream_of(script: Script, web: aiohttp.ClientSession, code: str) -> str:
    """Return the text of a stream whose function runs `code`."""
    routes = f'{{ GET = {{ ["/x"] = function() return {{ sse = function(send) {code} end }} end }} }}'
    async with script.serving(routes) as url, web.get(f"{url}/x") as response:
        return await response.text()


async def test_a_handler_sends_events(script: Script, web: aiohttp.ClientSession) -> None:
    text = await stream_of(script, web, "send{ data = 'one' } sleep(0) send{ data = 'two' }")
    assert text == "data: one\n\ndata: two\n\n"


async def test_an_event_has_a_kind_an_id_and_a_delay(script: Script, web: aiohttp.ClientSession) -> None:
    text = await stream_of(script, web, "send{ data = 'x', event = 'kind', id = '7', retry = 1500 }")
    assert text == "event: kind\nid: 7\nretry: 1500\ndata: x\n\n"


async def test_each_line_of_the_data_is_a_field(script: Script, web: aiohttp.ClientSession) -> None:
    text = await stream_of(script, web, r"send{ data = 'two\nlines\r\n' }")
    assert text == "data: two\ndata: lines\ndata: \n\n"


async def test_empty_data_is_an_event(script: Script, web: aiohttp.ClientSession) -> None:
    assert await stream_of(script, web, "send{ data = '' }") == "data: \n\n"


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Event(data="a\rb"), b"data: a\ndata: b\n\n"),
        (Event(data="é", id=""), "id: \ndata: é\n\n".encode()),
        (Event(data="x", retry=0), b"retry: 0\ndata: x\n\n"),
    ],
)
def test_the_encoding_of_an_event(event: Event, text: bytes) -> None:
    assert event.encode() == text


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (r"{ data = 'x', event = 'a\nb' }", "send: bad option 'event' (one line without NUL expected)"),
        ("{}", "send: missing option 'data'"),
        ("'text'", "send: bad argument 'event' (table expected, got string)"),
    ],
    ids=["two lines", "no data", "string"],
)
async def test_a_bad_event(script: Script, web: aiohttp.ClientSession, event: str, message: str) -> None:
    code = f"local ok, problem = pcall(send, {event}) send{{ data = tostring(problem) }}"
    assert await stream_of(script, web, code) == f"data: {message}\n\n"


async def test_nothing_can_be_sent_after_the_end_of_the_stream(script: Script, web: aiohttp.ClientSession) -> None:
    routes = """{ GET = {
      ["/x"] = function() return { sse = function(send) late = send end } end,
      ["/late"] = function() return { body = tostring(select(2, pcall(late, { data = "x" }))) } end,
    } }"""
    async with script.serving(routes) as url:
        await (await web.get(f"{url}/x")).read()
        async with web.get(f"{url}/late") as response:
            assert await response.text() == "send: the stream has ended"


STREAM = '{ GET = { ["/x"] = function() return { headers = { ["X-A"] = "b" }, sse = function() end } end } }'


async def test_a_stream_has_headers(script: Script, web: aiohttp.ClientSession) -> None:
    async with script.serving(STREAM) as url, web.get(f"{url}/x") as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-cache"
        assert response.headers["X-A"] == "b"


async def test_head_is_answered_with_the_type_of_a_stream(script: Script, web: aiohttp.ClientSession) -> None:
    async with script.serving(STREAM) as url, web.head(f"{url}/x") as response:
        assert response.headers["Content-Type"] == "text/event-stream"


async def test_a_client_that_disconnects_ends_its_stream(script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    routes = """{ GET = { ["/x"] = function() return { sse = function(send)
      local ok, problem
      repeat ok, problem = pcall(function() send{ data = "tick" } sleep(0.01) end) until not ok
      print(problem.kind)
      error("nobody is there to be told")
    end } end } }"""
    async with script.serving(routes) as url:
        async with connected(url, b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n") as reader:
            await reader.readuntil(b"data: tick\n\n")
        assert await script.line() in ("cancelled", "closed")
    assert capsys.readouterr().err == ""


async def test_an_error_in_a_stream_is_logged(
    script: Script, web: aiohttp.ClientSession, capsys: pytest.CaptureFixture[str]
) -> None:
    routes = (
        '{ GET = { ["/x"] = function() return { sse = function(send) send{ data = "a" } error("boom") end } end } }'
    )
    async with script.serving(routes) as url, web.get(f"{url}/x") as response:
        assert await response.text() == "data: a\n\n"
    assert capsys.readouterr().err.endswith(" ERROR http.serve: GET /x: test.lua:1: boom [ASSAY6001]\n")
