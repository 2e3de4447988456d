"""How the tools report that they cannot work."""

from __future__ import annotations

import sys

from assay.cli.leave import complain
from assay.errors import AssayError, LuaError

EXIT_USAGE = 2


def describe(error: AssayError) -> str:
    """The text of an error; of a Lua error with its traceback."""
    if isinstance(error, LuaError):
        return "\n".join(filter(None, (error.message, error.traceback)))
    return str(error)


def report_error(error: AssayError, verbose: bool) -> int:
    """Tell of an error that is neither a finding nor a failed test; returns the exit code."""
    if verbose:
        sys.excepthook(type(error), error, error.__traceback__)
    complain(describe(error))
    return EXIT_USAGE
