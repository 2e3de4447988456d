"""Files as answers."""

from __future__ import annotations

import asyncio
import os
import stat
from email.utils import formatdate
from http import HTTPStatus
from mimetypes import MimeTypes
from string import punctuation
from typing import IO, NamedTuple
from urllib.parse import quote

from aiohttp import ETag, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict

from assay.builtins.http import headers as header_tables
from assay.builtins.http import ranges
from assay.builtins.http.answers import SERVER, Answer, plain
from assay.builtins.http.options import StaticFiles
from assay.builtins.http.protocol import says_no_more
from assay.errors import DeniedError
from assay.permissions import Permissions, paths

_PIECE = 1 << 18

# Not those of the machine, so that a file has the same type everywhere.
_types = MimeTypes()
_types.encodings_map.clear()
for _type, _suffix in (
    ("application/gzip", ".gz"),
    ("application/x-bzip2", ".bz2"),
    ("application/x-xz", ".xz"),
    ("application/zstd", ".zst"),
    ("font/woff", ".woff"),
    ("font/woff2", ".woff2"),
    ("image/avif", ".avif"),
    ("image/webp", ".webp"),
    ("text/javascript", ".js"),
    ("text/javascript", ".mjs"),
    ("text/markdown", ".md"),
):
    _types.add_type(_type, _suffix)


class _Found(NamedTuple):
    """A file that a route shows.

    Attributes:
        path: Where it is.
        file: The open file.
        size: Its length.
        modified: When it was changed, in whole seconds, as in HTTP.
        tag: What another version of it has not.
        is_index: Whether the path leads to its folder.
    """

    path: str
    file: IO[bytes]
    size: int
    modified: int
    tag: str
    is_index: bool


async def answer(
    request: web.BaseRequest, target: StaticFiles, rest: str, permissions: Permissions
) -> web.StreamResponse | None:
    """Return the response with a file; None when there is none to show.

    Args:
        request: The request.
        target: The route.
        rest: The part of the decoded path below the route.
        permissions: What may be read.
    """
    try:
        found = await asyncio.to_thread(_find, target, rest, permissions)
    except PermissionError:
        return plain(HTTPStatus.FORBIDDEN, "forbidden")
    if found is None:
        return None
    response = _describe(request, target, found, to_folder=found.is_index and rest != "" and not rest.endswith("/"))
    if not isinstance(response, _FileAnswer):
        found.file.close()
    return response


def _find(target: StaticFiles, rest: str, permissions: Permissions) -> _Found | None:
    """Open the file, with no symbolic link in its path. Raises PermissionError."""
    names = [name for name in rest.split("/") if name]
    if "\0" in rest or any(name.startswith(".") and name != ".well-known" for name in names):
        return None
    root = os.path.realpath(target.static)
    is_index = False
    try:
        path = os.path.realpath(os.path.join(root, *names), strict=True)
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode) and target.index:
            is_index = True
            path = os.path.realpath(os.path.join(path, target.index), strict=True)
            mode = os.stat(path).st_mode
        elif rest.endswith("/"):
            return None
        if os.path.commonpath((root, path)) != root or not stat.S_ISREG(mode):
            return None
        file = paths.open(permissions.path("read", os.fsencode(path)))  # the answer closes it
    except PermissionError:
        raise
    except (OSError, UnicodeError, DeniedError):
        return None
    status = os.fstat(file.fileno())
    tag = f"{status.st_mtime_ns:x}-{status.st_size:x}"
    return _Found(path, file, status.st_size, int(status.st_mtime), tag, is_index)


