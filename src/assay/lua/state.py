"""A Lua state: the only file that uses lupa.

Only plain values (`None`, bool, int, float, bytes) cross the boundary: Python never holds a Lua table, and Lua holds no
Python objects except the callbacks below, which scripts cannot reach and which never raise.
"""

from __future__ import annotations

import os.path
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Protocol

from lupa.lua55 import LuaMemoryError, LuaRuntime, LuaSyntaxError

Outcome = tuple[Any, ...]
"""A tag and plain values; `host/bind.lua` lists the tags."""

PARTS = ("constants", "tasks", "bind")
"""Parts of the private Lua side that every state loads at once."""
LAZY_PARTS = {
    "arguments": ("convert_argument",),
    "beginning": ("beginning",),
    "calls": ("run", "start"),
    "coroutines": (
        *("coroutine.close", "coroutine.create", "coroutine.isyieldable", "coroutine.resume"),
        *("coroutine.running", "coroutine.status", "coroutine.wrap", "coroutine.yield"),
    ),
    "decode": ("MALFORMED", "decode", "decode_value", "read_value"),
    "encode": ("encode", "encode_value", "float_text", "known_shape", "quoted", "sequence_length", "write_value"),
    "endings": ("drop", "ended", "forget", "outcome", "results", "where"),
    "raw_calls": ("call_raw", "position"),
    "errors": ("describe", "is_error", "make_error", "message_of", "origin_of"),
    "lazy": ("fill_all", "lazy_call", "lazy_index", "lazy_len", "lazy_newindex", "lazy_pairs", "load_lazy"),
    "json_errors": ("fail_decode", "fail_encode", "fail_keys", "fail_string", "fail_unexpected", "fail_utf8"),
    "libraries": ("entry", "extend_class", "fill", "library", "load_library", "set_global"),
    "modules": ("_G.require", "find_function", "load_chunk", "package.searchpath", "set_arguments", "set_module_path"),
    "object_readers": ("add_object_reader", "new_object_readers", "read_run"),
    "object_writers": ("add_object_writer", "new_object_writers", "write_run"),
    "outcomes": ("CANNOT_WAIT", "finish_other", "guard", "raise"),
    "printing": ("_G.print",),
    "restore": ("builtin", "restore", "set_metatables", "stub", "unpack_scalar"),
    "sandbox": ("add_globals",),
    "snapshot": ("own", "pack_scalar", "snapshot", "stub_reason", "visible_metatable"),
    "placeholders": ("LAZY", "lazy", "replace"),
    "wire": (
        *("CONTROLS", "MAX_DEPTH", "SPECIALS", "contains", "is_text", "present"),
        *("resume_collecting", "stop_collecting"),
    ),
}
"""Parts that are loaded on first use, with the names that they define for other parts.

A dotted name replaces the function of this name in a standard library (or in the globals, `_G`).
"""
LOW_MEMORY = 1 << 20
"""Headroom in bytes below which garbage is collected before the memory limit counts as reached."""

_bytecode: dict[str, bytes] = {}
"""Compiled parts. Entries are never removed: states execute the bytes in place."""

_HOST = os.path.join(os.path.dirname(__file__), "host")


class Callbacks(Protocol):
    """Callbacks of the private Lua side. None may raise, and only `load_part` may use the state."""

    def call(self, index: int, *arguments: Any) -> Outcome:
        """Run a builtin."""

    def ask(self, name: bytes, *arguments: Any) -> Any:
        """Call one of the other functions that Lua may use, by name."""

    def interrupted(self, error: BaseException) -> int:
        """Handle an external exception during a callback; returns an operation that never completes."""


def _refuse(_object: object, name: object, _setting: bool) -> None:
    raise AttributeError(f"no attribute {name!r}")


@cache
def read_part(name: str) -> bytes:
    """Return the source of a part: a name in `host/`, or the path of a file without `.lua`."""
    with open(os.path.join(_HOST, name + ".lua"), "rb") as file:
        return file.read()


@cache
def _compiler() -> Callable[[bytes], bytes]:
    return LuaRuntime(encoding=None).eval("function(text) return string.dump(load(text, '', 't'), true) end")  # type: ignore[no-any-return]


def _compiled(part: str) -> bytes:
    code = _bytecode.get(part)
    if code is None:
        # setdefault: if two threads race, both must use the same bytes, which states execute in place ("B").
        code = _bytecode.setdefault(part, _compiler()(read_part(part)))
    return code


