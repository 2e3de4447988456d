"""Where `require` looks for a module."""

from __future__ import annotations

import os
from collections.abc import Callable

from assay.lua.state import Outcome


def finder(script_folder: str) -> Callable[[str], Outcome]:
    """A search for modules: the script's `modules/` and its own folder, $ASSAY_MODULES_PATH, ~/.assay/modules."""

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
                        with open(path, "rb") as file:
                            return b"source", file.read(), os.fsencode(path)
                    except (FileNotFoundError, NotADirectoryError):
                        tried.append(path)
                    except OSError as error:
                        return b"e", f"require: {path}: {error.strerror}".encode()
        where = "".join([*(f"\n\tno file '{path}'" for path in tried), f"\n\tno built-in module '{name}'"])
        return b"e", f"require: module '{name}' not found:{where}".encode()

    return find
