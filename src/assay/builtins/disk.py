"""`disk`: disk usage."""

from __future__ import annotations

import os
import shutil
import stat
import time
from dataclasses import dataclass

from assay.lua.declare import Library
from assay.lua.values import Path
from assay.permissions import paths
from assay.permissions.needs import reads, writes

library = Library("disk", "Disk usage. Symbolic links inside a folder are not followed.")


@dataclass
class Usage:
    """Usage of a file system, in bytes.

    Attributes:
        total: Total space.
        free: Free space.
        used: `total` minus `free`.
        available: Free space available to this user.
        percent: Used part of `total`, from 0 to 100.
    """

    total: int
    free: int
    used: int
    available: int
    percent: float


@library.function(needs=reads("path"))
def usage(path: Path) -> Usage:
    """Return the usage of a file system.

    Args:
        path: Any file or folder on the file system.
    """
    info = os.statvfs(path)
    total, free = info.f_blocks * info.f_frsize, info.f_bfree * info.f_frsize
    used = total - free
    return Usage(total, free, used, info.f_bavail * info.f_frsize, used / total * 100 if total else 0.0)


@library.function(needs=reads("dir") + writes("dir"))
async def sweep(dir: Path, max_age_secs: float) -> int:
    """Remove old entries of a folder; return the number of removed entries.

    A subfolder is one entry: it is removed with its content if its own modification time is too old.

    Args:
        dir: The folder.
        max_age_secs: Maximum age of the entries to keep, by modification time, in seconds.
    """
    import asyncio

    return await asyncio.to_thread(_sweep, dir, time.time() - max_age_secs)


@library.function(needs=reads("path"))
async def dir_size(path: Path) -> int:
    """Return the total size of all regular files in a folder and its subfolders, in bytes.

    Args:
        path: The folder.
    """
    import asyncio

    return await asyncio.to_thread(_size, path)


def _sweep(folder: bytes, cutoff: float) -> int:
    removed = 0
    with paths.open_folder(folder) as at, os.scandir(at) as entries:
        for entry in entries:
            info = entry.stat(follow_symlinks=False)
            if info.st_mtime >= cutoff:
                continue
            if stat.S_ISDIR(info.st_mode):
                shutil.rmtree(entry.name, dir_fd=at)
            else:
                os.unlink(entry.name, dir_fd=at)
            removed += 1
    return removed


def _size(folder: bytes) -> int:
    total = 0
    with paths.open_folder(folder) as at:
        for _, _, names, inside in os.fwalk(".", onerror=_raise, dir_fd=at):
            infos = (os.stat(name, dir_fd=inside, follow_symlinks=False) for name in names)
            total += sum(info.st_size for info in infos if stat.S_ISREG(info.st_mode))
    return total


def _raise(error: OSError) -> None:
    raise error
