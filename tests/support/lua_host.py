"""A Lua host in the test process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.libraries import LIBRARIES
from assay.lua.host import Host
from assay.lua.loader import Finder

PROBE = {**LIBRARIES, "probe": ("probe_library", False)}


class CapturingHost:
    """A host that captures the output of scripts."""

    def __init__(self, libraries: Mapping[str, tuple[str, bool]] = PROBE, folder: str = ".") -> None:
        self.output = bytearray()
        self.host = Host(libraries, Finder(folder), self.output.extend)

    def run(self, code: str, *arguments: Any) -> Any:
        """Run a chunk until it returns; returns its first result."""
        return self.host.run_sync(self.host.load(code.encode(), "script.lua"), arguments)


def run(code: str, *arguments: Any) -> Any:
    """Run a chunk in a new host; returns its first result."""
    return CapturingHost().run(code, *arguments)
