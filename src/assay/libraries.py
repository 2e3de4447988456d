"""Libraries that scripts can use: globals, and modules for `require`, whose names contain a dot.

The Python module of a library is imported when a script first uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

LIBRARIES: Mapping[str, tuple[str, bool]] = MappingProxyType(
    {
        "activity": ("assay.temporal.activity", False),
        "assay.temporal": ("assay.temporal.rest.library", False),
        "assert": ("assay.builtins.assert_", False),
        "async": ("assay.builtins.async_", False),
        "base64": ("assay.builtins.base64", False),
        "crypto": ("assay.builtins.crypto", False),
        "db": ("assay.builtins.db", False),
        "disk": ("assay.builtins.disk", False),
        "env": ("assay.builtins.env", False),
        "fs": ("assay.builtins.fs", False),
        "http": ("assay.builtins.http", False),
        "json": ("assay.builtins.json", False),
        "log": ("assay.builtins.log", False),
        "markdown": ("assay.builtins.markdown", False),
        "os": ("assay.builtins.os", False),
        "process": ("assay.builtins.process", False),
        "regex": ("assay.builtins.regex", False),
        "shell": ("assay.builtins.shell", False),
        "sleep": ("assay.builtins.sleep", True),
        "temporal": ("assay.temporal.library", False),
        "template": ("assay.builtins.template", False),
        "time": ("assay.builtins.time", True),
        "toml": ("assay.builtins.toml", False),
        "ws": ("assay.builtins.ws", False),
        "yaml": ("assay.builtins.yaml", False),
    }
)
"""Library → Python module, and whether it is a function rather than a table."""
