"""Where `require` looks for a module."""

from __future__ import annotations

import os
from collections.abc import Callable

from assay.lua.state import Outcome
from assay.permissions import EVERYTHING, Permissions, paths


def finder(script_folder: str, permissions: Permissions = EVERYTHING) -> Callable[[str], Outcome]:
    """A search for modules: the script's `modules/` and its own folder, $ASSAY_MODULES_PATH, ~/.assay/modules.

    It finds a "source" with its path, or says "missing" and where it looked. Modules in these folders are part of the
    program; where a link leads out of them, `permissions` has to allow it. Then it raises DeniedError.
    """

    def find(name: str) -> Outcome:
        roots = [os.path.join(script_folder, "modules"), script_folder]
        roots += [root for root in os.environ.get("ASSAY_MODULES_PATH", "").split(os.pathsep) if root]
        roots.append(os.path.join(os.path.expanduser("~"), ".assay", "modules"))
        parts = name.split(".")
        tried = []
        if name and all(part and os.sep not in part for part in parts):
            for root in roots:
                base = os.path.join(root, *parts)
                for path in (base + ".lua", os.path.join(base, "init.lua")):
                    try:
                        with paths.open(permissions.part_of(os.fsencode(path), roots)) as file:
                            return b"source", file.read(), os.fsencode(path)
                    except (FileNotFoundError, NotADirectoryError):
                        tried.append(path)
                    except OSError as error:
                        return b"e", f"require: {path}: {error.strerror}".encode()
        return b"missing", *tried

    return find
