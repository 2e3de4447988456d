"""Where `require` looks for a module."""

from __future__ import annotations

import os
from collections.abc import Iterator

from assay.lua.state import Outcome


class Finder:
    """A search for modules, as `package.path` has it: templates in which each `?` is the module's name as a path.

    `path` is what it begins with: the script's `modules/` and its folder, $ASSAY_MODULES_PATH, ~/.assay/modules.
    """

    def __init__(self, script_folder: str) -> None:
        roots = [os.path.join(script_folder, "modules"), script_folder]
        roots += [root for root in os.environ.get("ASSAY_MODULES_PATH", "").split(os.pathsep) if root]
        roots.append(os.path.join(os.path.expanduser("~"), ".assay", "modules"))
        templates = (os.path.join(root, file) for root in roots for file in ("?.lua", "?/init.lua"))
        self.path = os.fsencode(";".join(templates))

    def __call__(self, name: str, path: bytes) -> Outcome:
        """Find a "source" with its path, or say "missing" and where it was looked for."""
        parts = name.split(".")
        tried = []
        if name and all(part and os.sep not in part for part in parts):
            for file in candidates(os.sep.join(parts).encode(), path):
                try:
                    with open(file, "rb") as opened:
                        return b"source", opened.read(), file
                except (FileNotFoundError, NotADirectoryError):
                    tried.append(os.fsdecode(file))
                except OSError as error:
                    return b"e", b"require: " + file + b": " + (error.strerror or "error").encode()
        return b"missing", *tried


def candidates(name: bytes, path: bytes) -> Iterator[bytes]:
    """The files that the templates of `path` make of a name."""
    return (template.replace(b"?", name) for template in path.split(b";") if template)


def search(name: bytes, path: bytes) -> Outcome:
    """What `package.searchpath` finds: the first file that can be read, or "missing" and the files that were tried."""
    tried = []
    for file in candidates(name, path):
        if os.access(file, os.R_OK) and not os.path.isdir(file):
            return b"found", file
        tried.append(file)
    return b"missing", *tried
