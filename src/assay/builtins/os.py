"""`os`: host information and process exit, in addition to Lua's `os.time`, `date`, `clock` and `difftime`."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from assay.lua.declare import Library
from assay.permissions.needs import ENV, NOTHING

library = Library(
    "os",
    "Host information and process exit. Lua's own `os.time`, `os.date`, `os.clock` and `os.difftime` are kept.",
    needs=NOTHING,
)

_ARCHITECTURES = {"arm64": "aarch64", "amd64": "x86_64"}
_PLATFORMS = {"darwin": "macos", "win32": "windows"}


@library.function()
def hostname() -> str:
    """Return the host name."""
    return os.uname().nodename


@library.function()
def arch() -> str:
    """Return the CPU architecture, such as `x86_64` or `aarch64`."""
    machine = os.uname().machine.lower()
    return _ARCHITECTURES.get(machine, machine)


@library.function()
def platform() -> str:
    """Return the operating system, such as `linux` or `macos`."""
    return _PLATFORMS.get(sys.platform, sys.platform)


@library.function(needs=ENV)
def getenv(key: bytes) -> bytes | None:
    """Return the value of an environment variable, or nil if it is not set: an alias of `env.get`.

    Args:
        key: The name of the variable.
    """
    return os.environb.get(key)


@library.function()
def exit(code: bool | int = 0) -> NoReturn:
    """End the script immediately, even within `pcall` or a spawned task.

    Args:
        code: The exit code; true is 0, false is 1.
    """
    raise SystemExit((0 if code else 1) if isinstance(code, bool) else code)
