"""Size of the Python objects of a run, which counts toward the memory limit like its Lua state."""

from __future__ import annotations

import gc
import sys
from collections import deque
from collections.abc import Callable, Iterable
from types import CellType, CoroutineType, FunctionType, MethodType
from typing import Any

from google.protobuf.message import Message

MEASURE_INTERVAL = 1 << 20
"""Minimum growth between two measurements, in bytes."""

PER_CALL = 256
"""Assumed growth per call in addition to its arguments, in bytes."""

_CONTAINERS = (list, tuple, set, frozenset, deque, CellType, CoroutineType, MethodType)
_OWN = ("assay.temporal.workflow.", "assay.lua.")


class PythonMemory:
    """Approximate size of the Python objects of a run.

    Tracking each object would slow down every call of a script, so all objects are measured now and then, once enough
    may have been added. The limit can therefore be exceeded by `MEASURE_INTERVAL`, or by a quarter of the size.
    """

    __slots__ = ("_added", "_measured", "_roots", "_shared")

    def __init__(self, roots: Callable[[], Iterable[object]], shared: tuple[type, ...]) -> None:
        """`roots` returns the objects of the run. Objects of the types `shared` are skipped."""
        self._roots = roots
        self._shared = shared
        self._measured = 0
        self._added = 0

    def add(self, size: int) -> None:
        """Note that up to `size` bytes may have been added."""
        self._added += size

    def size(self) -> int:
        """Return the size in bytes; measure it again if enough may have been added since the last measurement."""
        if self._added > max(MEASURE_INTERVAL, self._measured // 4):
            self._measured = measure(self._roots(), self._shared)
            self._added = 0
        return self._measured


def measure(roots: Iterable[object], shared: tuple[type, ...]) -> int:
    """Return the size of objects and everything that they reference in bytes, except objects of the types `shared`."""
    seen: set[int] = set()
    stack: list[Any] = list(roots)
    total = 0
    while stack:
        item = stack.pop()
        if id(item) in seen or isinstance(item, shared):
            continue
        seen.add(id(item))
        total += sys.getsizeof(item)
        if isinstance(item, Message):
            total += item.ByteSize()
        elif isinstance(item, FunctionType):
            stack.extend(item.__closure__ or ())
        elif isinstance(item, dict):  # gc.get_referents may omit string keys
            stack.extend(item.keys())
            stack.extend(item.values())
        elif isinstance(item, _CONTAINERS) or type(item).__module__.startswith(_OWN):
            stack.extend(gc.get_referents(item))
    return total
