"""Log lines of the SDK and the worker: one line on stderr each, and Python tracebacks only with `--verbose`."""

from __future__ import annotations

import logging

from assay import events, log_lines

_DROPPED = (
    "Completing activity as failed",
    "Completing activity as cancelled",
    "Failed to execute Nexus start operation method",
    "Transient error ",
)
"""Prefixes of dropped messages: the worker or the history reports these events, or another line the last attempt."""

_MAX_LENGTH = 2000
"""Maximum characters of a line; the history has the full message of a failure."""


class _Handler(logging.Handler):
    def __init__(self, level: int, verbose: bool) -> None:
        super().__init__(level)
        self._verbose = verbose

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith(_DROPPED):
            return
        if self._verbose:
            text = self.format(record)
        else:
            text = message.split("\n", 1)[0]
            cause = record.exc_info[1] if record.exc_info else None
            reason = "" if cause is None else str(cause).split("\n", 1)[0]
            if reason not in text:
                text += f": {reason}"
            if len(text) > _MAX_LENGTH:
                text = f"{text[:_MAX_LENGTH]}… (of {len(text)} characters)"
        event: events.Event = getattr(record, "event", None) or _library_event(record.name)
        first, newline, rest = text.partition("\n")
        line = f"{record.levelname.lower()}: {first} [{event.code}]{newline}{rest}"
        log_lines.notice(event, text, line, getattr(record, "fields", None))


def _library_event(logger: str) -> events.Event:
    """Return the event for a log line of a library."""
    if logger.startswith("opentelemetry"):
        return events.TRACES_LOG
    return events.CORE_ERROR if logger.startswith("temporalio.core") else events.SDK_LOG


def configure(verbose: bool, *, quiet: bool = False) -> None:
    """Send the log lines of the SDK and the worker to stderr, unless their loggers already have handlers.

    Args:
        verbose: Show Python tracebacks.
        quiet: Omit lines of the level "info", such as that the worker has started.
    """
    for name in ("temporalio", "assay.temporal", "opentelemetry"):
        logger = logging.getLogger(name)
        if logger.handlers:
            continue
        level = logging.INFO if name == "assay.temporal" and not quiet else logging.WARNING
        logger.addHandler(_Handler(level, verbose))
        logger.propagate = False
        if logger.level == logging.NOTSET:
            logger.setLevel(level)


def silence(verbose: bool) -> None:
    """Drop the log lines of the SDK and the worker, for commands with their own output; with `verbose`, keep them."""
    if verbose:
        configure(verbose)
        return
    for name in ("temporalio", "assay.temporal"):
        logging.getLogger(name).addHandler(logging.NullHandler())
        logging.getLogger(name).propagate = False
