"""Child processes that run Python and end with this process."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from assay.temporal.dev_server import end_with_parent


async def start(*arguments: str, **options: Any) -> asyncio.subprocess.Process:
    """Start Python with `arguments`. `options` are passed to asyncio's `create_subprocess_exec`."""
    command = [sys.executable, "-P", *arguments]  # imports nothing from the working directory
    if sys.platform == "linux":
        command = [sys.executable, "-IS", end_with_parent.__file__, str(os.getpid()), *command]
    # In a new session: only this process receives Ctrl-C, and forwards it once.
    return await asyncio.create_subprocess_exec(*command, start_new_session=True, **options)
