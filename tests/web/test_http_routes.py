"""Routes of `http.serve`: which handler a request reaches."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import unquote

import pytest

from assay.builtins.http.routes import RouteTable, Target
from assay.errors import BuiltinError
from assay.lua.function import LuaFunction


def table_of(*routes: str) -> RouteTable:
    """Return a table of routes such as "GET /path"; the target of each is its text."""
    given: dict[str, dict[str, Target]] = {}
    for route in routes:
        method, path = route.split()
        given.setdefault(method, {})[path] = cast(LuaFunction, route)
    return RouteTable(dict(given))


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", "/api/x", "GET /api/x"),
        ("GET", "/api/y", "GET /api/*"),
        ("GET", "/api/v1/y", "GET /api/v1/*"),
        ("GET", "/api/", "GET /api/*"),
        ("GET", "/api", "GET /*"),
        ("GET", "/", "GET /*"),
        ("POST", "/api/x", "post /api/x"),
        ("HEAD", "/api/x", "GET /api/x"),
        ("HEAD", "/h", "HEAD /h"),
        ("POST", "/api/y", None),
    ],
)
def test_the_most_specific_route_wins(method: str, path: str, route: str | None) -> None:
    table = table_of("GET /*", "GET /api/*", "GET /api/v1/*", "GET /api/x", "post /api/x", "GET /h", "HEAD /h")
    found = table.find(method, path, path)
    assert (found and cast(Any, found.target)) == route


@pytest.mark.parametrize(
    ("routes", "path", "methods"),
    [
        (["GET /a", "POST /a", "PUT /*"], "/a", ["GET", "HEAD", "POST", "PUT"]),
        (["GET /a", "POST /a", "PUT /*"], "/b", ["PUT"]),
        (["GET /a"], "/b", []),
    ],
    ids=["path and wildcard", "wildcard", "none"],
)
def test_a_path_has_the_methods_of_all_its_routes(routes: list[str], path: str, methods: list[str]) -> None:
    assert table_of(*routes).methods(path, path) == methods


@pytest.mark.parametrize(
    ("path", "route", "parameters"),
    [
        ("/items/7", "GET /items/:id", {"id": "7"}),
        ("/items/new", "GET /items/new", {}),
        ("/items/7/parts/8", "GET /items/:id/parts/:part", {"id": "7", "part": "8"}),
        ("/items/new/parts/8", "GET /items/:id/parts/:part", {"id": "new", "part": "8"}),
        ("/items/7/files/a/b", "GET /items/:id/files/*", {"id": "7", "*": "a/b"}),
        ("/items/7/files/", "GET /items/:id/files/*", {"id": "7", "*": ""}),
        ("/items/a%2Fb", "GET /items/:id", {"id": "a/b"}),
        ("/items/a%20%C3%A9", "GET /items/:id", {"id": "a é"}),
        ("/items/7/", "GET /*", {"*": "items/7/"}),
        ("/items//parts/8", "GET /*", {"*": "items//parts/8"}),
        ("/items", "GET /*", {"*": "items"}),
        ("/items/7/elsewhere", "GET /*", {"*": "items/7/elsewhere"}),
    ],
)
def test_the_parameters_of_a_path(path: str, route: str, parameters: dict[str, str]) -> None:
    table = table_of(
        "GET /*",
        "GET /items/:id",
        "GET /items/new",
        "GET /items/new/x",
        "GET /items/:id/parts/:part",
        "GET /items/:id/files/*",
    )
    found = table.find("GET", unquote(path), path)
    assert found is not None
    assert (cast(Any, found.target), found.parameters) == (route, parameters)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("", "a path must begin with '/'"),
        ("x", "a path must begin with '/'"),
        ("*", "a path must begin with '/'"),
        ("/a*", "'*' must be the last segment: '/files/*'"),
        ("/*/b", "'*' must be the last segment: '/files/*'"),
        ("/a/**", "'*' must be the last segment: '/files/*'"),
        ("/a/:", "a parameter must be ':' and a name: '/items/:id'"),
        ("/a/:b-c", "a parameter must be ':' and a name: '/items/:id'"),
        ("/a/:b*", "'*' must be the last segment: '/files/*'"),
        ("/a/{b}", "parameters are written with a colon: '/items/:id'"),
        ("/a?b=c", "a path cannot contain a query; handlers receive query parameters in 'params'"),
        ("/a%20b", "a path must not be percent-encoded"),
        ("/:a/x/:a", "duplicate parameter name"),
    ],
)
def test_a_bad_path_of_a_route(path: str, problem: str) -> None:
    with pytest.raises(BuiltinError) as caught:
        RouteTable({"GET": {path: cast(LuaFunction, None)}})
    assert str(caught.value) == f"bad route '{path}' ({problem})"


@pytest.mark.parametrize(("first", "second"), [("/a/:b", "/a/:c"), ("/:b/*", "/:c/*")])
def test_two_routes_for_the_same_paths_are_refused(first: str, second: str) -> None:
    with pytest.raises(BuiltinError) as caught:
        table_of(f"GET {first}", f"GET {second}")
    assert str(caught.value) == f"bad route '{second}' (it matches the same paths as '{first}')"


def test_routes_of_different_methods_may_have_the_same_paths() -> None:
    table = table_of("GET /a/:b", "POST /a/:c")
    assert table.methods("/a/x", "/a/x") == ["GET", "HEAD", "POST"]


@pytest.mark.parametrize("method", ["GTE", "", "/items"])
def test_a_bad_method_of_routes(method: str) -> None:
    with pytest.raises(BuiltinError) as caught:
        RouteTable({method: {"/": cast(LuaFunction, None)}})
    assert str(caught.value) == f"bad method '{method}' in the routes (expected {{ GET = {{ ['/items'] = … }} }})"
