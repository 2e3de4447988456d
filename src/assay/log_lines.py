"""Log lines on stderr, of scripts and of assay itself, as text or JSON."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from assay.events import Event

LEVELS = {"debug": 10, "info": 20, "warn": 30, "error": 40}
process_number: int | None = None
"""Number of this process if several run the script, for JSON lines."""
subject: Callable[[], dict[str, Any]] | None = None
"""Returns the activity that runs now as fields, for the JSON lines of a script; set by workers."""

_COLORS = {"debug": "2", "info": "32", "warn": "33", "error": "31"}
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), 127)} | {9: "\t", 10: "\\n", 13: "\\r"}


def emit(level: str, message: str, fields: dict[str, Any] | None = None, event: Event | None = None) -> None:
    """Write one log line.

    Args:
        level: A key of `LEVELS`.
        message: The message.
        fields: Plain values by name.
        event: The event; None if a script logs the line. A warning or an error in text ends with its code.
    """
    if not is_wanted(level) or sys.stderr is None:  # None: the parent process closed stderr
        return
    seconds = time.time()
    now = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{int(seconds * 1000) % 1000:03d}Z"
    if is_json():
        kind = {} if event is None else {"event": event.name, "code": event.code}
        process = {} if process_number is None else {"process": process_number}
        if event is None and subject is not None:
            fields = {**subject(), **(fields or {})}
        record = {"time": now, "level": level, **kind, **process, "message": message}
        line = _json(record | ({"fields": fields} if fields else {}))
    else:
        if event is not None and level in ("warn", "error"):
            message += f" [{event.code}]"
        line = _text(now, level, message, fields or {})
    _write(line)


def notice(event: Event, message: str, text: str, fields: dict[str, Any] | None = None) -> None:
    """Write one log line about an event of assay itself.

    Args:
        event: The event.
        message: The message of a JSON line.
        text: The whole line in text format.
        fields: Fields of a JSON line.
    """
    if is_json():
        emit(event.severity, message, fields, event)
    elif is_wanted(event.severity):
        _write(text)


def is_json() -> bool:
    """Return true if lines are JSON."""
    return os.environ.get("ASSAY_LOG") == "json"


def is_wanted(level: str) -> bool:
    """Return true if the configured level lets lines of `level` through."""
    return LEVELS[level] >= LEVELS.get(os.environ.get("ASSAY_LOG_LEVEL", "info").lower(), LEVELS["info"])


def _write(line: str) -> None:
    """Write a line to stderr. Errors are ignored: a full disk or a closed pipe must not end the script."""
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(line + "\n")
            sys.stderr.flush()


def _text(now: str, level: str, message: str, fields: dict[str, Any]) -> str:
    name, color = f"{level.upper():5}", "\x1b[{}m{}\x1b[0m"
    shown = message.translate(_ESCAPES)
    pairs = [f"{key.translate(_ESCAPES)}={_value(value)}" for key, value in sorted(fields.items())]
    if sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        now, name = color.format("2", now), color.format(_COLORS[level], name)
        pairs = [color.format("2", pair) for pair in pairs]
    return " ".join([now, name, shown, *pairs])


def _value(value: Any) -> str:
    if isinstance(value, str) and value and " " not in value and value.isprintable():
        return value
    return _json(value)


def _json(value: Any) -> str:
    import orjson

    return orjson.dumps(value, lambda raw: raw.decode("utf-8", "replace")).decode()
