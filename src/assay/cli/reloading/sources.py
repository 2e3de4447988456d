"""The files of a script: its processes record the modules that `require` finds, for the process that watches files.

They append to a file named by an environment variable, because a script may run in several processes (`--processes`)
and may load modules at any time.
"""

from __future__ import annotations

import os
import tempfile

from assay.cli.names import SOURCES
from assay.lua.loader import FindModule
from assay.lua.state import Outcome


class RecordingFinder:
    """A module finder that records the files it finds, and the paths it tried for missing modules."""

    def __init__(self, finder: FindModule, record: str) -> None:
        """Wrap `finder` and append to the file `record`."""
        self.path = finder.path
        self.search = finder.search
        self._finder = finder
        self._record_file = record
        self._recorded: set[bytes] = set()

    def __call__(self, name: str, path: bytes, built_in: bool) -> Outcome:
        outcome = self._finder(name, path, built_in)
        if outcome[0] == b"source":
            self._record(outcome[2])
        elif outcome[0] == b"missing":
            self._record(*map(os.fsencode, outcome[1:]))
        return outcome

    def _record(self, *paths: bytes) -> None:
        new = [path for path in paths if path not in self._recorded]
        self._recorded.update(new)
        try:
            with open(self._record_file, "ab") as file:
                file.write(b"".join(os.path.realpath(path) + b"\0" for path in new))
        except OSError:
            pass  # the watching process has ended


def recording(finder: FindModule) -> FindModule:
    """Return a finder that records files if another process watches them, else `finder` itself."""
    record = os.environ.get(SOURCES)
    return finder if record is None else RecordingFinder(finder, record)


class Sources:
    """The files recorded by the processes started from now on."""

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
        """Remove the file with the records."""
        del os.environ[SOURCES]
        self._file.close()
