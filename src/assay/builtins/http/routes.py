"""Routing: finds the handler for a method and a path."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote

from assay.builtins.http.options import StaticFiles
from assay.errors import BuiltinError
from assay.lua.function import LuaFunction

Target = LuaFunction | StaticFiles
Routes = dict[str, dict[str, Target]]
"""Method → path → handler: the `routes` argument of `http.serve`."""

REST = "*"
"""Name of the wildcard's value in the path's parameters."""

# fmt: off
_METHODS = frozenset((
    "ACL", "BIND", "CHECKOUT", "CONNECT", "COPY", "DELETE", "GET", "HEAD", "LINK", "LOCK",
    "M-SEARCH", "MERGE", "MKACTIVITY", "MKCALENDAR", "MKCOL", "MOVE", "NOTIFY", "OPTIONS", "PATCH",
    "POST", "PROPFIND", "PROPPATCH", "PURGE", "PUT", "QUERY", "REBIND", "REPORT", "SEARCH",
    "SOURCE", "SUBSCRIBE", "TRACE", "UNBIND", "UNLINK", "UNLOCK", "UNSUBSCRIBE",
))
# fmt: on
_PARAMETER = re.compile(r":[A-Za-z_][A-Za-z0-9_]*")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")


class Match(NamedTuple):
    """A route that matches a request.

    Attributes:
        target: The handler or the static files.
        parameters: Name → decoded value of the path's parameters.
    """

    target: Target
    parameters: dict[str, str]


@dataclass
class _Node:
    """Routes that begin with the same segments."""

    literal: dict[str, _Node] = field(default_factory=dict)
    parameter: _Node | None = None
    end: _Route | None = None
    rest: _Route | None = None


class _Route(NamedTuple):
    path: str
    names: tuple[str, ...]
    target: Target


class RouteTable:
    """Routes of a server.

    For each segment, a literal takes precedence over a parameter, and a parameter over a wildcard.
    """

    def __init__(self, routes: Routes) -> None:
        self._exact: dict[str, dict[str, Match]] = {}
        self._roots: dict[str, _Node] = {}
        for key, paths in routes.items():
            method = key.upper()
            if method not in _METHODS:
                raise BuiltinError(f"bad method '{key}' in the routes (expected {{ GET = {{ ['/items'] = … }} }})")
            for path, target in paths.items():
                self._add(method, path, target)

    def _add(self, method: str, path: str, target: Target) -> None:
        segments = _segments(path)
        node = self._roots.setdefault(method, _Node())
        exact = self._exact.setdefault(method, {})
        names = []
        for segment in segments:
            if segment == REST:
                names.append(segment)
            elif segment.startswith(":"):
                names.append(segment[1:])
                node.parameter = node = node.parameter or _Node()
            else:
                node = node.literal.setdefault(segment, _Node())
        if len(set(names)) < len(names):
            raise BuiltinError(f"bad route '{path}' (duplicate parameter name)")
        route = _Route(path, tuple(names), target)
        other = node.rest if REST in names else node.end
        if other is not None:
            raise BuiltinError(f"bad route '{path}' (it matches the same paths as '{other.path}')")
        if REST in names:
            node.rest = route
        else:
            node.end = route
        if not names:
            exact[path] = Match(target, {})

    def _match(self, method: str, path: str, raw_path: str) -> Match | None:
        exact = self._exact.get(method, {}).get(path)
        if exact is not None:
            return exact
        root = self._roots.get(method)
        if root is None:
            return None
        # Split before decoding, so that an encoded slash stays within its segment.
        segments = [unquote(part, errors="surrogateescape") for part in raw_path[1:].split("/")]
        return _search(root, segments, 0, [])

    def find(self, method: str, path: str, raw_path: str) -> Match | None:
        """Return the route for a request, or None; GET routes also match HEAD.

        Args:
            method: The method.
            path: The decoded path.
            raw_path: The path as received.
        """
        match = self._match(method, path, raw_path)
        if match is None and method == "HEAD":
            match = self._match("GET", path, raw_path)
        return match

    def methods(self, path: str, raw_path: str) -> list[str]:
        """Return the methods that have a handler for a path."""
        methods = {method for method in self._roots if self._match(method, path, raw_path) is not None}
        if "GET" in methods:
            methods.add("HEAD")
        return sorted(methods)


def _search(node: _Node, segments: list[str], index: int, values: list[str]) -> Match | None:
    """Match the segments from `index` on; `values` are the parameters of the segments before it."""
    if index == len(segments):
        return node.end and Match(node.end.target, dict(zip(node.end.names, values, strict=True)))
    segment = segments[index]
    match = None
    if segment in node.literal:
        match = _search(node.literal[segment], segments, index + 1, values)
    if match is None and node.parameter is not None and segment:
        match = _search(node.parameter, segments, index + 1, [*values, segment])
    if match is None and node.rest is not None:
        values = [*values, "/".join(segments[index:])]
        match = Match(node.rest.target, dict(zip(node.rest.names, values, strict=True)))
    return match


def _segments(path: str) -> list[str]:
    """Return the segments of a route's path. Raises BuiltinError for an invalid path."""
    problem = None
    segments = path[1:].split("/")
    if not path.startswith("/"):
        problem = "a path must begin with '/'"
    elif "*" in path.removesuffix("/*"):
        problem = "'*' must be the last segment: '/files/*'"
    elif any(segment.startswith(":") and not _PARAMETER.fullmatch(segment) for segment in segments):
        problem = "a parameter must be ':' and a name: '/items/:id'"
    elif any(segment.startswith("{") and segment.endswith("}") for segment in segments):
        problem = "parameters are written with a colon: '/items/:id'"
    elif "?" in path or "#" in path:
        problem = "a path cannot contain a query; handlers receive query parameters in 'params'"
    elif _ESCAPE.search(path):
        problem = "a path must not be percent-encoded"
    if problem is not None:
        raise BuiltinError(f"bad route '{path}' ({problem})")
    return segments
