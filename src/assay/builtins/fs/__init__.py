"""`fs`: files and folders."""

from __future__ import annotations

import os
import re
import shutil
import stat as modes
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from assay.errors import BuiltinError
from assay.lua.declare import Library
from assay.lua.host import Host
from assay.lua.values import Path, text_or_bytes
from assay.permissions import paths
from assay.permissions.needs import GLOB, TEMPDIR, reads, writes

library = Library("fs", "Files and folders. Paths are relative to the working folder of the process.")

_MAX_MODE = 0o7777
_OCTAL = re.compile("[0-7]{1,5}")

Kind = Literal["file", "directory", "symlink", "other"]


@dataclass
class Entry:
    """What a folder holds.

    Attributes:
        name: The name without its folder.
        type: What it is; a symbolic link is not followed.
    """

    name: str | bytes
    type: Kind


@dataclass
class TreeEntry:
    """What a folder, or a folder in it, holds.

    Attributes:
        path: The path from the folder that was read.
        name: The name without its folder.
        type: What it is; a symbolic link is not followed.
    """

    path: str | bytes
    name: str | bytes
    type: Kind


@dataclass
class ReaddirOptions:
    """How to read a folder.

    Attributes:
        depth: How many levels to read; 1 is the folder alone, all levels when left out.
    """

    depth: int | None = None


@dataclass
class Stat:
    """What is known about a file. A symbolic link is followed.

    Attributes:
        type: What it is.
        size: Its size in bytes.
        is_file: Whether it is a regular file.
        is_dir: Whether it is a folder.
        is_symlink: Whether the path itself is a symbolic link.
        modified: When its content changed, in seconds since 1970-01-01 UTC.
        created: When it was made, in the same form; absent where the system does not report it.
        permissions: Its permission bits in octal, such as `644`.
    """

    type: Kind
    size: int
    is_file: bool
    is_dir: bool
    is_symlink: bool
    modified: float
    created: float | None
    permissions: str


@library.function(needs=reads("path"))
def read(path: Path) -> str:
    """Return the content of a file of UTF-8 text.

    Args:
        path: The file.
    """
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError:
        raise BuiltinError(f"{os.fsdecode(paths.given(path))}: not UTF-8 text; fs.read_bytes reads any file") from None


@library.function(needs=reads("path"))
def read_bytes(path: Path) -> bytes:
    """Return the content of a file as it is.

    Args:
        path: The file.
    """
    with paths.open(path) as file:
        content: bytes = file.read()
        return content


@library.function(needs=writes("path"))
def write(path: Path, text: bytes) -> None:
    """Write a file in place of what it held, and make its folders.

    Args:
        path: The file.
        text: The new content.
    """
    write_bytes(path, text)


@library.function(needs=writes("path"))
def write_bytes(path: Path, data: bytes) -> None:
    """Write any bytes to a file in place of what it held, and make its folders.

    Args:
        path: The file.
        data: The new content.
    """
    os.makedirs(os.path.dirname(path) or b".", exist_ok=True)
    with paths.open(path, "wb") as file:
        file.write(data)


@library.function(needs=reads("path"))
def exists(path: Path) -> bool:
    """Return true if there is a file or folder; a symbolic link to nothing is none.

    Args:
        path: What to look for.
    """
    return os.path.exists(path)


@library.function(name="list", needs=reads("path"))
def list_(path: Path) -> list[Entry]:
    """Return what a folder holds, sorted by name.

    Args:
        path: The folder.
    """
    return [Entry(text_or_bytes(entry.name), _kind(entry)) for entry in _scan(path)]


@library.function(needs=reads("path"))
def readdir(path: Path, options: ReaddirOptions | None = None) -> list[TreeEntry]:
    """Return what a folder and the folders in it hold, each folder before its content, sorted by name.

    Args:
        path: The folder.
        options: How to read it.
    """
    depth = options.depth if options is not None else None
    if depth is not None and depth < 1:
        raise BuiltinError(f"bad option 'depth' (1 or more expected, got {depth})")
    return [TreeEntry(text_or_bytes(where), text_or_bytes(name), kind) for where, name, kind in _walk(path, b"", depth)]


@library.function(needs=GLOB)
def glob(host: Host, pattern: Path) -> list[str | bytes]:
    """Return the paths that match a pattern, sorted; hidden ones too.

    Args:
        pattern: A path in which `*` represents any characters but `/`, `?` for one, `[a-z]` and `[!a-z]` for one of
            a set, and `**`, as a whole component, for any number of folders; it goes through no symbolic links.
    """
    from assay.builtins.fs import pattern as implementation

    _check_pattern(pattern)
    return [text_or_bytes(path) for path in sorted(set(implementation.find(pattern, host.permissions)))]


