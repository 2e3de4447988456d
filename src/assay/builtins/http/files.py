"""Files as answers."""

from __future__ import annotations

import os
import stat

from aiohttp import hdrs, web

from assay.builtins.http import headers as header_tables
from assay.builtins.http.answers import SERVER
from assay.builtins.http.options import StaticFiles
from assay.permissions import Permissions


def answer(target: StaticFiles, rest: str, permissions: Permissions) -> web.StreamResponse | None:
    """The response with a file; None when there is none to show.

    Args:
        target: The route.
        rest: The part of the decoded path below the route.
        permissions: What may be read.
    """
    path = _find(target, rest)
    if path is None or not permissions.may_read(os.fsencode(path)):
        return None
    headers = header_tables.to_send(target.headers)
    headers.setdefault(hdrs.SERVER, SERVER)
    return web.FileResponse(path, headers=headers)


def _find(target: StaticFiles, rest: str) -> str | None:
    """The file, with no symbolic link in its path."""
    names = [name for name in rest.split("/") if name]
    if "\0" in rest or any(name.startswith(".") and name != ".well-known" for name in names):
        return None
    root = os.path.realpath(target.static)
    try:
        path = os.path.realpath(os.path.join(root, *names), strict=True)
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode) and target.index:
            path = os.path.realpath(os.path.join(path, target.index), strict=True)
            mode = os.stat(path).st_mode
        elif rest.endswith("/"):
            return None
    except (OSError, UnicodeError):
        return None
    if os.path.commonpath((root, path)) != root or not stat.S_ISREG(mode):
        return None
    return path
