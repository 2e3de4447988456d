"""Process exit, and error messages on stderr."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn


def exit_process(code: int) -> NoReturn:
    """Export the remaining spans, flush the standard streams and end the process without interpreter teardown.

    The native part of the Temporal SDK occasionally crashes during interpreter teardown, which would change the exit
    code.
    """
    tracing = sys.modules.get("assay.temporal.telemetry.tracing")
    if tracing is not None:
        tracing.flush()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except BrokenPipeError:
            code = code or 128 + signal.SIGPIPE
        except OSError as error:
            if code == 0 and stream is sys.stdout:  # a lost log line is not a failure
                code = 1
                print_error(f"cannot write the output: {error.strerror}")
    os._exit(code)


def print_error(text: str) -> None:
    """Write an error message to stderr, as "assay: text"."""
    if sys.stderr is not None:
        sys.stderr.write(f"assay: {text}\n")


def report_failure(message: str, traceback: str = "") -> None:
    """Report the failure of the script in the format of its log lines (text or JSON)."""
    from assay import log_lines
    from assay.events import SCRIPT_FAILED

    if not log_lines.is_json():
        print_error("\n".join(filter(None, (message, traceback))))
        return
    fields = {"traceback": traceback} if traceback else None
    log_lines.emit("error", message, fields, SCRIPT_FAILED)
