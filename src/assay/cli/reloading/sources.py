"""The files that a script consists of: its processes note what `require` finds, for the one that watches files.

They write into a file that the environment names, because a script may run in several processes (`--processes`), and
may load modules late.
"""

from __future__ import annotations

import os
import tempfile

from assay.cli.names import SOURCES
from assay.lua.loader import FindModule
from assay.lua.state import Outcome


class NotingFinder:
    """Finds modules as another finder does, and notes their files; of a missing one, where it was looked for."""

    def __init__(self, finder: FindModule, notes: str) -> None:
        """`notes`: the file to write into."""
        self.path = finder.path
        self.search = finder.search
        self._finder = finder
        self._notes = notes
        self._noted: set[bytes] = set()

    def __call__(self, name: str, path: bytes, built_in: bool) -> Outcome:
        found = self._finder(name, path, built_in)
        if found[0] == b"source":
            self._note(found[2])
        elif found[0] == b"missing":
            self._note(*map(os.fsencode, found[1:]))
        return found

    def _note(self, *paths: bytes) -> None:
        new = [path for path in paths if path not in self._noted]
        self._noted.update(new)
        try:
            with open(self._notes, "ab") as file:
                file.write(b"".join(os.path.realpath(path) + b"\0" for path in new))
        except OSError:
            pass  # whoever watches has ended


def noting(finder: FindModule) -> FindModule:
    """Return a finder that notes what it finds when somebody watches, else the same."""
    notes = os.environ.get(SOURCES)
    return finder if notes is None else NotingFinder(finder, notes)


class Sources:
    """What the processes that are started from now on note."""

    def __init__(self, script: str) -> None:
        self._script = os.path.realpath(os.fsencode(script))
        self._file = tempfile.NamedTemporaryFile(prefix="assay-")  # noqa: SIM115 `close` closes it
        self._paths: set[bytes] = set()
        os.environ[SOURCES] = self._file.name

    def __contains__(self, path: str) -> bool:
        self._paths.update(self._file.read().split(b"\0"))
        real = os.path.realpath(os.fsencode(path))
        return real == self._script or real in self._paths

    def close(self) -> None:
        """Remove the notes."""
        del os.environ[SOURCES]
        self._file.close()
