"""Which handler answers a request."""

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
"""Method → path → handler, as the script gives it."""

REST = "*"
"""The name of what a wildcard matches, among the path's parameters."""

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
    """What answers a request.

    Attributes:
        target: The handler, or the files.
        parameters: Name → value of the path's parameters, decoded.
    """

    target: Target
    parameters: dict[str, str]


@dataclass
class _Node:
    """The routes that begin with the same segments."""

    literal: dict[str, _Node] = field(default_factory=dict)
    parameter: _Node | None = None
    end: _Route | None = None
    rest: _Route | None = None


class _Route(NamedTuple):
    path: str
    names: tuple[str, ...]
    target: Target


class RouteTable:
    """The routes of a server.

    Segment by segment a literal beats a parameter, and both beat a wildcard.
    """

    def __init__(self, routes: Routes) -> None:
        self._exact: dict[str, dict[str, Match]] = {}
        self._roots: dict[str, _Node] = {}
        for given, paths in routes.items():
            method = given.upper()
            if method not in _METHODS:
                raise BuiltinError(f"bad method '{given}' in the routes (expected {{ GET = {{ ['/items'] = … }} }})")
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
            raise BuiltinError(f"bad route '{path}' (two parameters of one name)")
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
        # Split before it is decoded, so that an encoded slash stays inside of its segment.
        segments = [unquote(part, errors="surrogateescape") for part in raw_path[1:].split("/")]
        return _search(root, segments, 0, [])

    def find(self, method: str, path: str, raw_path: str) -> Match | None:
        """Return what answers a request; HEAD is answered by GET's when it has none of its own.

        Args:
            method: The method.
            path: The path, decoded.
            raw_path: The path as it came.
        """
        found = self._match(method, path, raw_path)
        if found is None and method == "HEAD":
            found = self._match("GET", path, raw_path)
        return found

    def methods(self, path: str, raw_path: str) -> list[str]:
        """Return the methods that have a handler for a path."""
        found = {method for method in self._roots if self._match(method, path, raw_path) is not None}
        if "GET" in found:
            found.add("HEAD")
        return sorted(found)


def _search(node: _Node, segments: list[str], index: int, values: list[str]) -> Match | None:
    """Find the route of the segments from `index` on; `values` are those of the parameters before it."""
    if index == len(segments):
        return node.end and Match(node.end.target, dict(zip(node.end.names, values, strict=True)))
    segment = segments[index]
    found = None
    if segment in node.literal:
        found = _search(node.literal[segment], segments, index + 1, values)
    if found is None and node.parameter is not None and segment:
        found = _search(node.parameter, segments, index + 1, [*values, segment])
    if found is None and node.rest is not None:
        values = [*values, "/".join(segments[index:])]
        found = Match(node.rest.target, dict(zip(node.rest.names, values, strict=True)))
    return found


def _segments(path: str) -> list[str]:
    """The segments of a route's path. Raises BuiltinError for a path that no request could have."""
    problem = None
    segments = path[1:].split("/")
    if not path.startswith("/"):
        problem = "a path begins with '/'"
    elif "*" in path.removesuffix("/*"):
        problem = "'*' matches the rest of a path, and is its last segment: '/files/*'"
    elif any(segment.startswith(":") and not _PARAMETER.fullmatch(segment) for segment in segments):
        problem = "a parameter is ':' and a name: '/items/:id'"
    elif any(segment.startswith("{") and segment.endswith("}") for segment in segments):
        problem = "a parameter is written with a colon: '/items/:id'"
    elif "?" in path or "#" in path:
        problem = "a path has no query; the handler finds it in 'params'"
    elif _ESCAPE.search(path):
        problem = "a path is written decoded"
    if problem is not None:
        raise BuiltinError(f"bad route '{path}' ({problem})")
    return segments
