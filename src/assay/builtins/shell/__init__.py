"""`shell`: runs shell commands."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from assay.errors import BuiltinError
from assay.lua.declare import Library
from assay.lua.host import Host
from assay.lua.values import Path
from assay.permissions.needs import RUN

library = Library("shell", "Run shell commands.")


@dataclass
class ExecOptions:
    """Options of a command.

    Attributes:
        cwd: The working folder.
        env: Environment variables to set in addition to those of this process.
        stdin: The command's standard input; empty by default.
        timeout: Maximum duration in seconds, no limit by default; then the command and all its child processes are
            killed.
    """

    cwd: Path | None = None
    env: dict[str, bytes] = field(default_factory=dict)
    stdin: bytes | None = None
    timeout: float | None = None


@dataclass
class Result:
    """Result of a command.

    Attributes:
        status: The exit code; 128 plus the signal number if a signal ended the command; -1 if it timed out.
        stdout: Standard output, which may contain any bytes.
        stderr: Standard error, which may contain any bytes.
        timed_out: True if the command was killed by the timeout.
    """

    status: int
    stdout: str | bytes
    stderr: str | bytes
    timed_out: bool


@library.function(needs=RUN)
async def exec(host: Host, command: bytes, options: ExecOptions | None = None) -> Result:
    """Run a command with `sh -c` and wait until it ends. A non-zero exit code is not an error.

    The call also waits for background processes of the command that hold its standard output or standard error open. If
    the calling task is cancelled, the command is killed as after a timeout. If the script is ended by Ctrl-C or
    SIGTERM, the command receives SIGTERM, and is killed after five seconds or on a second signal.

    Args:
        command: The command line.
        options: Options of the command.
    """
    from assay.builtins.shell.child import run
    from assay.lua.values import text_or_bytes

    options = options or ExecOptions()
    if b"\0" in command:
        raise BuiltinError("bad argument 'command' (a string without NUL expected)")
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
    for name, value in extra.items():
        if not name or "=" in name or "\0" in name or b"\0" in value:
            raise BuiltinError(f"bad option 'env.{name}' (a name without '=' and a value without NUL expected)")
    return {**os.environb, **{name.encode(): value for name, value in extra.items()}}
