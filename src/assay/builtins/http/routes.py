"""Which handler answers a request."""

from __future__ import annotations

from assay.builtins.http.options import StaticFiles
from assay.errors import BuiltinError
from assay.lua.function import LuaFunction

Target = LuaFunction | StaticFiles
Routes = dict[str, dict[str, Target]]
"""Method → path → handler, as the script gives it."""


class RouteTable:
    """The routes of a server. An exact path beats a wildcard, a longer wildcard a shorter one."""

    def __init__(self, routes: Routes) -> None:
        self._exact: dict[str, dict[str, Target]] = {}
        self._wildcards: dict[str, list[tuple[str, Target]]] = {}
        for given, paths in routes.items():
            method = given.upper()
            exact = self._exact.setdefault(method, {})
            wildcards = self._wildcards.setdefault(method, [])
            for path, target in paths.items():
                prefix = path.removesuffix("*")
                if not path.startswith("/") or "*" in prefix or (prefix != path and not prefix.endswith("/")):
                    raise BuiltinError(f"bad route '{path}' (a path like '/items', or one that ends with '/*')")
                if prefix == path:
                    exact[path] = target
                else:
                    wildcards.append((prefix, target))
            wildcards.sort(key=lambda wildcard: len(wildcard[0]), reverse=True)

    def _match(self, method: str, path: str) -> tuple[Target, str] | None:
        target = self._exact.get(method, {}).get(path)
        if target is not None:
            return target, ""
        for prefix, candidate in self._wildcards.get(method, ()):
            if path.startswith(prefix):
                return candidate, path[len(prefix) :]
        return None

    def find(self, method: str, path: str) -> tuple[Target, str] | None:
        """What answers a request, and the part of its path that a wildcard stands for.

        HEAD is answered by GET's when it has none of its own.
        """
        found = self._match(method, path)
        if found is None and method == "HEAD":
            found = self._match("GET", path)
        return found

    def methods(self, path: str) -> list[str]:
        """The methods that have a handler for `path`."""
        found = {method for method in self._exact if self._match(method, path) is not None}
        if "GET" in found:
            found.add("HEAD")
        return sorted(found)
