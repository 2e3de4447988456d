"""`log`: one line on stderr per message."""

from __future__ import annotations

from assay.log_lines import emit
from assay.lua.declare import Library
from assay.lua.values import Value

library = Library(
    "log",
    """Write log messages to stderr, one line each.

    Lines are text, colored on a terminal (unless `NO_COLOR` is set), or JSON with `ASSAY_LOG=json`. `ASSAY_LOG_LEVEL`
    (`debug`, `info`, `warn` or `error`; `info` by default) is the minimum level. Both also apply to the log lines of a
    worker; their JSON has an `event` and a `code` in addition, which are stable across releases. In a workflow or an
    activity, the `fields` of a JSON line name the run too: `workflow_id`, `run_id`, `workflow_type` or `activity_type`.
    """,
)


@library.function(pure=True)
def debug(message: bytes, fields: dict[str, Value] | None = None) -> None:
    """Log a message at level `debug`, for diagnosing problems.

    Args:
        message: The message.
        fields: Name → value, appended to the message.
    """
    emit("debug", message.decode("utf-8", "replace"), fields)


@library.function(pure=True)
def info(message: bytes, fields: dict[str, Value] | None = None) -> None:
    """Log a message at level `info`, for normal operation.

    Args:
        message: The message.
        fields: Name → value, appended to the message.
    """
    emit("info", message.decode("utf-8", "replace"), fields)


@library.function(pure=True)
def warn(message: bytes, fields: dict[str, Value] | None = None) -> None:
    """Log a message at level `warn`, for possible problems.

    Args:
        message: The message.
        fields: Name → value, appended to the message.
    """
    emit("warn", message.decode("utf-8", "replace"), fields)


@library.function(pure=True)
def error(message: bytes, fields: dict[str, Value] | None = None) -> None:
    """Log a message at level `error`, for failures.

    Args:
        message: The message.
        fields: Name → value, appended to the message.
    """
    emit("error", message.decode("utf-8", "replace"), fields)
