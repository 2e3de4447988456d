"""Handlers of `http.serve`: the request that they receive, the response that they return."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import aiohttp
import pytest
from yarl import URL

from web_peers import Script, connected, raw

HEAD = " HTTP/1.1\r\nHost: x\r\n"

# Requests -------------------------------------------------------------------------------------------------------


ECHO = """(function()
  local function echo(req) return { json = req } end
  return { GET = { ["/*"] = echo }, POST = { ["/*"] = echo } }
end)()"""


async def echoed(script: Script, web: aiohttp.ClientSession, target: str, **options: Any) -> dict[str, Any]:
    """Return the request table that a handler receives for a POST."""
    async with (
        script.serving(ECHO) as url,
        web.post(URL(f"{url}{target}", encoded=True), **options) as response,
    ):
        found: dict[str, Any] = await response.json()
        return found


async def test_a_request_has_method_path_query_and_body(script: Script, web: aiohttp.ClientSession) -> None:
    seen = await echoed(script, web, "/a%20b/c?x=1+2", data=b"body")
    assert seen["method"] == "POST"
    assert seen["path"] == "/a b/c"
    assert seen["query"] == "x=1+2"
    assert seen["body"] == "body"


async def test_parameters_of_the_query_are_decoded(script: Script, web: aiohttp.ClientSession) -> None:
    query = "x=1+2&y=%C3%A9&y=2&flag"
    seen = await echoed(script, web, f"/?{query}")
    assert seen["query"] == query
    assert seen["params"] == {"x": "1 2", "y": "2", "flag": ""}


async def test_names_of_headers_are_in_small_letters(script: Script, web: aiohttp.ClientSession) -> None:
    seen = await echoed(script, web, "/", headers={"X-Up": "Az"})
    assert seen["headers"]["x-up"] == "Az"


async def test_path_query_and_headers_may_be_any_bytes(script: Script) -> None:
    routes = r"""{ GET = { ["/*"] = function(req)
      return { json = {
        path = req.path == "/\255/", query = req.query, param = req.params.a == "\255",
        header = req.headers["x-b"] == "\255",
      } }
    end } }"""
    async with script.serving(routes) as url:
        answer = await raw(url, b"GET /%ff%2F?a=%FF HTTP/1.1\r\nHost: x\r\nX-B: \xff\r\nConnection: close\r\n\r\n")
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {
        "path": True,
        "query": "a=%FF",
        "param": True,
        "header": True,
    }


async def test_params_has_only_the_parameters_of_the_query(script: Script) -> None:
    routes = '{ GET = { ["/*"] = function(req) return { body = tostring(next(req.params, "a")) } end } }'
    async with script.serving(routes) as url:
        answer = await raw(url, b"GET /?a=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.endswith(b"\r\n\r\nnil")


async def test_headers_of_a_request_with_one_name_are_joined(script: Script) -> None:
    routes = '{ GET = { ["/*"] = function(req) return { body = req.headers["x-c"] } end } }'
    async with script.serving(routes) as url:
        answer = await raw(url, b"GET / HTTP/1.1\r\nHost: x\r\nX-C: 1\r\nx-c: 2\r\nConnection: close\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n1, 2")


async def test_a_chunked_body_is_joined(script: Script) -> None:
    routes = r"""{ POST = { ["/*"] = function(req) return { body = tostring(req.body == "\0\255\n") } end } }"""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with script.serving(routes) as url:
        answer = await raw(url, head + b"3\r\n\0\xff\n\r\n0\r\n\r\n")
    assert answer.endswith(b"\r\n\r\ntrue")


async def test_raw_path_is_not_decoded(script: Script) -> None:
    routes = '{ GET = { ["/*"] = function(req) return { body = req.path .. " " .. req.raw_path } end } }'
    async with script.serving(routes) as url, connected(url, b"GET /a%2Fb%20c?d HTTP/1.0\r\n\r\n") as reader:
        assert (await reader.read()).endswith(b"\r\n\r\n/a/b c /a%2Fb%20c")


async def test_a_compressed_body_of_a_request_is_not_decompressed(script: Script, web: aiohttp.ClientSession) -> None:
    routes = '{ POST = { ["/x"] = function(req) return { body = req.body } end } }'
    body = gzip.compress(b"text")
    async with (
        script.serving(routes) as url,
        web.post(f"{url}/x", data=body, headers={"Content-Encoding": "gzip"}) as response,
    ):
        assert await response.read() == body


ROUTES = """{ GET = {
  ["/cookies"] = function(req) return { body = req.headers.cookie or "none" } end,
  ["/items/:id/*"] = function(req) return { json = req.path_params } end,
} }"""


async def test_several_cookie_headers_are_joined(script: Script) -> None:
    async with script.serving(ROUTES) as url:
        request = f"GET /cookies{HEAD}Cookie: a=1\r\ncookie: b=2; c=3\r\nConnection: close\r\n\r\n"
        answer = await raw(url, request.encode())
    assert answer.endswith(b"\r\n\r\na=1; b=2; c=3")


async def test_a_handler_gets_the_parameters_of_its_path(script: Script) -> None:
    async with script.serving(ROUTES) as url:
        answer = await raw(url, f"GET /items/a%2Fb/c/d?id=no{HEAD}Connection: close\r\n\r\n".encode())
    assert answer.endswith(b'\r\n\r\n{"*":"c/d","id":"a/b"}')


@pytest.mark.parametrize("count", [3, 300])
async def test_a_request_may_have_many_parameters(script: Script, count: int) -> None:
    routes = r"""{ GET = {
      ["/x"] = function(req)
        local n = 0
        for key, value in pairs(req.params) do n = n + (value == key .. "\255" and 1 or 0) end
        return { body = "\0" .. n .. " " .. req.headers.host, status = 203 }
      end,
    } }"""
    query = "&".join(f"k{index}=k{index}%FF" for index in range(count))
    async with script.serving(routes) as url:
        answer = await raw(url, f"GET /x?{query} HTTP/1.1\r\nHost: größe\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 203 ")
    assert answer.endswith(f"\r\n\r\n\0{count} größe".encode())


# Responses ------------------------------------------------------------------------------------------------------


async def answered(script: Script, web: aiohttp.ClientSession, handler: str, method: str = "GET") -> dict[str, Any]:
    """Return status, body and content type of the response to a request for `/x`, which a Lua function handles."""
    async with (
        script.serving(f'{{ GET = {{ ["/x"] = {handler} }} }}') as url,
        web.request(method, f"{url}/x") as response,
    ):
        return {
            "status": response.status,
            "body": await response.read(),
            "content_type": response.headers.getall("Content-Type", []),
        }


TEXT = ["text/plain; charset=utf-8"]
JSON = ["application/json"]


@pytest.mark.parametrize(
    ("response", "status", "body", "content_type"),
    [
        ("{ body = 'é' }", 200, "é".encode(), TEXT),
        (r"{ body = '\0\255' }", 200, b"\0\xff", ["application/octet-stream"]),
        ("{ status = 201, json = { 2, 2.0, {}, json.array(), json.null } }", 201, b"[2,2.0,{},[],null]", JSON),
        ("{ json = false }", 200, b"false", JSON),
        ("{ json = json.null }", 200, b"null", JSON),
        ("{ json = 1, body = 'not this' }", 200, b"1", JSON),
        (
            "{ json = {}, headers = { ['content-type'] = 'application/problem+json' } }",
            200,
            b"{}",
            ["application/problem+json"],
        ),
        ("{ status = 204, body = 'unseen' }", 204, b"", []),
        (
            "{ body = 'four', headers = { ['content-length'] = 99, ['transfer-encoding'] = 'chunked' } }",
            200,
            b"four",
            TEXT,
        ),
    ],
    ids=["text", "bytes", "json", "false", "null", "json before body", "own type", "no content", "own length"],
)
async def test_a_response_of_a_handler(
    script: Script, web: aiohttp.ClientSession, response: str, status: int, body: bytes, content_type: list[str]
) -> None:
    assert await answered(script, web, f"function() return {response} end") == {
        "status": status,
        "body": body,
        "content_type": content_type,
    }


async def test_head_is_answered_without_the_body(script: Script, web: aiohttp.ClientSession) -> None:
    found = await answered(script, web, "function() return { body = 'é' } end", "HEAD")
    assert found == {"status": 200, "body": b"", "content_type": TEXT}


async def test_a_path_without_a_route_is_not_found(script: Script, web: aiohttp.ClientSession) -> None:
    async with script.serving("{}") as url, web.get(f"{url}/elsewhere") as response:
        assert (response.status, await response.read()) == (404, b"not found")
        assert response.headers.getall("Content-Type") == TEXT


async def test_a_method_without_a_route_is_answered_with_those_that_have_one(
    script: Script, web: aiohttp.ClientSession
) -> None:
    routes = "{ GET = { ['/x'] = function() return {} end } }"
    async with script.serving(routes) as url, web.delete(f"{url}/x") as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")


async def test_a_list_of_values_repeats_the_header(script: Script, web: aiohttp.ClientSession) -> None:
    handler = "function() return { headers = { ['Set-Cookie'] = { 'a=1', 'b=2' } } } end"
    async with script.serving(f'{{ GET = {{ ["/x"] = {handler} }} }}') as url, web.get(f"{url}/x") as response:
        assert response.headers.getall("Set-Cookie") == ["a=1", "b=2"]


async def test_a_header_may_be_a_number(script: Script, web: aiohttp.ClientSession) -> None:
    handler = "function() return { headers = { ['X-N'] = 3 } } end"
    async with script.serving(f'{{ GET = {{ ["/x"] = {handler} }} }}') as url, web.get(f"{url}/x") as response:
        assert response.headers["X-N"] == "3"


async def test_json_of_a_response_has_the_key_order_of_json_encode(script: Script, web: aiohttp.ClientSession) -> None:
    value = '{ zeta = 1, alpha = { b = 1, a = 2 }, mid = 3, ["10"] = 1, ["9"] = 1 }'
    found = await answered(script, web, f"function() return {{ json = {value} }} end")
    assert found["body"] == b'{"10":1,"9":1,"alpha":{"a":2,"b":1},"mid":3,"zeta":1}'
    assert (await script.run(f"return json.encode({value})")).encode() == found["body"]


# Failures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('error("boom\\nbang")', r"test.lua:1: boom\nbang"),
        ('error({ message = "an object" })', "an object"),
        ("error({ code = 5 })", '(error object is a table value) {"code": 5}'),
        ("return nil", "the handler returned nil, not a response table"),
        ('return "text"', "the handler returned a string, not a response table"),
        ("return { stauts = 200 }", "unknown option 'stauts' (did you mean 'status'?)"),
        ("return { status = 99 }", "bad option 'status' (200 to 599 expected, got 99)"),
        ("return { body = {} }", "bad option 'body' (string expected, got table)"),
        ("return { json = { 0/0 } }", "bad option 'json' (not JSON-serializable: NaN at [1])"),
        ("return { json = print }", "bad option 'json' (not JSON-serializable: a function)"),
        ('return { headers = { ["a b"] = "c" } }', "bad header name 'a b'"),
        (
            'return { headers = { a = "b\\nc: d" } }',
            "bad header 'a' (its value contains a control character)",
        ),
        ("return { body = coroutine.create(print) }", "the result is not serializable: a thread at .body"),
    ],
)
async def test_a_failing_handler_is_answered_with_500_and_logged(
    script: Script, web: aiohttp.ClientSession, capsys: pytest.CaptureFixture[str], body: str, problem: str
) -> None:
    routes = f'{{ GET = {{ ["/x"] = function() {body} end, ["/ok"] = function() return {{ body = "ok" }} end }} }}'
    async with script.serving(routes) as url:
        async with web.get(f"{url}/x") as response:
            assert (response.status, await response.text()) == (500, "internal server error")
        async with web.get(f"{url}/ok") as response:
            assert await response.text() == "ok"
    (line,) = capsys.readouterr().err.splitlines()
    assert f" ERROR http.serve: GET /x: {problem}" in line


@pytest.mark.parametrize("code", [*range(9), *range(10, 32), 127])
async def test_a_control_character_in_a_header_of_a_response_is_refused(
    script: Script, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    handler = f"function() return {{ headers = {{ a = 'b\\{code:03}c' }} }} end"
    async with script.serving(f'{{ GET = {{ ["/x"] = {handler} }} }}') as url:
        answer = await raw(url, f"GET /x{HEAD}Connection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert "bad header 'a' (its value contains a control character)" in capsys.readouterr().err


# Running --------------------------------------------------------------------------------------------------------


async def test_handlers_run_concurrently(script: Script, web: aiohttp.ClientSession) -> None:
    routes = """(function()
      local waiting, most = 0, 0
      return { GET = { ["/x"] = function()
        waiting = waiting + 1
        most = math.max(most, waiting)
        while most < 50 do sleep(0.01) end
        waiting = waiting - 1
        return { body = tostring(most) }
      end } }
    end)()"""

    async def ask(url: str) -> str:
        async with web.get(f"{url}/x") as response:
            return await response.text()

    async with script.serving(routes) as url:
        assert await asyncio.gather(*[ask(url) for _ in range(50)]) == ["50"] * 50


async def test_a_client_that_disconnects_cancels_its_handler(script: Script) -> None:
    routes = """{ GET = { ["/x"] = function()
      print("started")
      local ok, problem = pcall(sleep, 1000)
      print(problem.kind)
      error(problem)
    end } }"""
    async with script.serving(routes) as url:
        async with connected(url, b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"):
            assert await script.line() == "started"
        assert await script.line() == "cancelled"
