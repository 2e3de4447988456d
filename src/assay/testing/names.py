"""Checks the names of activities in a test, so that a typo does not go unnoticed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from assay.errors import BuiltinError
from assay.lua.convert import suggest
from assay.lua.function import LuaFunction
from assay.lua.loader import FindModule
from assay.lua.state import Outcome
from assay.permissions import Permissions
from assay.temporal.worker.registration import Script


class TestedScript(Script):
    """A script that keeps its source and the sources of the modules that it requires."""

    def __init__(
        self,
        path: str,
        *,
        parts: tuple[str, ...],
        libraries: Mapping[str, tuple[str, bool]],
        permissions: Permissions,
    ) -> None:
        super().__init__(path, parts=parts, libraries=libraries, permissions=permissions)
        self.sources: list[bytes] = []
        self.callbacks.finder = _RecordingFinder(self.callbacks.finder, self.sources)

    def load(self, source: bytes, name: str) -> LuaFunction:
        """Load a chunk and keep its source."""
        self.sources.append(source)
        return super().load(source, name)


class _RecordingFinder:
    """Wraps a module finder and keeps the sources that it finds."""

    def __init__(self, finder: FindModule, sources: list[bytes]) -> None:
        self.path = finder.path
        self.search = finder.search
        self._finder = finder
        self._sources = sources

    def __call__(self, name: str, path: bytes, built_in: bool) -> Outcome:
        outcome = self._finder(name, path, built_in)
        if outcome[0] == b"source":
            self._sources.append(outcome[1])
        return outcome


class ActivityNames:
    """The names of the activities that workflows in an environment may call."""

    def __init__(self, registered: Collection[str], *, is_open: bool, sources: Iterable[bytes] = ()) -> None:
        """Create the names.

        Args:
            registered: Names of the activities that the script registers.
            is_open: True if the script has a dynamic activity, so that every name is valid.
            sources: Sources of the script; activities of other workers appear in them as string literals.
        """
        self._registered = registered
        self._is_open = is_open
        self._sources = list(sources)

    def _is_known(self, name: str) -> bool:
        quoted = [quote + name.encode() + quote for quote in (b'"', b"'")]
        return (
            self._is_open
            or name in self._registered
            or any(text in source for text in quoted for source in self._sources)
        )

    def check_called(self, name: str, called: Collection[str], mocks: Collection[str]) -> None:
        """Raise BuiltinError if a name is neither called, replaced nor known."""
        if not (name in called or name in mocks or self._is_known(name)):
            known = {*self._registered, *mocks, *called}
            raise BuiltinError(f"no activity '{name}'" + (suggest(name, known) if known else ""))

    def unused(self, mocks: Iterable[str], called: Collection[str]) -> list[str]:
        """Return a message for each replacement whose name is unknown and was never called."""
        return [
            f"the environment replaces activity '{name}', which is not registered and was never called"
            + (suggest(name, self._registered) if self._registered else "")
            for name in sorted(mocks)
            if name not in called and not self._is_known(name)
        ]
