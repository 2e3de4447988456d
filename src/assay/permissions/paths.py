"""Paths of a policy, which paths they cover, and race-free opening of checked paths."""

from __future__ import annotations

import builtins
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any

SETTINGS_FILE = "assay.toml"

_SYSTEM_FOLDERS = (b"/proc", b"/sys", b"/dev")
"""Folders that give access to processes and devices; granting a folder above them does not cover them."""
_HARMLESS = (b"/dev/null",)
_FOLDER_FLAGS = os.O_DIRECTORY | getattr(os, "O_PATH", os.O_RDONLY)


class RealPath(bytes):
    """An absolute path without symbolic links that a policy allows. `given` is the path that the script passed."""

    given: bytes

    def __new__(cls, path: bytes, given: bytes) -> RealPath:
        """Create one from a path that was checked."""
        real = super().__new__(cls, path)
        real.given = given
        return real


def given(path: bytes) -> bytes:
    """Return the path that the script passed."""
    return path.given if isinstance(path, RealPath) else path


def resolve(path: bytes, *, link: bool = False) -> bytes:
    """Resolve the symbolic links of a path; with `link` except in the last component."""
    if link:
        folder, name = os.path.split(path.rstrip(b"/"))
        if name not in (b"", b".", b".."):
            return os.path.join(os.path.realpath(folder or b"."), name)
    return os.path.realpath(path)


class Paths:
    """Files, and folders with everything below them. Links are resolved once, when the policy is created."""

    def __init__(self, names: Iterable[str], folder: str) -> None:
        """Resolve names that are relative to `folder`."""
        absolute = (os.path.join(folder, os.path.expanduser(name)) for name in names)
        self._granted = [os.path.realpath(os.fsencode(path)) for path in absolute]

    def covers(self, path: bytes) -> bool:
        """Return true if a resolved path is granted."""
        return any(_is_below(path, granted) and _is_admitted(path, granted) for granted in self._granted)


def is_ordinary(path: bytes) -> bool:
    """Return true if a right without a list covers a resolved path: it is not in a system folder."""
    return _is_admitted(path, b"/")


def _is_admitted(path: bytes, granted: bytes) -> bool:
    """Return true if a path is not in a system folder, or `granted` is in that folder too."""
    if path in _HARMLESS:
        return True
    return all(_is_below(granted, folder) for folder in _SYSTEM_FOLDERS if _is_below(path, folder))


def _is_below(path: bytes, folder: bytes) -> bool:
    return path == folder or path.startswith(folder.rstrip(b"/") + b"/")


def is_within(path: bytes, folders: Iterable[str]) -> bool:
    """Return true if a resolved path is below one of the folders, after their links are resolved."""
    return any(_is_below(path, os.path.realpath(os.fsencode(folder))) for folder in folders)


def holds_settings(path: bytes, settings: bytes | None) -> bool:
    """Return true if writing or removing a resolved path could change a policy. `settings` is this policy's file."""
    is_settings = os.path.basename(path).lower() == SETTINGS_FILE.encode()
    return is_settings or (settings is not None and _is_below(settings, path))


def open(path: bytes, mode: str = "rb", buffering: int = -1) -> IO[Any]:
    """Open a file as the builtin `open` does; a `RealPath` without following links created since the check."""
    # `open` passes the same path object to the opener.
    opener = _open_without_links if isinstance(path, RealPath) else None
    return builtins.open(path, mode, buffering, opener=opener)  # type: ignore[arg-type]


@contextmanager
def open_folder(path: bytes) -> Iterator[int]:
    """Open a folder for `dir_fd`; a `RealPath` without following links created since the check."""
    flags = os.O_RDONLY | os.O_DIRECTORY
    descriptor = _open_without_links(path, flags) if isinstance(path, RealPath) else os.open(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open_without_links(path: bytes, flags: int) -> int:
    *folders, name = path.split(b"/")[1:]
    at = os.open("/", _FOLDER_FLAGS)
    try:
        for folder in folders:
            inner = os.open(folder, _FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = inner
        return os.open(name or b".", flags | os.O_NOFOLLOW, 0o666, dir_fd=at)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(at)