@library.function(needs=writes("path"))
def mkdir(path: Path) -> None:
    """Make a folder and the folders above it; one that is there already is not an error.

    Args:
        path: The folder.
    """
    os.makedirs(path, exist_ok=True)


@library.function(needs=writes("path", link=True))
def remove(path: Path) -> None:
    """Remove a file, or a folder with all that it holds. A symbolic link is removed, not what it leads to.

    Args:
        path: What to remove.
    """
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.remove(path)


@library.function(needs=reads("source") + writes("target"))
def copy(source: Path, target: Path) -> int:
    """Copy a file with its permissions and return its size in bytes.

    Args:
        source: The file.
        target: The path of the copy.
    """
    try:
        shutil.copyfile(source, target)
    except shutil.SameFileError:
        raise BuiltinError(f"{os.fsdecode(paths.given(source))}: source and target are the same file") from None
    shutil.copymode(source, target)
    return os.path.getsize(target)


@library.function(needs=reads("source", link=True) + writes("source", link=True) + writes("target", link=True))
def rename(source: Path, target: Path) -> None:
    """Rename or move a file or folder within one file system; a file that is there already is replaced.

    Args:
        source: The present path.
        target: The new path.
    """
    os.rename(source, target)


@library.function(needs=writes("path"))
def chmod(path: Path, mode: str | int) -> None:
    """Set the permission bits of a file or folder.

    Args:
        path: The file or folder.
        mode: A string with the bits in octal (`"755"`), or the bits as a number (493).
    """
    bits = mode if isinstance(mode, int) else int(mode, 8) if _OCTAL.fullmatch(mode) else -1
    if not 0 <= bits <= _MAX_MODE:
        got = mode if isinstance(mode, int) else f"'{mode}'"
        raise BuiltinError(f"bad argument 'mode' (expected octal digits such as \"755\" or a number, got {got})")
    os.chmod(path, bits)


@library.function(needs=reads("path"))
def stat(path: Path) -> Stat:
    """Return what is known about a file or folder.

    Args:
        path: The file or folder.
    """
    info = os.stat(path)
    is_file, is_dir = modes.S_ISREG(info.st_mode), modes.S_ISDIR(info.st_mode)
    return Stat(
        type="file" if is_file else "directory" if is_dir else "other",
        size=info.st_size,
        is_file=is_file,
        is_dir=is_dir,
        is_symlink=os.path.islink(paths.given(path)),
        modified=info.st_mtime,
        created=getattr(info, "st_birthtime", None),
        permissions=f"{modes.S_IMODE(info.st_mode):o}",
    )


@library.function(needs=TEMPDIR)
def tempdir(host: Host) -> bytes:
    """Make a folder for temporary files and return its path. It is not removed automatically."""
    import tempfile

    made_as = host.permissions.path("write", os.path.join(tempfile.gettempdirb(), b"assay-"))
    folder, prefix = os.path.split(made_as)
    return tempfile.mkdtemp(prefix=prefix, dir=folder)


def _scan(path: bytes) -> list[os.DirEntry[bytes]]:
    with os.scandir(path) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _kind(entry: os.DirEntry[bytes]) -> Kind:
    if entry.is_symlink():
        return "symlink"
    if entry.is_dir(follow_symlinks=False):
        return "directory"
    return "file" if entry.is_file(follow_symlinks=False) else "other"


def _walk(folder: bytes, prefix: bytes, depth: int | None) -> Iterator[tuple[bytes, bytes, Kind]]:
    for entry in _scan(folder):
        where, kind = prefix + entry.name, _kind(entry)
        yield where, entry.name, kind
        if kind == "directory" and depth != 1:
            yield from _walk(entry.path, where + b"/", None if depth is None else depth - 1)


def _check_pattern(pattern: bytes) -> None:
    for component in pattern.split(b"/"):
        if b"**" in component and component != b"**":
            raise BuiltinError(f"bad pattern '{os.fsdecode(pattern)}': ** represents whole components only")
        rest = component
        while b"[" in rest:
            inside = rest.partition(b"[")[2].removeprefix(b"!")
            # A ] that comes first is one of the set.
            end = inside.find(b"]", 1)
            if end < 0:
                raise BuiltinError(f"bad pattern '{os.fsdecode(pattern)}': [ without ]")
            rest = inside[end + 1 :]
