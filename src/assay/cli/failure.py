"""Errors that keep a tool from doing its work, as opposed to findings and failed tests."""

from __future__ import annotations

import sys

from assay.cli.exit import print_error
from assay.errors import AssayError, LuaError

EXIT_USAGE = 2


def describe(error: AssayError) -> str:
    """Return the text of an error, with the traceback of a Lua error."""
    if isinstance(error, LuaError):
        return "\n".join(filter(None, (error.message, error.traceback)))
    return str(error)


def print_traceback(error: AssayError) -> None:
    """Print the Python traceback of an error to stderr."""
    sys.excepthook(type(error), error, error.__traceback__)


def report_error(error: AssayError, verbose: bool) -> int:
    """Report an error and return the exit code."""
    if verbose:
        print_traceback(error)
    print_error(describe(error))
    return EXIT_USAGE
