"""Which handler answers a request."""

from __future__ import annotations

from assay.errors import BuiltinError
from assay.lua.function import LuaFunction

Routes = dict[str, dict[str, LuaFunction]]
"""Method → path → handler, as the script gives it."""


class RouteTable:
    """The routes of a server. An exact path beats a wildcard, a longer wildcard a shorter one."""

    def __init__(self, routes: Routes) -> None:
        self._exact: dict[str, dict[str, LuaFunction]] = {}
        self._wildcards: dict[str, list[tuple[str, LuaFunction]]] = {}
        for given, paths in routes.items():
            method = given.upper()
            exact = self._exact.setdefault(method, {})
            wildcards = self._wildcards.setdefault(method, [])
            for path, handler in paths.items():
                prefix = path.removesuffix("*")
                if not path.startswith("/") or "*" in prefix or (prefix != path and not prefix.endswith("/")):
                    raise BuiltinError(f"bad route '{path}' (a path like '/items', or one that ends with '/*')")
                if prefix == path:
                    exact[path] = handler
                else:
                    wildcards.append((prefix, handler))
            wildcards.sort(key=lambda wildcard: len(wildcard[0]), reverse=True)

    def _match(self, method: str, path: str) -> LuaFunction | None:
        handler = self._exact.get(method, {}).get(path)
        if handler is not None:
            return handler
        for prefix, candidate in self._wildcards.get(method, ()):
            if path.startswith(prefix):
                return candidate
        return None

    def find(self, method: str, path: str) -> LuaFunction | None:
        """The handler of a request; HEAD is answered by GET's when it has none of its own."""
        handler = self._match(method, path)
        if handler is None and method == "HEAD":
            handler = self._match("GET", path)
        return handler

    def methods(self, path: str) -> list[str]:
        """The methods that have a handler for `path`."""
        found = {method for method in self._exact if self._match(method, path) is not None}
        if "GET" in found:
            found.add("HEAD")
        return sorted(found)
