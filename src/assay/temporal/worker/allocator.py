"""Makes the C library's allocator give back what a closed Lua state frees."""

from __future__ import annotations

import functools

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_THRESHOLD = 1 << 20


@functools.cache
def give_freed_memory_back() -> None:
    """Fix glibc's thresholds at 1 MiB, once in the process; elsewhere do nothing.

    Left alone they grow with the largest block that was freed: after a few runs that reached their memory limit,
    every thread of the worker would keep up to 64 MiB forever.
    """
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _THRESHOLD)
        mallopt(_M_TRIM_THRESHOLD, _THRESHOLD)
