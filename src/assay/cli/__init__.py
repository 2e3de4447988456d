"""The command line: one file, or folder, per command.

Running a script takes the short way in `main`: no module is imported that the script does not need. Everything else
(other commands, options, help, usage errors) is `commands.py`.

What several commands share: `script.py` runs a script, with `advice.py` before its worker starts and `signals.py` for
its end; `options.py`; `inputs.py`, values on the command line; `script_options.py`, the connection and the keys of a
script; `failure.py`, how a tool says that it cannot work; `interrupt.py`, Ctrl-C in a tool; `leave.py`, the end of
every run; `sandbox.py`, the options that say what a script may do; `reference.py`, the declarations of all libraries as
pages and as annotations. `workflow_calls.py` and `descriptions.py` belong to `workflow.py`, `coverage.py` to `test.py`,
`guides.py` to `context.py`; `check_results.py`, `test_results.py` and `replay_results.py` print what `check.py`,
`test.py`, `replay.py` and `deploy.py` find; `processes/` and `reloading/` are options of `run.py`.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

from assay.cli.leave import leave
from assay.cli.names import COMMANDS, SANDBOX_OPTIONS

EXIT_BROKEN_PIPE = 128 + signal.SIGPIPE


def main() -> NoReturn:
    """Run the command line and end the process."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends a script at once, also while Lua computes
    try:
        code = _dispatch(sys.argv[1:])
    except BrokenPipeError:
        code = EXIT_BROKEN_PIPE
    leave(code)


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
