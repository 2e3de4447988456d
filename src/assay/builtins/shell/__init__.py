"""`shell`: commands of the system's shell."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from assay.errors import BuiltinError
from assay.lua.declare import Library
from assay.lua.host import Host
from assay.lua.values import Path
from assay.permissions.needs import RUN

library = Library("shell", "Commands of the system's shell.")


@dataclass
class ExecOptions:
    """How to run a command.

    Attributes:
        cwd: The folder to run it in.
        env: Variables to set beside the ones of this process.
        stdin: What the command reads; nothing when left out.
        timeout: Seconds after which it is killed, with all the processes that it started.
    """

    cwd: Path | None = None
    env: dict[str, bytes] = field(default_factory=dict)
    stdin: bytes | None = None
    timeout: float | None = None


@dataclass
class Result:
    """How a command ended.

    Attributes:
        status: Its exit code; 128 plus the number of the signal that ended it; -1 when it timed out.
        stdout: What it wrote to standard output: any bytes.
        stderr: What it wrote to standard error: any bytes.
        timed_out: Whether it was killed because its time was over.
    """

    status: int
    stdout: str | bytes
    stderr: str | bytes
    timed_out: bool


@library.function(needs=RUN)
async def exec(host: Host, command: bytes, options: ExecOptions | None = None) -> Result:
    """Run a command with `sh -c` and wait for its end; an exit code other than 0 is not an error.

    A process that the command leaves behind keeps the call waiting for as long as it holds standard output or standard
    error open. When the calling task is cancelled, the command is killed as by a time-out. When the script is ended
    by Ctrl-C or SIGTERM, the command gets a SIGTERM, and is killed five seconds later or by a second signal.

    Args:
        command: The command line.
        options: How to run it.
    """
    from assay.builtins.shell.child import run
    from assay.lua.values import text_or_bytes

    options = options or ExecOptions()
    if b"\0" in command:
        raise BuiltinError("bad argument 'command' (text without NUL expected)")
    if options.timeout is not None and not options.timeout > 0:
        raise BuiltinError(f"bad option 'timeout' (a number above 0 expected, got {options.timeout})")
    folder = None if options.cwd is None else host.permissions.path("read", options.cwd)
    arguments = host.permissions.argv(command, folder)
    host.permissions.check_preload(list(options.env))
    if host.before_command is not None:
        host.before_command()
    child = await run(arguments, folder, _environment(options.env), options.stdin, options.timeout)
    stdout, stderr = map(text_or_bytes, child.output)
    return Result(status=child.status, stdout=stdout, stderr=stderr, timed_out=child.timed_out)


def _environment(extra: dict[str, bytes]) -> dict[bytes, bytes]:
    for name, text in extra.items():
        if not name or "=" in name or "\0" in name or b"\0" in text:
            raise BuiltinError(f"bad option 'env.{name}' (a name without '=' and a string without NUL expected)")
    return {**os.environb, **{name.encode(): text for name, text in extra.items()}}
