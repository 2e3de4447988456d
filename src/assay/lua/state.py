"""A Lua state: the only file that knows lupa.

Across the boundary go plain values only (`None`, bool, int, float, bytes): no Lua table is ever held in Python, no
Python object in Lua but the few callbacks below, which Lua code of scripts cannot reach and which never raise.
"""

from __future__ import annotations

import os.path
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Protocol

from lupa.lua55 import LuaMemoryError, LuaRuntime

Outcome = tuple[Any, ...]
"""A tag and what follows it; `host/bind.lua` lists them."""

PARTS = ("constants", "tasks", "bind")
"""The parts of the private side that every state needs."""
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
    "faults": ("careful", "position"),
    "errors": ("describe", "is_error", "make_error", "message_of", "origin_of"),
    "lazy": ("fill_all", "lazy_call", "lazy_index", "lazy_len", "lazy_newindex", "lazy_pairs", "load_lazy"),
    "libraries": ("entry", "extend_class", "fill", "library", "load_library", "set_global"),
    "modules": ("_G.require", "find_function", "load_chunk", "package.searchpath", "set_arguments", "set_module_path"),
    "outcomes": ("CANNOT_WAIT", "finish_other", "guard", "raise"),
    "printing": ("_G.print",),
    "read_alike": ("learn", "new_alike", "read_run"),
    "restore": ("builtin", "restore", "set_metatables", "stub"),
    "sandbox": ("add_globals",),
    "snapshot": ("own", "snapshot"),
    "placeholders": ("LAZY", "lazy", "replace"),
    "wire": (
        *("CONTROLS", "MAX_DEPTH", "SPECIALS", "contains", "is_text", "present"),
        *("go_on_collecting", "stop_collecting"),
    ),
    "write_alike": ("alike_writers", "learn_to_write", "write_run"),
}
"""What is loaded when it is first needed: each part, and the functions that others use of it.

One with a dot stands in the place of the function of Lua's own library (or of the globals, `_G`) that has this name.
"""
LOW_MEMORY = 1 << 20
"""Bytes of a memory limit below which a state is collected before it is given up."""

_bytecode: dict[str, bytes] = {}
"""The compiled parts. All states run them in place: what is in here stays."""

_HOST = os.path.join(os.path.dirname(__file__), "host")


class Callbacks(Protocol):
    """What Lua's private side calls in Python. None of it may raise, or touch the state but for `load_part`."""

    def call(self, index: int, *arguments: Any) -> Outcome:
        """Run a builtin."""

    def ask(self, name: bytes, *arguments: Any) -> Any:
        """Call one of the few other functions that Lua may use."""

    def interrupted(self, error: BaseException) -> int:
        """Keep an exception that came from outside while one of these ran; returns an operation that never ends."""


def _refuse(_object: object, name: object, _setting: bool) -> None:
    raise AttributeError(f"no attribute {name!r}")


@cache
def read_part(name: str) -> bytes:
    """The source of a part of the private Lua side: a name in `host/`, or the path of a file without `.lua`."""
    with open(os.path.join(_HOST, name + ".lua"), "rb") as file:
        return file.read()


@cache
def _compiler() -> Callable[[bytes], bytes]:
    return LuaRuntime(encoding=None).eval("function(text) return string.dump(load(text, '', 't'), true) end")  # type: ignore[no-any-return]


def _compiled(part: str) -> bytes:
    code = _bytecode.get(part)
    if code is None:
        # Only the first of two threads counts: Lua uses the bytes in place ("B"), so they must never go away.
        code = _bytecode.setdefault(part, _compiler()(read_part(part)))
    return code


class LazyParts:
    """Parts that are loaded when they are first needed, as `LAZY_PARTS` has them."""

    def __init__(self, parts: Mapping[str, Collection[str]]) -> None:
        self.part_of = MappingProxyType({name.encode(): part for part, names in parts.items() for name in names})
        """The part that each function is in."""
        replaced: defaultdict[bytes, list[bytes]] = defaultdict(list)
        for name in sorted(self.part_of):
            library, dot, function = name.partition(b".")
            if dot:
                replaced[library].append(function)
        self._replaced = MappingProxyType({library: tuple(names) for library, names in replaced.items()})

    def replaced(self, library: bytes) -> tuple[bytes, ...]:
        """The names of functions that stand in the place of Lua's own, by their library."""
        return self._replaced.get(library, ())


LAZY = LazyParts(LAZY_PARTS)


class State:
    """One Lua state. Its private side is there once it has begun.

    `lazy` are the parts that are loaded when they are first needed. `memory_limit` is in bytes (None: no limit);
    `hash_seed` fixes the order of `pairs` for string keys. A state whose parts set a hook for lines has to say so.
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
        # A line hook reads the line table of every function. What runs in place has none: Lua would read on behind it.
        self._in_place = memory_limit is not None and not has_line_hook

    def begin(self, callbacks: Callbacks, parts: tuple[str, ...] = PARTS) -> None:
        """Load the private side; parts may ask for others from now on."""
        init, functions = self._load("init"), (callbacks.call, callbacks.ask, callbacks.interrupted)
        self._host = init(*functions, *map(self._load, parts))
        self._step: Callable[..., Any] = self._host[b"step"]
        self._functions: dict[bytes, Callable[..., Any]] = {}

    def _load(self, part: str) -> Any:
        if self._in_place:  # one of many: its parts are compiled once in the process
            return self._runtime.compile(_compiled(part), mode="B")
        return self._runtime.compile(read_part(part), name="=[assay]", mode="t")

    def load_part(self, name: bytes) -> Any:
        """The chunk of the part that has the function `name`; None when there is none, False when it finds no room.

        The private side asks for it while it runs, and nothing else may happen in the state then.
        """
        part = self.lazy.part_of.get(name)
        try:
            return None if part is None else self._load(part)
        except LuaMemoryError:
            return False

    def close(self) -> None:
        """Free the state; nothing may use it from now on. It is part of a reference cycle until then."""
        self._functions.clear()
        del self._runtime, self._host, self._step

    def step(self, task: int, *outcome: Any) -> Any:
        """Run a task until it waits or ends; returns an event. Raises MemoryError when the state's limit is reached."""
        try:
            return self._step(task, *outcome)
        except LuaMemoryError:
            raise MemoryError from None

    def headroom(self) -> float:
        """The bytes left of the memory limit, after a garbage collection when they are few.

        A value pushed over the limit would abort the process: whoever pushes has to look first.
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
        """Load one more part of the private side, of a tool that not every script needs."""
        self.invoke(b"add_part", self._load(part))

    def invoke_once(self, name: bytes, *arguments: Any) -> Any:
        """Call a function of the private side that is not needed again."""
        try:
            return self._host[name](*arguments)
        except LuaMemoryError:
            raise MemoryError from None

    def invoke(self, name: bytes, *arguments: Any) -> Any:
        """Call a function of the private side by name. Raises MemoryError when the state's limit is reached."""
        try:
            function = self._functions.get(name)
            if function is None:
                function = self._functions[name] = self._host[name]  # its part may have to be loaded
            return function(*arguments)
        except LuaMemoryError:
            raise MemoryError from None
