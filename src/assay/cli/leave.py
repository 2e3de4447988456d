"""The end of a command-line run."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """Send the last spans, flush the standard streams and end the process without interpreter teardown.

    The Temporal SDK's native part crashes now and then when the interpreter is torn down around it; a run must end
    with its own exit code every time.
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
            if code == 0 and stream is sys.stdout:  # a lost log line is not a failure; else one is reported
                code = 1
                complain(f"cannot write the output: {error.strerror}")
    os._exit(code)


def complain(text: str) -> None:
    """Tell the user on stderr what is wrong, as "assay: text"."""
    if sys.stderr is not None:
        sys.stderr.write(f"assay: {text}\n")


def fail(message: str, traceback: str = "") -> None:
    """Say why the script failed, in the form of its log lines."""
    from assay import log_lines
    from assay.events import SCRIPT_FAILED

    if not log_lines.is_json():
        complain("\n".join(filter(None, (message, traceback))))
        return
    fields = {"traceback": traceback} if traceback else None
    log_lines.emit("error", message, fields, SCRIPT_FAILED)
