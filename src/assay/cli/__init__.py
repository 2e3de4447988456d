"""The command line: one file, or folder, per command.

`main` has a fast path for running a script: it imports only the modules that the script needs. Everything else (other
commands, options, help, usage errors) goes through `commands.py`.

Shared by several commands:

    script.py          runs a script; advice.py checks its worker before start, signals.py handles SIGTERM and SIGINT
    options.py         common click options; sandbox.py: the permission options
    inputs.py          values on the command line, as JSON or Lua
    script_options.py  the connection, codec and workers of a script
    exit.py            error messages, and the end of the process
    failure.py         reports errors of the tools; interrupt.py: Ctrl-C in a tool
    reference.py       reference pages and editor annotations of all libraries

Parts of one command: `workflow_calls.py`, `descriptions.py` and `timeline.py` (`workflow.py`), `coverage.py` and
`exploration.py` (`test.py`), `guides.py` (`context.py`), `processes/` and `reloading/` (`run.py`). `check_results.py`,
`test_results.py` and `replay_results.py` format the results of `check.py`, `test.py`, `replay.py` and `deploy.py`.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

from assay.cli.exit import exit_process
from assay.cli.names import COMMANDS, SANDBOX_OPTIONS

EXIT_BROKEN_PIPE = 128 + signal.SIGPIPE


def main() -> NoReturn:
    """Run the command line and end the process."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends the script immediately, even in a Lua loop
    try:
        code = _dispatch(sys.argv[1:])
    except BrokenPipeError:
        code = EXIT_BROKEN_PIPE
    exit_process(code)


def _dispatch(arguments: list[str]) -> int:
    if "_ASSAY_COMPLETE" in os.environ:
        from assay.cli import commands

        return commands.complete(os.environ["_ASSAY_COMPLETE"])
    from assay.cli import script

    match arguments:
        case ["exec", "-e", code, *rest] if not (rest and rest[0].startswith(SANDBOX_OPTIONS)):
            return script.run_code(code, rest)
        case ["run", path, *rest] if not path.startswith("-"):
            return script.run_file(path, rest)
        case [path, *rest] if not path.startswith("-") and path not in COMMANDS:
            if not path.isalpha() or os.path.exists(path):
                return script.run_file(path, rest)
            from assay.cli import commands

            return commands.unknown(path)
    from assay.cli import commands

    return commands.main(arguments)
