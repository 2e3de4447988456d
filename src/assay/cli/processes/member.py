"""One of several processes that run a script: `python -m assay.cli.processes.member SETTINGS [OPTIONS] SCRIPT ARGS…`.

SETTINGS is a JSON object: `fd`, the connection to the supervisor; `number`; `health`, an address or null; `verbose`.
OPTIONS are the permission options of the script.
"""

from __future__ import annotations

import io
import json
import signal
import socket
import sys

from assay import log_lines
from assay.cli import script
from assay.cli.exit import exit_process
from assay.cli.processes.link import Link
from assay.permissions.settings import SandboxOptions

if __name__ == "__main__":
    settings = json.loads(sys.argv[1])
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if isinstance(sys.stdout, io.TextIOWrapper):  # writes whole lines: all processes share standard output
        sys.stdout.reconfigure(line_buffering=True)
    connection = socket.socket(fileno=settings["fd"])
    connection.set_inheritable(False)
    log_lines.process_number = settings["number"]
    link = Link(connection, settings["number"])
    sandbox, (path, *arguments) = SandboxOptions.from_options(sys.argv[2:])
    sys.argv = [path]
    code = script.run_file(
        path,
        arguments,
        verbose=settings["verbose"],
        sandbox=sandbox,
        health=settings["health"],
        observe=lambda services: link.announce_start(),
        sharing=link,
    )
    exit_process(code)
