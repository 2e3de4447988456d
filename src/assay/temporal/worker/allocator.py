"""Allocator settings that return the memory of closed Lua states to the operating system."""

from __future__ import annotations

import functools

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_THRESHOLD = 1 << 20


@functools.cache
def release_freed_memory() -> None:
    """Fix glibc's thresholds at 1 MiB, once per process; a no-op with other C libraries.

    By default the thresholds grow with the largest freed block: after a few runs that reached their memory limit,
    every thread of the worker would retain up to 64 MiB.
    """
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _THRESHOLD)
        mallopt(_M_TRIM_THRESHOLD, _THRESHOLD)
