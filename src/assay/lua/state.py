"""A Lua state: the only file that knows lupa.

Across the boundary go plain values only (`None`, bool, int, float, bytes): no Lua table is ever held in Python, no
Python object in Lua but the few callbacks below, which Lua code of scripts cannot reach and which never raise.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Protocol

from lupa.lua55 import LuaMemoryError, LuaRuntime

Outcome = tuple[Any, ...]
"""A tag and what follows it; `host/bind.lua` lists them."""

PARTS = ("wire", "encode", "decode", "errors", "tasks", "bind", "sandbox")
LATE_PARTS = ("modules", "snapshot", "restore", "read_alike", "write_alike")
"""What is loaded when it is first needed."""
LOW_MEMORY = 1 << 20
"""Bytes of a memory limit below which a state is collected before it is given up."""

_bytecode: dict[str, bytes] = {}
"""The compiled parts. All states run them in place: what is in here stays."""

_HOST = os.path.join(os.path.dirname(__file__), "host")


class Callbacks(Protocol):
    """What Lua's private side calls in Python. None of them may raise or touch the state."""

    def call(self, index: int, *arguments: Any) -> Outcome: ...
    def cancel(self, operation: int) -> None: ...
    def let_go(self, identity: int) -> None: ...
    def load_library(self, name: bytes) -> Outcome: ...
    def find_module(self, name: bytes) -> Outcome: ...
    def write(self, text: bytes) -> int | None: ...
    def read_part(self, name: bytes) -> bytes: ...


def _refuse(_object: object, name: object, _setting: bool) -> None:
    raise AttributeError(f"no attribute {name!r}")


@cache
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
        late_parts: tuple[str, ...] = LATE_PARTS,
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
                callbacks.let_go,
                callbacks.load_library,
                callbacks.find_module,
                callbacks.write,
                callbacks.read_part,
            )

        # A state with a memory limit is one of many: its parts are compiled once in the process.
        load = self._load_source if memory_limit is None else self._load_compiled
        read_late = read_part if memory_limit is None else self._compile
        self.late_parts = {os.path.basename(part).encode(): read_late(part) for part in late_parts}
        """The code of each part that is loaded when it is first needed."""
        sources: Iterator[Any] = iter([load(part) for part in parts])
        host = load("init")(hooks, lambda: next(sources, None))
        self._host = host
        self._step: Callable[..., Any] = host[b"step"]
        self._functions: dict[bytes, Callable[..., Any]] = {}

    def _load_source(self, part: str) -> Any:
        return self._runtime.compile(read_part(part), name="=[assay]", mode="t")

    def _compile(self, part: str) -> bytes:
        code = _bytecode.get(part)
        if code is None:
            compile_part = self._runtime.eval("function(text) return string.dump(load(text, '', 't'), true) end")
            # Only the first of two threads counts: Lua uses the bytes in place ("B"), so they must never go away.
            code = _bytecode.setdefault(part, compile_part(read_part(part)))
        return code

    def _load_compiled(self, part: str) -> Any:
        return self._runtime.compile(self._compile(part), mode="B")

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
        self.invoke(b"add_part", read_part(part))

    def invoke(self, name: bytes, *arguments: Any) -> Any:
        """Call a function of the private side by name. Raises MemoryError when the state's limit is reached."""
        function = self._functions.get(name)
        if function is None:
            function = self._functions[name] = self._host[name]
        try:
            return function(*arguments)
        except LuaMemoryError:
            raise MemoryError from None
