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

library = Library(
    "fs",
    """Files and folders. Paths are relative to the working folder of the process.

    A failed call raises an error whose message has the path and the reason of the system, such as
    `No such file or directory`.
    """,
)

_MAX_MODE = 0o7777
_OCTAL = re.compile("[0-7]{1,5}")

Kind = Literal["file", "directory", "symlink", "other"]


@dataclass
class Entry:
    """An entry of a folder.

    Attributes:
        name: The base name.
        type: The type; symbolic links are not followed.
    """

    name: str | bytes
    type: Kind


@dataclass
class TreeEntry:
    """An entry of a folder tree.

    Attributes:
        path: The path relative to the root of the tree.
        name: The base name.
        type: The type; symbolic links are not followed.
    """

    path: str | bytes
    name: str | bytes
    type: Kind


@dataclass
class ReaddirOptions:
    """Options for reading a folder tree.

    Attributes:
        depth: Maximum number of levels, 1 for the folder alone; unlimited by default.
    """

    depth: int | None = None


@dataclass
class Stat:
    """Metadata of a file. Symbolic links are followed.

    Attributes:
        type: The type.
        size: Size in bytes.
        is_file: True for a regular file.
        is_dir: True for a folder.
        is_symlink: True if the path itself is a symbolic link.
        modified: Time of the last change of the content, in seconds since 1970-01-01 UTC.
        created: Creation time, in seconds since 1970-01-01 UTC; absent if the system does not report it.
        permissions: Permission bits in octal, such as `644`.
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
    """Return the content of a UTF-8 text file. Raises an error if it is not valid UTF-8.

    Args:
        path: The file.
    """
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError:
        raise BuiltinError(f"{os.fsdecode(paths.given(path))}: invalid UTF-8; use fs.read_bytes") from None


@library.function(needs=reads("path"))
def read_bytes(path: Path) -> bytes:
    """Return the content of a file as bytes.

    Args:
        path: The file.
    """
    with paths.open(path) as file:
        content: bytes = file.read()
        return content


@library.function(needs=writes("path"))
def write(path: Path, text: bytes) -> None:
    """Write a file, replacing its content; create missing folders.

    Args:
        path: The file.
        text: The new content.
    """
    write_bytes(path, text)


@library.function(needs=writes("path"))
def write_bytes(path: Path, data: bytes) -> None:
    """Write bytes to a file, replacing its content; create missing folders.

    Args:
        path: The file.
        data: The new content.
    """
    os.makedirs(os.path.dirname(path) or b".", exist_ok=True)
    with paths.open(path, "wb") as file:
        file.write(data)


@library.function(needs=reads("path"))
def exists(path: Path) -> bool:
    """Return true if a file or folder exists; false for a dangling symbolic link.

    Args:
        path: The file or folder.
    """
    return os.path.exists(path)


@library.function(name="list", needs=reads("path"))
def list_(path: Path) -> list[Entry]:
    """Return the entries of a folder, sorted by name.

    Args:
        path: The folder.
    """
    return [Entry(text_or_bytes(entry.name), _kind(entry)) for entry in _scan(path)]


@library.function(needs=reads("path"))
def readdir(path: Path, options: ReaddirOptions | None = None) -> list[TreeEntry]:
    """Return the entries of a folder tree, sorted by name, each folder before its content.

    Args:
        path: The folder.
        options: Options.
    """
    depth = options.depth if options is not None else None
    if depth is not None and depth < 1:
        raise BuiltinError(f"bad option 'depth' (1 or more expected, got {depth})")
    return [TreeEntry(text_or_bytes(item), text_or_bytes(name), kind) for item, name, kind in _walk(path, b"", depth)]


@library.function(needs=GLOB)
def glob(host: Host, pattern: Path) -> list[str | bytes]:
    """Return the paths that match a pattern, sorted. Hidden files are included.

    Args:
        pattern: A path in which `*` matches any characters except `/`, `?` one character, `[a-z]` and `[!a-z]` one
            character in or not in a set, and `**`, as a whole component, any number of folders. `**` does not follow
            symbolic links.
    """
    from assay.builtins.fs import globbing

    _check_pattern(pattern)
    return [text_or_bytes(path) for path in sorted(set(globbing.find(pattern, host.permissions)))]


@library.function(needs=writes("path"))
def mkdir(path: Path) -> None:
    """Create a folder and its missing parents; do nothing if it exists.

    Args:
        path: The folder.
    """
    os.makedirs(path, exist_ok=True)


@library.function(needs=writes("path", link=True))
def remove(path: Path) -> None:
    """Remove a file, or a folder with its content. A symbolic link is removed, not its target.

    Args:
        path: The file or folder.
    """
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.remove(path)


@library.function(needs=reads("source") + writes("target"))
def copy(source: Path, target: Path) -> int:
    """Copy a file and its permission bits; return its size in bytes. An existing target is overwritten.

    Args:
        source: The file.
        target: The path of the copy, in an existing folder.
    """
    try:
        shutil.copyfile(source, target)
    except shutil.SameFileError:
        raise BuiltinError(f"{os.fsdecode(paths.given(source))}: source and target are the same file") from None
    shutil.copymode(source, target)
    return os.path.getsize(target)


@library.function(needs=reads("source", link=True) + writes("source", link=True) + writes("target", link=True))
def rename(source: Path, target: Path) -> None:
    """Rename or move a file or folder within one file system. An existing file at the target is replaced.

    Args:
        source: The current path.
        target: The new path.
    """
    os.rename(source, target)


@library.function(needs=writes("path"))
def chmod(path: Path, mode: str | int) -> None:
    """Set the permission bits of a file or folder.

    Args:
        path: The file or folder.
        mode: The bits as an octal string (`"755"`) or as a number (493).
    """
    bits = mode if isinstance(mode, int) else int(mode, 8) if _OCTAL.fullmatch(mode) else -1
    if not 0 <= bits <= _MAX_MODE:
        got = mode if isinstance(mode, int) else f"'{mode}'"
        raise BuiltinError(f"bad argument 'mode' (octal digits such as \"755\" or a number expected, got {got})")
    os.chmod(path, bits)


@library.function(needs=reads("path"))
def stat(path: Path) -> Stat:
    """Return metadata of a file or folder.

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
    """Create a temporary folder and return its path. It is not removed automatically."""
    import tempfile

    template = host.permissions.path("write", os.path.join(tempfile.gettempdirb(), b"assay-"))
    folder, prefix = os.path.split(template)
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
        path, kind = prefix + entry.name, _kind(entry)
        yield path, entry.name, kind
        if kind == "directory" and depth != 1:
            yield from _walk(entry.path, path + b"/", None if depth is None else depth - 1)


def _check_pattern(pattern: bytes) -> None:
    for component in pattern.split(b"/"):
        if b"**" in component and component != b"**":
            raise BuiltinError(f"bad pattern '{os.fsdecode(pattern)}': ** must be a whole path component")
        rest = component
        while b"[" in rest:
            inside = rest.partition(b"[")[2].removeprefix(b"!")
            # A ] in first position belongs to the set.
            end = inside.find(b"]", 1)
            if end < 0:
                raise BuiltinError(f"bad pattern '{os.fsdecode(pattern)}': [ without ]")
            rest = inside[end + 1 :]
