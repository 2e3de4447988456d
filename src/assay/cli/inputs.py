"""Values on the command line, as JSON or Lua."""

from __future__ import annotations

import json
import sys
from typing import Any

from assay.errors import AssayError, LuaError

_STDIN = "-"


async def read(texts: tuple[str, ...]) -> list[Any]:
    """Return the values of arguments; "-" reads standard input. Raises AssayError."""
    return [await _value(sys.stdin.read() if text == _STDIN else text) for text in texts]


async def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return await _lua(text)


async def _lua(text: str) -> Any:
    """Evaluate a Lua expression in a separate state."""
    from assay.libraries import LIBRARIES
    from assay.lua.host import Host
    from assay.lua.loader import Finder

    host = Host(LIBRARIES, Finder("."), lambda _text: None)
    try:
        value = await host.run(host.load(f"return {text}".encode(), "=input"), ())
    except LuaError:
        value = None
    finally:
        await host.close()
    if value is None and text.strip() != "nil":
        raise AssayError(f"the input {text} is neither JSON nor Lua; a string needs quotes: '\"{text}\"'")
    return value
