"""Log lines on stderr: what scripts log, and what assay itself reports, as text or as JSON."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import Any

from assay.events import Event

LEVELS = {"debug": 10, "info": 20, "warn": 30, "error": 40}
process_number: int | None = None
"""The number of this process among several that run a script, for lines of JSON."""

_COLOURS = {"debug": "2", "info": "32", "warn": "33", "error": "31"}
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), 127)} | {9: "\t", 10: "\\n", 13: "\\r"}


def emit(level: str, message: str, fields: dict[str, Any] | None = None, event: Event | None = None) -> None:
    """Write one log line.

    Args:
        level: A key of `LEVELS`.
        message: The text.
        fields: Plain values by name.
        event: What kind of event it is, for a line of JSON; what a script logs is none.
    """
    if not is_wanted(level) or sys.stderr is None:  # closed by whoever started this process
        return
    seconds = time.time()
    now = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{int(seconds * 1000) % 1000:03d}Z"
    if is_json():
        kind = {} if event is None else {"event": event.name, "code": event.code}
        member = {} if process_number is None else {"process": process_number}
        fields_of_line = {"time": now, "level": level, **kind, **member, "message": message}
        line = _json(fields_of_line | ({"fields": fields} if fields else {}))
    else:
        line = _text(now, level, message, fields or {})
    _write(line)


def notice(event: Event, message: str, text: str, fields: dict[str, Any] | None = None) -> None:
    """Write one line of what assay itself reports.

    Args:
        event: What kind of event it is.
        message: The text as the message of a line of JSON.
        text: The whole line where lines are text.
        fields: What it concerns, for a line of JSON.
    """
    if is_json():
        emit(event.severity, message, fields, event)
    elif is_wanted(event.severity):
        _write(text)


def is_json() -> bool:
    """Return true if lines are JSON."""
    return os.environ.get("ASSAY_LOG") == "json"


def is_wanted(level: str) -> bool:
    """Return true if lines of a level are written."""
    return LEVELS[level] >= LEVELS.get(os.environ.get("ASSAY_LOG_LEVEL", "info").lower(), LEVELS["info"])


def _write(line: str) -> None:
    """Write a line. One that finds no room or no reader is lost: it must not end the script that it is about."""
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(line + "\n")
            sys.stderr.flush()


def _text(now: str, level: str, message: str, fields: dict[str, Any]) -> str:
    name, colour = f"{level.upper():5}", "\x1b[{}m{}\x1b[0m"
    shown = message.translate(_ESCAPES)
    pairs = [f"{key.translate(_ESCAPES)}={_value(value)}" for key, value in sorted(fields.items())]
    if sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        now, name = colour.format("2", now), colour.format(_COLOURS[level], name)
        pairs = [colour.format("2", pair) for pair in pairs]
    return " ".join([now, name, shown, *pairs])


def _value(value: Any) -> str:
    if isinstance(value, str) and value and " " not in value and value.isprintable():
        return value
    return _json(value)


def _json(value: Any) -> str:
    import orjson

    return orjson.dumps(value, lambda raw: raw.decode("utf-8", "replace")).decode()
