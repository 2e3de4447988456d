"""What the SDK and the worker have to say, as one line on stderr each; Python's tracebacks only when asked for."""

from __future__ import annotations

import logging

from assay import events, log_lines

_QUIET = (
    "Completing activity as failed",
    "Completing activity as cancelled",
    "Failed to execute Nexus start operation method",
    "Transient error ",
)
"""What is logged elsewhere: by the worker's own line, in the workflow's history, or when a last attempt has failed."""

_MAX_LENGTH = 2000
"""Characters of a line: the whole message of a failure is in the history."""


class _Handler(logging.Handler):
    def __init__(self, verbose: bool) -> None:
        super().__init__(logging.WARNING)
        self._verbose = verbose

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith(_QUIET):
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
        event: events.Event = getattr(record, "event", None) or _of_library(record.name)
        first, newline, rest = text.partition("\n")
        line = f"{record.levelname.lower()}: {first} [{event.code}]{newline}{rest}"
        log_lines.notice(event, text, line, getattr(record, "fields", None))


def _of_library(logger: str) -> events.Event:
    """The event of a line that a library logs."""
    if logger.startswith("opentelemetry"):
        return events.TRACES_LOG
    return events.CORE_ERROR if logger.startswith("temporalio.core") else events.SDK_LOG


def configure(verbose: bool) -> None:
    """Send the SDK's and the worker's log lines to stderr, unless someone has configured them already."""
    for name in ("temporalio", "assay.temporal", "opentelemetry"):
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(_Handler(verbose))
            logger.propagate = False


def silence(verbose: bool) -> None:
    """Keep the log lines of both to itself, for a command that reports in its own words; all of them if `verbose`."""
    if verbose:
        configure(verbose)
        return
    for name in ("temporalio", "assay.temporal"):
        logging.getLogger(name).addHandler(logging.NullHandler())
        logging.getLogger(name).propagate = False
