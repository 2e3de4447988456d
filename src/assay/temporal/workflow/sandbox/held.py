"""What Python holds for a run: it counts for the run's memory limit as what its Lua state holds does."""

from __future__ import annotations

import gc
import sys
from collections import deque
from collections.abc import Callable, Iterable
from types import CellType, CoroutineType, FunctionType, MethodType
from typing import Any

from google.protobuf.message import Message

STEP = 1 << 20
"""Bytes that may come before what is held is measured again."""

PER_CALL = 256
"""Bytes that a call may leave beside its arguments, as long as nothing is measured."""

_CONTAINERS = (list, tuple, set, frozenset, deque, CellType, CoroutineType, MethodType)
_OWN = ("assay.temporal.workflow.", "assay.lua.")


class Held:
    """The bytes that Python holds for one run, roughly.

    To follow each object would cost every call of a script; to look at all of them costs only now and then, when so
    much has come that it may matter. So the limit may be passed by `STEP`, or by a quarter of what is held.
    """

    __slots__ = ("_come", "_measured", "_roots", "_shared")

    def __init__(self, roots: Callable[[], Iterable[object]], shared: tuple[type, ...]) -> None:
        """`roots` returns what the run holds; objects of the types `shared`, and what they hold, are not the run's."""
        self._roots = roots
        self._shared = shared
        self._measured = 0
        self._come = 0

    def add(self, size: int) -> None:
        """Note that `size` bytes may be held from now on."""
        self._come += size

    def size(self) -> int:
        """Return the bytes as they were measured last, which is now if enough has come since."""
        if self._come > max(STEP, self._measured // 4):
            self._measured = weigh(self._roots(), self._shared)
            self._come = 0
        return self._measured


def weigh(roots: Iterable[object], shared: tuple[type, ...]) -> int:
    """Return the bytes of objects and of what they hold, but for objects of the types `shared`."""
    seen: set[int] = set()
    left: list[Any] = list(roots)
    total = 0
    while left:
        item = left.pop()
        if id(item) in seen or isinstance(item, shared):
            continue
        seen.add(id(item))
        total += sys.getsizeof(item)
        if isinstance(item, Message):
            total += item.ByteSize()
        elif isinstance(item, FunctionType):
            left.extend(item.__closure__ or ())
        elif isinstance(item, dict):  # the collector leaves out keys that are strings
            left.extend(item.keys())
            left.extend(item.values())
        elif isinstance(item, _CONTAINERS) or type(item).__module__.startswith(_OWN):
            left.extend(gc.get_referents(item))
    return total
