"""The names of activities in a test: each has to be one that the workflows under test can call."""

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
    """A script that remembers its source, and that of the modules which it requires."""

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
        self.callbacks.finder = _RememberingFinder(self.callbacks.finder, self.sources)

    def load(self, source: bytes, name: str) -> LuaFunction:
        """Remember the source."""
        self.sources.append(source)
        return super().load(source, name)


class _RememberingFinder:
    """Finds modules as another finder does, and remembers their sources."""

    def __init__(self, finder: FindModule, sources: list[bytes]) -> None:
        self.path = finder.path
        self.search = finder.search
        self._finder = finder
        self._sources = sources

    def __call__(self, name: str, path: bytes, built_in: bool) -> Outcome:
        found = self._finder(name, path, built_in)
        if found[0] == b"source":
            self._sources.append(found[1])
        return found


class ActivityNames:
    """The activities of an environment."""

    def __init__(self, registered: Collection[str], *, is_open: bool, sources: Iterable[bytes] = ()) -> None:
        """Take what is known.

        Args:
            registered: The activities of the script.
            is_open: The script has an activity for every name.
            sources: The text of the script, in which the names of activities of other workers stand.
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
        """Raise BuiltinError for a name that nothing here has."""
        if not (name in called or name in mocks or self._is_known(name)):
            known = {*self._registered, *mocks, *called}
            raise BuiltinError(f"no activity '{name}' here" + (suggest(name, known) if known else ""))

    def unused(self, mocks: Iterable[str], called: Collection[str]) -> list[str]:
        """Return a sentence for each replacement of an activity that is not there and that nothing has called."""
        return [
            f"the environment replaces activity '{name}', which the script does not have and nothing has called"
            + (suggest(name, self._registered) if self._registered else "")
            for name in sorted(mocks)
            if name not in called and not self._is_known(name)
        ]
