"""A script whose workers are observed: `python -m assay.cli.dev.watched FD VERBOSE SCRIPT ARGS…`.

FD is the file descriptor that gets the reports; VERBOSE is "--verbose", or empty.
"""

from __future__ import annotations

import os
import signal
import sys

from assay.cli import script
from assay.cli.leave import leave
from assay.lua.host import Service

if __name__ == "__main__":
    reports = os.fdopen(int(sys.argv[1]), "wb", buffering=0)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    def observe(services: list[Service]) -> None:
        """Begin when there is something to look at: a script without a worker needs no part of this."""
        from assay.cli.dev.observer import observe

        observe(services, reports)

    _, _, verbose, path, *arguments = sys.argv
    sys.argv = [path]
    leave(script.run_file(path, arguments, verbose=bool(verbose), observe=observe))
