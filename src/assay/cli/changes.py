"""Lua files that change, for `assay dev` and `assay test --watch`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

_DEBOUNCE = 200  # milliseconds until a burst of changes is over


async def lua_changes(
    folders: Iterable[Path], concerns: Callable[[str], bool] = lambda path: True
) -> AsyncIterator[str]:
    """Yield the names of Lua files that change in `folders` and below, as text; of those that `concerns` accepts.

    Of folders in which everything may lie only the top is watched. Raises OSError.
    """
    from watchfiles import Change, DefaultFilter, awatch

    class LuaFiles(DefaultFilter):
        def __call__(self, change: Change, path: str) -> bool:
            is_ours = path.endswith(".lua") and change != Change.deleted and concerns(path)
            return is_ours and super().__call__(change, path)

    watched = {folder.resolve() for folder in folders}
    async for changes in awatch(
        *sorted(watched),
        watch_filter=LuaFiles(),
        debounce=_DEBOUNCE,
        recursive=not watched & _large(),
        ignore_permission_denied=True,
    ):
        yield ", ".join(sorted({_name(path, watched) for _, path in changes}))


def _large() -> set[Path]:
    return {Path.home(), Path("/"), Path(tempfile.gettempdir()).resolve()}


def _name(path: str, folders: set[Path]) -> str:
    return min((os.path.relpath(path, folder) for folder in folders), key=len)
