"""Inspection of a script's Lua state: its globals, modules and functions."""

from __future__ import annotations

import os.path
from dataclasses import dataclass
from typing import Any

from assay.checking.body import Kind
from assay.lua import values
from assay.lua.host import Host

_INSPECT = os.path.join(os.path.dirname(__file__), "inspect")


@dataclass(frozen=True)
class Described:
    """A function of the Lua state.

    Attributes:
        source: Lua's source name, such as "@script.lua".
        first: First line.
        last: Last line.
        parameters: Names of the parameters.
        captured: Meaning of each upvalue, by name.
    """

    source: str
    first: int
    last: int
    parameters: list[str]
    captured: dict[str, Kind]


class StateGlobals:
    """The globals of a host, and those that its sources assign later."""

    def __init__(self, host: Host) -> None:
        host.state.add_part(_INSPECT)
        host.snapshot(host.load(b"", "=(check)"), "")  # assigns names to Lua's own functions
        self._state = host.state
        self.assigned: set[str] = set()

    def kind(self, name: str) -> Kind:
        """Return the meaning of a global."""
        kind = _kind(values.decode(self._state.invoke(b"inspect_global", name.encode()), ()))
        return ("plain", None) if kind[0] == "absent" and name in self.assigned else kind

    def names(self) -> set[str]:
        """Return the names of all globals."""
        names: bytes = self._state.invoke(b"inspect_globals")
        return {*names.decode("utf-8", "replace").split(), *self.assigned}

    def members(self, library: str) -> list[str]:
        """Return the names in a library, including those that the sources add."""
        names: bytes = self._state.invoke(b"inspect_library", library.encode())
        added = [name.partition(".")[2] for name in self.assigned if name.startswith(f"{library}.")]
        return [*names.decode().split(), *added] if names else []

    def has_module(self, name: str) -> bool:
        """Return true if a module is loaded."""
        is_loaded: bool = self._state.invoke(b"has_module", name.encode())
        return is_loaded

    def function(self, identity: int) -> Described:
        """Describe a function by id."""
        source, first, last, parameters, captured = values.decode(self._state.invoke(b"inspect", identity), ())
        return Described(source, first, last, parameters.split(), _kinds(captured))


def _kind(described: list[Any]) -> Kind:
    kind, value = (*described, None)[:2]
    return (kind, _kinds(value)) if kind == "table" else (kind, value)


def _kinds(described: Any) -> dict[str, Kind]:
    return {name: _kind(item) for name, item in described.items()} if isinstance(described, dict) else {}
