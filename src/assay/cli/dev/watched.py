"""Runs a script and observes its workers: `python -m assay.cli.dev.watched FD VERBOSE [OPTIONS] SCRIPT ARGS…`.

FD is the file descriptor for the reports; VERBOSE is "--verbose" or empty; OPTIONS are the permission options of the
script.
"""

from __future__ import annotations

import os
import signal
import sys

from assay.cli import script
from assay.cli.exit import exit_process
from assay.lua.services import Service
from assay.permissions.settings import SandboxOptions
from assay.temporal.telemetry import logs

if __name__ == "__main__":
    reports = os.fdopen(int(sys.argv[1]), "wb", buffering=0)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    def observe(services: list[Service]) -> None:
        """Start the observer; it is imported only if the script has a service."""
        from assay.cli.dev.observer import observe

        observe(services, reports)

    verbose = sys.argv[2]
    logs.configure(bool(verbose), quiet=True)  # the screen shows the workers
    sandbox, (path, *arguments) = SandboxOptions.from_options(sys.argv[3:])
    sys.argv = [path]
    exit_process(script.run_file(path, arguments, verbose=bool(verbose), sandbox=sandbox, observe=observe))
