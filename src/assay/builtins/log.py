"""`log`: one line on stderr per message."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import Any

from assay.lua.declare import Library
from assay.lua.values import Value

library = Library(
    "log",
    """Log messages: one line each on stderr.

    The line is text, coloured on a terminal (unless `NO_COLOR` is set), or JSON with `ASSAY_LOG=json`.
    `ASSAY_LOG_LEVEL` (`debug`, `info`, `warn`, `error`; else `info`) is the lowest level that is written. Both hold for
    the warnings and errors of a worker too; in JSON these also have an `event` and a `code`, which never change.
    """,
)

LEVELS = {"debug": 10, "info": 20, "warn": 30, "error": 40}
_COLOURS = {"debug": "2", "info": "32", "warn": "33", "error": "31"}
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), 127)} | {9: "\t", 10: "\\n", 13: "\\r"}


@library.function(pure=True)
def debug(message: bytes, fields: dict[str, Value] | None = None) -> None:
    """Log what helps to find an error.

    Args:
        message: The text.
        fields: Named values that are shown behind it.
    """
    emit("debug", message.decode("utf-8", "replace"), fields)


@library.function(pure=True)
def info(message: bytes, fields: dict[str, Value] | None = None) -> None:
    """Log what happens.

    Args:
        message: The text.
        fields: Named values that are shown behind it.
    """
    emit("info", message.decode("utf-8", "replace"), fields)


@library.function(pure=True)
def warn(message: bytes, fields: dict[str, Value] | None = None) -> None:
    """Log what may be wrong.

    Args:
        message: The text.
        fields: Named values that are shown behind it.
    """
    emit("warn", message.decode("utf-8", "replace"), fields)


@library.function(pure=True)
def error(message: bytes, fields: dict[str, Value] | None = None) -> None:
    """Log what went wrong.

    Args:
        message: The text.
        fields: Named values that are shown behind it.
    """
    emit("error", message.decode("utf-8", "replace"), fields)


def emit(
    level: str, message: str, fields: dict[str, Any] | None = None, event: str | None = None, code: str | None = None
) -> None:
    """Write one log line.

    Args:
        level: A key of `LEVELS`.
        message: The text.
        fields: Plain values by name.
        event: The name of the kind of event, in a line of JSON; those of scripts have none.
        code: Its code, in a line of JSON.
    """
    if not is_wanted(level) or sys.stderr is None:  # closed by whoever started this process
        return
    seconds = time.time()
    now = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{int(seconds * 1000) % 1000:03d}Z"
    if is_json():
        kind = {} if event is None else {"event": event, "code": code}
        told = {"time": now, "level": level, **kind, "message": message}
        line = _json(told | ({"fields": fields} if fields else {}))
    else:
        line = _text(now, level, message, fields or {})
    _write(line)


def notice(level: str, message: str, text: str, event: str, code: str, fields: dict[str, Any] | None = None) -> None:
    """Write one line of what assay itself has to say.

    Args:
        level: A key of `LEVELS`.
        message: The text as the message of a line of JSON.
        text: The whole line where lines are text.
        event: The name of the kind of event.
        code: Its code.
        fields: What it concerns, in a line of JSON.
    """
    if is_json():
        emit(level, message, fields, event, code)
    elif is_wanted(level):
        _write(text)


def _write(line: str) -> None:
    """Write a line. One that finds no room or no reader is lost: it must not end the script that it tells of."""
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(line + "\n")
            sys.stderr.flush()


def is_json() -> bool:
    """Whether lines are JSON."""
    return os.environ.get("ASSAY_LOG") == "json"


def is_wanted(level: str) -> bool:
    """Whether lines of a level are written."""
    return LEVELS[level] >= LEVELS.get(os.environ.get("ASSAY_LOG_LEVEL", "info").lower(), LEVELS["info"])


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