def _describe(request: web.BaseRequest, target: StaticFiles, found: _Found, to_folder: bool) -> Answer | _FileAnswer:
    """Decide on the status and the headers."""
    headers = header_tables.to_send(target.headers)
    if to_folder:
        headers[hdrs.LOCATION] = _folder(request)
        return Answer(HTTPStatus.MOVED_PERMANENTLY, b"moved permanently", None, headers.items())
    modified = formatdate(found.modified, usegmt=True)
    headers[hdrs.ETAG] = f'"{found.tag}"'
    headers[hdrs.LAST_MODIFIED] = modified
    headers[hdrs.ACCEPT_RANGES] = "bytes"
    status = _precondition(request, found)
    if status is not None:
        return Answer(status, b"", None, headers.items())
    part = None
    condition = request.headers.get(hdrs.IF_RANGE)
    if request.method == hdrs.METH_GET and (condition is None or condition in (headers[hdrs.ETAG], modified)):
        try:
            part = ranges.wanted(request.headers.get(hdrs.RANGE), found.size)
        except ranges.UnsatisfiableError:
            headers[hdrs.CONTENT_RANGE] = f"bytes */{found.size}"
            return Answer(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b"", None, headers.items())
    headers.setdefault(hdrs.CONTENT_TYPE, content_type(found.path))
    headers.setdefault(hdrs.SERVER, SERVER)
    if part is None:
        return _FileAnswer(HTTPStatus.OK, found.file, range(found.size), headers)
    headers[hdrs.CONTENT_RANGE] = f"bytes {part.start}-{part.stop - 1}/{found.size}"
    return _FileAnswer(HTTPStatus.PARTIAL_CONTENT, found.file, part, headers)


def _folder(request: web.BaseRequest) -> str:
    """A folder's own URL, from which the relative links of its index lead on."""
    # One slash at the beginning: with two, the next segment would be a host.
    path = "/" + request.rel_url.raw_path.lstrip("/\\") + "/"
    query = request.rel_url.raw_query_string
    return quote(path + (f"?{query}" if query else ""), safe=punctuation, errors="surrogateescape")


def content_type(path: str) -> str:
    """Return the type of a file by its name; texts are UTF-8."""
    kind = _types.guess_type(path)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def _precondition(request: web.BaseRequest, found: _Found) -> int | None:
    """The status when a condition of the client's keeps it from the file (RFC 9110, section 13.2.2)."""
    if (tags := request.if_match) is not None:
        if not _among(found.tag, tags, weakly=False):
            return HTTPStatus.PRECONDITION_FAILED
    elif (since := request.if_unmodified_since) is not None and found.modified > since.timestamp():
        return HTTPStatus.PRECONDITION_FAILED
    if (tags := request.if_none_match) is not None:
        if _among(found.tag, tags, weakly=True):
            return HTTPStatus.NOT_MODIFIED
    elif (since := request.if_modified_since) is not None and found.modified <= since.timestamp():
        return HTTPStatus.NOT_MODIFIED
    return None


def _among(tag: str, tags: tuple[ETag, ...], weakly: bool) -> bool:
    return any(one.value in (tag, "*") and (weakly or not one.is_weak) for one in tags)


class _FileAnswer(web.StreamResponse):
    """A file, or a part of it.

    Not aiohttp's `FileResponse`, which takes an entity tag in If-Range for no condition, and so mixes two files.
    """

    def __init__(self, status: int, file: IO[bytes], positions: range, headers: CIMultiDict[str]) -> None:
        super().__init__(status=status, headers=headers)
        self.content_length = len(positions)
        self._file = file
        self._positions = positions

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send it."""
        with self._file as file:
            writer = await super().prepare(request)
            if writer is not None and request.method != hdrs.METH_HEAD:
                await self._send(writer, file)
        if says_no_more(request):
            self.force_close()
        return writer

    async def _send(self, writer: AbstractStreamWriter, file: IO[bytes]) -> None:
        left = len(self._positions)
        file.seek(self._positions.start)
        while left > 0:
            piece = await asyncio.to_thread(file.read, min(left, _PIECE))
            if not piece:  # the client has to see that the answer breaks off
                raise ConnectionError("the file has become shorter")
            left -= len(piece)
            await writer.write(piece)
