"""Child processes of what watches a script: each runs Python, and ends when this process does."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from assay.temporal.dev_server import end_with_parent


async def start(*arguments: str, **options: Any) -> asyncio.subprocess.Process:
    """Start this Python with some arguments. `options` are those of asyncio's `create_subprocess_exec`."""
    command = [sys.executable, "-P", *arguments]  # what lies in the working directory is not a module
    if sys.platform == "linux":
        command = [sys.executable, "-IS", end_with_parent.__file__, str(os.getpid()), *command]
    # A session of its own: Ctrl-C comes here first, and is passed on once.
    return await asyncio.create_subprocess_exec(*command, start_new_session=True, **options)