class LazyParts:
    """Parts that are loaded on first use, in the form of `LAZY_PARTS`."""

    def __init__(self, parts: Mapping[str, Collection[str]]) -> None:
        self.part_of = MappingProxyType({name.encode(): part for part, names in parts.items() for name in names})
        """Name → the part that defines it."""
        replaced: defaultdict[bytes, list[bytes]] = defaultdict(list)
        for name in sorted(self.part_of):
            library, dot, function = name.partition(b".")
            if dot:
                replaced[library].append(function)
        self._replaced = MappingProxyType({library: tuple(names) for library, names in replaced.items()})

    def replaced(self, library: bytes) -> tuple[bytes, ...]:
        """Return the functions of a standard library that parts replace."""
        return self._replaced.get(library, ())

    def names(self, *parts: str) -> tuple[bytes, ...]:
        """Return the names that some of the parts define."""
        assert set(parts) <= set(self.part_of.values())
        return tuple(name for name, part in self.part_of.items() if part in parts)


LAZY = LazyParts(LAZY_PARTS)


class State:
    """A Lua state. `begin` loads its private side.

    `lazy` are the parts to load on first use. `memory_limit` is in bytes (None: no limit); `hash_seed` fixes the order
    of `pairs` for string keys. `has_line_hook` must be set if a part sets a line hook.
    """

    __slots__ = ("_functions", "_host", "_in_place", "_runtime", "_step", "lazy")

    def __init__(
        self,
        lazy: LazyParts = LAZY,
        memory_limit: int | None = None,
        hash_seed: int | None = None,
        *,
        has_line_hook: bool = False,
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

        self.lazy = lazy
        # A line hook reads the line table of every function. Code that runs in place has none, and Lua would read
        # beyond its end.
        self._in_place = memory_limit is not None and not has_line_hook

    def begin(self, callbacks: Callbacks, parts: tuple[str, ...] = PARTS) -> None:
        """Load the private side."""
        init, functions = self._load("init"), (callbacks.call, callbacks.ask, callbacks.interrupted)
        self._host = init(*functions, *map(self._load, parts))
        self._step: Callable[..., Any] = self._host[b"step"]
        self._functions: dict[bytes, Callable[..., Any]] = {}

    def _load(self, part: str) -> Any:
        if self._in_place:  # a workflow's state: parts are compiled once per process
            return self._runtime.compile(_compiled(part), mode="B")
        return self._runtime.compile(read_part(part), name="=[assay]", mode="t")

    def load_part(self, name: bytes) -> Any:
        """Return the chunk of the part that defines `name`; None if there is none, or the message if Lua has no room.

        Called by the private side while Lua code is running.
        """
        part = self.lazy.part_of.get(name)
        try:
            return None if part is None else self._load(part)
        except LuaMemoryError:
            return b"not enough memory"
        except LuaSyntaxError:  # the parts are correct, but the parser needs the C stack
            return b"C stack overflow"

    def close(self) -> None:
        """Free the state, which breaks its reference cycles. It must not be used afterwards."""
        self._functions.clear()
        del self._runtime, self._host, self._step

    def step(self, task: int, *outcome: Any) -> Any:
        """Run a task until it waits or ends; returns an event. Raises MemoryError when the state's limit is reached."""
        try:
            return self._step(task, *outcome)
        except LuaMemoryError:
            raise MemoryError from None

    def headroom(self) -> float:
        """Return the bytes left of the memory limit, after a garbage collection if they are few.

        Pushing a value beyond the limit would abort the process, so callers must check first.
        """
        limit = self._runtime.get_max_memory()
        if not limit:
            return float("inf")
        if limit - self._used() < LOW_MEMORY:
            self._runtime.gccollect()
        return float(limit - self._used())

    def _used(self) -> int:
        used: int = self._runtime.get_memory_used()
        return used if used < 1 << 62 else 0  # lupa's count can fall below zero and wrap

    def add_part(self, part: str) -> None:
        """Load an additional part of the private side."""
        self.invoke(b"add_part", self._load(part))

    def invoke_once(self, name: bytes, *arguments: Any) -> Any:
        """Call a function of the private side without caching it. Raises MemoryError as `invoke` does."""
        try:
            return self._host[name](*arguments)
        except LuaMemoryError:
            raise MemoryError from None

    def invoke(self, name: bytes, *arguments: Any) -> Any:
        """Call a function of the private side by name. Raises MemoryError when the state's limit is reached."""
        try:
            function = self._functions.get(name)
            if function is None:
                function = self._functions[name] = self._host[name]  # may load a part
            return function(*arguments)
        except LuaMemoryError:
            raise MemoryError from None
