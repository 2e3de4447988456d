"""Watches Lua files, for `assay dev`, `assay run --watch` and `assay test --watch`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

_DEBOUNCE = 200  # milliseconds


async def lua_changes(
    folders: Iterable[Path], is_relevant: Callable[[str], bool] = lambda path: True
) -> AsyncIterator[str]:
    """Yield the names of relevant Lua files that change in `folders` and below, separated by commas.

    In large folders (home, /, the folder for temporary files) subfolders are not watched. Raises OSError.
    """
    from watchfiles import Change, DefaultFilter, awatch

    class LuaFiles(DefaultFilter):
        def __call__(self, change: Change, path: str) -> bool:
            is_changed_script = path.endswith(".lua") and change != Change.deleted and is_relevant(path)
            return is_changed_script and super().__call__(change, path)

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
