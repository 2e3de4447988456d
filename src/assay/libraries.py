"""The libraries of a script by name: the globals, and what it gets by `require`, which has a dot in its name.

A module is imported when a script first uses its library.
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
"""Library → its module, and whether it is a plain function rather than a table."""
