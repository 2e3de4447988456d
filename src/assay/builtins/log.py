"""`log`: one line on stderr per message."""

from __future__ import annotations

from assay.log_lines import emit
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
