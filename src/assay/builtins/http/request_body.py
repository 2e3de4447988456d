"""Builds the body of a request."""

from __future__ import annotations

import io
import mimetypes
import os
from contextlib import ExitStack
from typing import IO, Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import hdrs

from assay.builtins.http import headers as header_tables
from assay.builtins.http.options import Part, RequestOptions
from assay.errors import BuiltinError
from assay.lua.values import Json
from assay.permissions import paths

_LARGE = 1 << 20
"""Size in bytes above which aiohttp expects a file object, which it sends in chunks."""


def build(body: bytes | Json | None, options: RequestOptions, files: ExitStack) -> tuple[Any, str | None]:
    """Return aiohttp's `data` argument and the content type. Raises BuiltinError for more than one body.

    Args:
        body: A string or JSON; the body may also be one of the options.
        options: The request's options.
        files: Stack that closes the files of the body.
    """
    bodies = [body, options.body, options.json, options.form, options.multipart, options.file]
    if sum(item is not None for item in bodies) > 1:
        raise BuiltinError(
            "the body argument and the options 'body', 'json', 'form', 'multipart' and 'file' are mutually exclusive"
        )
    if options.form is not None:
        return urlencode(list(header_tables.pairs(options.form))).encode(), "application/x-www-form-urlencoded"
    if options.multipart is not None:
        writer = _multipart(options.multipart, files)
        return writer, writer.content_type
    if options.file is not None:
        return _open(options.file, files), mimetypes.guess_type(os.fsdecode(options.file))[0]
    content = next((item for item in (body, options.body, options.json) if item is not None), None)
    if content is None:
        return None, None
    data = bytes(content)
    return _as_payload(data), "application/json" if isinstance(content, Json) else None


def _open(path: bytes, files: ExitStack) -> IO[bytes]:
    try:
        return files.enter_context(paths.open(path))
    except OSError as error:
        raise BuiltinError(f"{os.fsdecode(paths.given(path))}: {error.strerror}") from None


def _as_payload(data: bytes) -> bytes | io.BytesIO:
    return io.BytesIO(data) if len(data) > _LARGE else data


def _multipart(parts: list[Part], files: ExitStack) -> aiohttp.MultipartWriter:
    writer = aiohttp.MultipartWriter("form-data")
    for index, part in enumerate(parts, 1):
        if (part.body is None) == (part.file is None):
            raise BuiltinError(f"bad option 'multipart.{index}' (either 'body' or 'file' expected)")
        filename, content_type = part.filename, part.content_type
        content: Any
        if part.file is not None:
            content = _open(part.file, files)
            filename = filename or os.path.basename(part.file).decode("utf-8", "replace")
        else:
            content = _as_payload(part.body or b"")
        if content_type is None and filename is not None:
            content_type = mimetypes.guess_type(filename)[0] or "application/octet-stream"
        for text in (part.name, filename or "", content_type or ""):
            if any(character in text for character in '\0\r\n"'):
                raise BuiltinError(f"bad option 'multipart.{index}' (a name contains a quote, a line break or NUL)")
        payload = writer.append(content)
        payload.headers.popall(hdrs.CONTENT_DISPOSITION, None)
        payload.headers.popall(hdrs.CONTENT_TYPE, None)
        names = {"name": part.name} | ({} if filename is None else {"filename": filename})
        payload.set_content_disposition("form-data", quote_fields=False, **names)
        if content_type is not None:
            payload.headers[hdrs.CONTENT_TYPE] = content_type
    return writer
