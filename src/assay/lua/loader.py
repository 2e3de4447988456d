"""Where `require` looks for a module."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Protocol

from assay.lua.state import Outcome
from assay.permissions import EVERYTHING, Permissions, paths

_PREFIX = "assay."
_FILES = ("?.lua", "?/init.lua")


class FindModule(Protocol):
    """Finds a module for `require`; `path` is what `package.path` is at first."""

    @property
    def path(self) -> bytes:
        """The templates."""

    def __call__(self, name: str, path: bytes, built_in: bool) -> Outcome:
        """Find a module: "source", its text and its file; "missing" and where it was looked for; or "e", a message.

        `built_in` says whether there is a built-in module of this name.
        """

    def search(self, name: bytes, path: bytes) -> Outcome:
        """Find the file that `package.searchpath` returns: "found" and its name; "missing" and what was tried."""


class Finder:
    """A search for modules, as `package.path` has it: templates in which each `?` is the module's name as a path.

    `path` is what it begins with: the script's `modules/` and its folder, $ASSAY_MODULES_PATH, ~/.assay/modules.
    `assay.NAME` is also found as NAME, except in the script's own folder: a script gitlab.lua that requires
    assay.gitlab does not mean itself. A built-in module takes precedence over that.

    What `path` leads to is part of the program. Where a link leads out of its folders, and for all other templates,
    `permissions` has to allow it.
    """

    def __init__(self, script_folder: str, permissions: Permissions = EVERYTHING) -> None:
        roots = [os.path.join(script_folder, "modules"), script_folder]
        roots += [root for root in os.environ.get("ASSAY_MODULES_PATH", "").split(os.pathsep) if root]
        roots.append(os.path.join(os.path.expanduser("~"), ".assay", "modules"))
        templates = (os.path.join(root, file) for root in roots for file in _FILES)
        self.path = os.fsencode(";".join(templates))
        self._roots = roots
        self._permissions = permissions
        self._own = {os.fsencode(os.path.join(script_folder, file)) for file in _FILES}

    def __call__(self, name: str, path: bytes, built_in: bool) -> Outcome:
        """Find a "source" with its path, or say "missing" and where it was looked for.

        `built_in` says whether there is a built-in module of this name. Raises DeniedError.
        """
        parts = name.split(".")
        tried = []
        if name and all(part and os.sep not in part for part in parts):
            known = {*candidates(os.sep.join(parts).encode(), self.path)}
            files = [*candidates(os.sep.join(parts).encode(), path)]
            if name.startswith(_PREFIX) and not built_in:
                elsewhere = b";".join(template for template in path.split(b";") if template not in self._own)
                files += candidates(os.sep.join(parts[1:]).encode(), elsewhere)
                known.update(candidates(os.sep.join(parts[1:]).encode(), self.path))
            for file in files:
                try:
                    with paths.open(self._admitted(file, known)) as opened:
                        return b"source", opened.read(), file
                except (FileNotFoundError, NotADirectoryError):
                    tried.append(os.fsdecode(file))
                except OSError as error:
                    return b"e", b"require: " + file + b": " + (error.strerror or "error").encode()
        return b"missing", *tried

    def search(self, name: bytes, path: bytes) -> Outcome:
        """Find the first file that can be read, or say "missing" and what was tried. Raises DeniedError."""
        tried = []
        for file in candidates(name, path):
            real = self._permissions.path("read", file)
            if os.access(real, os.R_OK) and not os.path.isdir(real):
                return b"found", file
            tried.append(file)
        return b"missing", *tried

    def _admitted(self, file: bytes, known: set[bytes]) -> bytes:
        if file in known:
            return self._permissions.part_of(file, self._roots)
        return self._permissions.path("read", file)


def candidates(name: bytes, path: bytes) -> Iterator[bytes]:
    """The files that the templates of `path` make of a name."""
    return (template.replace(b"?", name) for template in path.split(b";") if template)
