"""Where `require` looks for a module."""

from __future__ import annotations

import os
from collections.abc import Callable

from assay.lua.state import Outcome
from assay.permissions import EVERYTHING, Permissions, paths

Find = Callable[[str, bool], Outcome]
"""Find a module by its name; the second argument says whether there is a built-in module of this name."""

_PREFIX = "assay."


def finder(script_folder: str, permissions: Permissions = EVERYTHING) -> Find:
    """A search for modules: the script's `modules/` and its own folder, $ASSAY_MODULES_PATH, ~/.assay/modules.

    `assay.NAME` is also found as NAME in these folders, except in the script's own: a script gitlab.lua that requires
    assay.gitlab does not mean itself. A built-in module takes precedence over that.

    It finds a "source" with its path, or says "missing" and where it looked. Modules in these folders are part of the
    program; where a link leads out of them, `permissions` has to allow it. Then it raises DeniedError.
    """

    def find(name: str, built_in: bool) -> Outcome:
        beside = os.path.join(script_folder, "modules")
        shared = [root for root in os.environ.get("ASSAY_MODULES_PATH", "").split(os.pathsep) if root]
        shared.append(os.path.join(os.path.expanduser("~"), ".assay", "modules"))
        roots = [beside, script_folder, *shared]
        candidates = _files(name, roots)
        if name.startswith(_PREFIX) and not built_in:
            candidates += _files(name.removeprefix(_PREFIX), [beside, *shared])
        for path in candidates:
            try:
                with paths.open(permissions.part_of(os.fsencode(path), roots)) as file:
                    return b"source", file.read(), os.fsencode(path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                return b"e", f"require: {path}: {error.strerror}".encode()
        return b"missing", *candidates

    return find


def _files(name: str, folders: list[str]) -> list[str]:
    """The files in which a module can be."""
    parts = name.split(".")
    if not all(part and os.sep not in part for part in parts):
        return []
    bases = [os.path.join(folder, *parts) for folder in folders]
    return [path for base in bases for path in (base + ".lua", os.path.join(base, "init.lua"))]
