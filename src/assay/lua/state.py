"""A Lua state: the only file that knows lupa.

Across the boundary go plain values only (`None`, bool, int, float, bytes): no Lua table is ever held in Python, no
Python object in Lua but the few callbacks below, which Lua code of scripts cannot reach and which never raise.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from lupa.lua55 import LuaRuntime

Outcome = tuple[Any, ...]
"""A tag and what follows it; `host/bind.lua` lists them."""

PARTS = ("wire", "errors", "tasks", "bind", "sandbox", "modules", "snapshot")
_HOST = os.path.join(os.path.dirname(__file__), "host")


class Callbacks(Protocol):
    """What Lua's private side calls in Python. None of them may raise or touch the state."""

    def call(self, index: int, *arguments: Any) -> Outcome: ...
    def cancel(self, operation: int) -> None: ...
    def load_library(self, name: bytes) -> Outcome: ...
    def find_module(self, name: bytes) -> Outcome: ...
    def write(self, text: bytes) -> int | None: ...


def _refuse(_object: object, name: object, _setting: bool) -> None:
    raise AttributeError(f"no attribute {name!r}")


def read_part(name: str) -> bytes:
    """The source of a part of the private Lua side: a name in `host/`, or the path of a file without `.lua`."""
    with open(os.path.join(_HOST, name + ".lua"), "rb") as file:
        return file.read()


class State:
    """One Lua state with its private side loaded.

    `memory_limit` is in bytes (None: no limit); `hash_seed` fixes the order of `pairs` for string keys.
    """

    def __init__(
        self,
        callbacks: Callbacks,
        parts: tuple[str, ...] = PARTS,
        memory_limit: int | None = None,
        hash_seed: int | None = None,
    ) -> None:
        options: dict[str, Any] = {} if hash_seed is None else {"string_hash_seed": hash_seed}
        if memory_limit is not None:
            options["max_memory"] = memory_limit
        self._runtime = LuaRuntime(
            encoding=None,
            source_encoding="utf-8",
            unpack_returned_tuples=True,
            register_eval=False,
            register_builtins=False,
            attribute_filter=_refuse,
            **options,
        )

        def hooks() -> tuple[Callable[..., Any], ...]:
            return (
                callbacks.call,
                callbacks.cancel,
                callbacks.load_library,
                callbacks.find_module,
                callbacks.write,
            )

        sources: Iterator[bytes] = iter([read_part(part) for part in parts])
        host = self._runtime.execute(read_part("init"), hooks, lambda: next(sources, None), name="=[assay]", mode="t")
        self._host = host
        self.step: Callable[..., Any] = host[b"step"]
        """Run a task until it waits or ends: (task id, outcome…) → an event tuple."""
        self._functions: dict[bytes, Callable[..., Any]] = {}

    def invoke(self, name: bytes, *arguments: Any) -> Any:
        """Call a function of the private side by name."""
        function = self._functions.get(name)
        if function is None:
            function = self._functions[name] = self._host[name]
        return function(*arguments)
