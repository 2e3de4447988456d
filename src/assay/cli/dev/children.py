"""Child processes of `assay dev`: each runs Python, and ends when this process does."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Collection
from typing import Any

from assay.temporal import end_with_parent


async def start(*arguments: str, **options: Any) -> asyncio.subprocess.Process:
    """Start this Python with some arguments. `options` are those of asyncio's `create_subprocess_exec`.

    SIGINT is blocked until the child lets it through: while it starts, Python would end with a traceback of its own.
    """
    command = [sys.executable, *arguments]
    if sys.platform == "linux":
        command = [sys.executable, "-IS", end_with_parent.__file__, str(os.getpid()), *command]
    before: Collection[int] = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        # A session of its own: Ctrl-C comes here first, and is passed on once.
        return await asyncio.create_subprocess_exec(*command, start_new_session=True, **options)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
