"""A lock that one process holds while its server takes the default ports.

Without it, two servers that start at the same time can choose the same port: one of them fails, but its process
mistakes the responses of the other server for its own server's.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def default_ports_lock() -> Iterator[None]:
    """Hold the user's lock; wait for it if another process starts a server."""
    path = os.path.join(tempfile.gettempdir(), f"assay-dev-server-{os.getuid()}.lock")
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
