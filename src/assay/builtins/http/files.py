"""Responses with static files."""

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
from assay.builtins.http.options import StaticFiles
from assay.builtins.http.protocol import is_last_request
from assay.builtins.http.responses import SERVER, BufferedResponse, text_response
from assay.errors import DeniedError
from assay.permissions import Permissions, paths

_CHUNK_SIZE = 1 << 18

# Independent of the system's types, so that a file has the same type on every machine.
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


class _OpenFile(NamedTuple):
    """An opened file of a route.

    Attributes:
        path: The resolved path.
        file: The open file.
        size: Size in bytes.
        modified: Modification time in whole seconds, the resolution of HTTP dates.
        tag: The entity tag.
        is_index: True if the request named the file's folder.
    """

    path: str
    file: IO[bytes]
    size: int
    modified: int
    tag: str
    is_index: bool


async def respond(
    request: web.BaseRequest, target: StaticFiles, rest: str, permissions: Permissions
) -> web.StreamResponse | None:
    """Return the response for a file, or None if there is no such file.

    Args:
        request: The request.
        target: The route.
        rest: The decoded part of the path below the route.
        permissions: The permissions of the script.
    """
    try:
        opened = await asyncio.to_thread(_open, target, rest, permissions)
    except PermissionError:
        return text_response(HTTPStatus.FORBIDDEN, "forbidden")
    if opened is None:
        return None
    response = _response(request, target, opened, to_folder=opened.is_index and rest != "" and not rest.endswith("/"))
    if not isinstance(response, _FileResponse):
        opened.file.close()
    return response


def _open(target: StaticFiles, rest: str, permissions: Permissions) -> _OpenFile | None:
    """Open the file at its resolved path, or return None if there is none to serve. Raises PermissionError."""
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
        file = paths.open(permissions.path("read", os.fsencode(path)))  # closed by the response
    except PermissionError:
        raise
    except (OSError, UnicodeError, DeniedError):
        return None
    status = os.fstat(file.fileno())
    tag = f"{status.st_mtime_ns:x}-{status.st_size:x}"
    return _OpenFile(path, file, status.st_size, int(status.st_mtime), tag, is_index)


def _response(
    request: web.BaseRequest, target: StaticFiles, opened: _OpenFile, to_folder: bool
) -> BufferedResponse | _FileResponse:
    headers = header_tables.to_multidict(target.headers)
    if to_folder:
        headers[hdrs.LOCATION] = _folder_url(request)
        return BufferedResponse(HTTPStatus.MOVED_PERMANENTLY, b"moved permanently", None, headers.items())
    modified = formatdate(opened.modified, usegmt=True)
    headers[hdrs.ETAG] = f'"{opened.tag}"'
    headers[hdrs.LAST_MODIFIED] = modified
    headers[hdrs.ACCEPT_RANGES] = "bytes"
    status = _precondition_status(request, opened)
    if status is not None:
        return BufferedResponse(status, b"", None, headers.items())
    part = None
    condition = request.headers.get(hdrs.IF_RANGE)
    if request.method == hdrs.METH_GET and (condition is None or condition in (headers[hdrs.ETAG], modified)):
        try:
            part = ranges.requested(request.headers.get(hdrs.RANGE), opened.size)
        except ranges.UnsatisfiableError:
            headers[hdrs.CONTENT_RANGE] = f"bytes */{opened.size}"
            return BufferedResponse(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b"", None, headers.items())
    headers.setdefault(hdrs.CONTENT_TYPE, content_type(opened.path))
    headers.setdefault(hdrs.SERVER, SERVER)
    if part is None:
        return _FileResponse(HTTPStatus.OK, opened.file, range(opened.size), headers)
    headers[hdrs.CONTENT_RANGE] = f"bytes {part.start}-{part.stop - 1}/{opened.size}"
    return _FileResponse(HTTPStatus.PARTIAL_CONTENT, opened.file, part, headers)


def _folder_url(request: web.BaseRequest) -> str:
    """Return the request's URL with a trailing slash, against which relative links of the index resolve."""
    # A single leading slash: with two, browsers would take the next segment for a host.
    path = "/" + request.rel_url.raw_path.lstrip("/\\") + "/"
    query = request.rel_url.raw_query_string
    return quote(path + (f"?{query}" if query else ""), safe=punctuation, errors="surrogateescape")


def content_type(path: str) -> str:
    """Return the content type for a file name, with UTF-8 as charset of text types."""
    kind = _types.guess_type(path)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def _precondition_status(request: web.BaseRequest, opened: _OpenFile) -> int | None:
    """Evaluate preconditions (RFC 9110, section 13.2.2); return the status, or None if the file is to be sent."""
    if (tags := request.if_match) is not None:
        if not _has_match(tags, opened.tag, weak=False):
            return HTTPStatus.PRECONDITION_FAILED
    elif (since := request.if_unmodified_since) is not None and opened.modified > since.timestamp():
        return HTTPStatus.PRECONDITION_FAILED
    if (tags := request.if_none_match) is not None:
        if _has_match(tags, opened.tag, weak=True):
            return HTTPStatus.NOT_MODIFIED
    elif (since := request.if_modified_since) is not None and opened.modified <= since.timestamp():
        return HTTPStatus.NOT_MODIFIED
    return None


def _has_match(tags: tuple[ETag, ...], tag: str, weak: bool) -> bool:
    return any(item.value in (tag, "*") and (weak or not item.is_weak) for item in tags)


class _FileResponse(web.StreamResponse):
    """A response with a file or a range of it.

    aiohttp's `FileResponse` ignores an entity tag in If-Range, so a resumed download could mix two versions of a file.
    """

    def __init__(self, status: int, file: IO[bytes], positions: range, headers: CIMultiDict[str]) -> None:
        super().__init__(status=status, headers=headers)
        self.content_length = len(positions)
        self._file = file
        self._positions = positions

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send the response."""
        with self._file as file:
            writer = await super().prepare(request)
            if writer is not None and request.method != hdrs.METH_HEAD:
                await self._send(writer, file)
        if is_last_request(request):
            self.force_close()
        return writer

    async def _send(self, writer: AbstractStreamWriter, file: IO[bytes]) -> None:
        remaining = len(self._positions)
        file.seek(self._positions.start)
        while remaining > 0:
            chunk = await asyncio.to_thread(file.read, min(remaining, _CHUNK_SIZE))
            if not chunk:  # an aborted connection shows the client that the response is incomplete
                raise ConnectionError("the file was truncated while it was sent")
            remaining -= len(chunk)
            await writer.write(chunk)
