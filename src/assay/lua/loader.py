"""Search for the modules of `require`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Protocol

from assay.lua.state import Outcome
from assay.permissions import EVERYTHING, Permissions, paths

_PREFIX = "assay."
_FILES = ("?.lua", "?/init.lua")


class FindModule(Protocol):
    """Interface of a module finder."""

    @property
    def path(self) -> bytes:
        """Initial value of `package.path`."""

    def __call__(self, name: str, path: bytes, built_in: bool) -> Outcome:
        """Find a module in the templates of `path`.

        Returns "source", its source and its file; "missing" and the files that were tried; or "e" and a message.
        `built_in`: there is a built-in module of this name.
        """

    def search(self, name: bytes, path: bytes) -> Outcome:
        """Find a file for `package.searchpath`: returns "found" and the file, or "missing" and the files tried."""


class Finder:
    """Finds modules by `package.path`: templates in which `?` is replaced by the module's name as a path.

    The initial `path` is the script's `modules/`, its folder, $ASSAY_MODULES_PATH and ~/.assay/modules. `assay.NAME` is
    also found as NAME, unless a built-in module has the name; the script's own folder is excluded, so that a script
    gitlab.lua can require assay.gitlab.

    Files below the folders of the initial `path` count as part of the program. Links that lead out of these folders,
    and all other templates, are subject to `permissions`.
    """

    def __init__(self, script_folder: str, permissions: Permissions = EVERYTHING) -> None:
        roots = [os.path.join(script_folder, "modules"), script_folder]
        roots += [root for root in os.environ.get("ASSAY_MODULES_PATH", "").split(os.pathsep) if root]
        roots.append(os.path.join(os.path.expanduser("~"), ".assay", "modules"))
        templates = (os.path.join(root, file) for root in roots for file in _FILES)
        self.path = os.fsencode(";".join(templates))
        self._roots = roots
        self._permissions = permissions
        self._script_templates = {os.fsencode(os.path.join(script_folder, file)) for file in _FILES}

    def __call__(self, name: str, path: bytes, built_in: bool) -> Outcome:
        """Find a module, as `FindModule` describes. Raises DeniedError."""
        segments = name.split(".")
        tried = []
        if name and all(segment and os.sep not in segment for segment in segments):
            program_files = {*candidates(os.sep.join(segments).encode(), self.path)}
            files = [*candidates(os.sep.join(segments).encode(), path)]
            if name.startswith(_PREFIX) and not built_in:
                templates = (template for template in path.split(b";") if template not in self._script_templates)
                files += candidates(os.sep.join(segments[1:]).encode(), b";".join(templates))
                program_files.update(candidates(os.sep.join(segments[1:]).encode(), self.path))
            for file in files:
                try:
                    with paths.open(self._admitted(file, program_files)) as opened:
                        return b"source", opened.read(), file
                except (FileNotFoundError, NotADirectoryError):
                    tried.append(os.fsdecode(file))
                except OSError as error:
                    return b"e", b"require: " + file + b": " + (error.strerror or "error").encode()
        return b"missing", *tried

    def search(self, name: bytes, path: bytes) -> Outcome:
        """Find the first readable file, as `FindModule` describes. Raises DeniedError."""
        tried = []
        for file in candidates(name, path):
            real = self._permissions.path("read", file)
            if os.access(real, os.R_OK) and not os.path.isdir(real):
                return b"found", file
            tried.append(file)
        return b"missing", *tried

    def _admitted(self, file: bytes, program_files: set[bytes]) -> bytes:
        if file in program_files:
            return self._permissions.part_of(file, self._roots)
        return self._permissions.path("read", file)


def candidates(name: bytes, path: bytes) -> Iterator[bytes]:
    """Return the files that the templates of `path` give for a name."""
    return (template.replace(b"?", name) for template in path.split(b";") if template)
