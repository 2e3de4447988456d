"""The globals of a script: one file is one global, declared as `assay.lua.declare` says.

A module is imported when a script first uses its global.
"""

from __future__ import annotations

LIBRARIES: dict[str, tuple[str, bool]] = {
    "activity": ("assay.temporal.activity", False),
    "assert": ("assay.builtins.assert_", False),
    "async": ("assay.builtins.async_", False),
    "base64": ("assay.builtins.base64", False),
    "crypto": ("assay.builtins.crypto", False),
    "db": ("assay.builtins.db", False),
    "env": ("assay.builtins.env", False),
    "fs": ("assay.builtins.fs", False),
    "http": ("assay.builtins.http", False),
    "json": ("assay.builtins.json", False),
    "log": ("assay.builtins.log", False),
    "os": ("assay.builtins.os", False),
    "sleep": ("assay.builtins.sleep", True),
    "temporal": ("assay.temporal.library", False),
    "time": ("assay.builtins.time", True),
    "ws": ("assay.builtins.ws", False),
}
"""Global → its module, and whether it is a plain function rather than a table."""
