"""Run a script as the process's main job, from its source to an exit code."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from assay.cli.leave import fail
from assay.cli.names import SOURCES
from assay.errors import AssayError, LuaError
from assay.libraries import LIBRARIES
from assay.lua.host import Host
from assay.lua.loader import Finder, FindModule
from assay.lua.services import Service
from assay.lua.state import PARTS
from assay.permissions import EVERYTHING, Permissions
from assay.permissions.paths import SETTINGS_FILE

if TYPE_CHECKING:
    from assay.cli.signals import Signals
    from assay.lua.sharing import Sharing
    from assay.permissions.settings import SandboxOptions

COMMAND_LINE = "=(command line)"

_YOUNG_OBJECTS = 100_000
"""More than a thousand requests under way have, which would be looked at again and again by Python's own 700."""


class Tool(NamedTuple):
    """What looks into a script that runs.

    Attributes:
        parts: More parts of the private Lua side.
        libraries: The libraries that they need.
        follow: Called with the script's state before it runs, and before anything in it waits.
    """

    parts: tuple[str, ...]
    libraries: Mapping[str, tuple[str, bool]]
    follow: Callable[[Host], None]


def run_file(
    path: str,
    arguments: list[str],
    *,
    verbose: bool = False,
    sandbox: SandboxOptions | None = None,
    health: str | None = None,
    observe: Callable[[list[Service]], None] | None = None,
    sharing: Sharing | None = None,
    tool: Tool | None = None,
) -> int:
    """Run a script; returns the exit code.

    Args:
        path: The script as the user typed it.
        arguments: What the script finds in `arg`.
        verbose: Show Python's tracebacks.
        sandbox: Permission options of the command line.
        health: Where its workers answer for their health.
        observe: Called with the script's services whenever one of them has started.
        sharing: What this process shares with others that run the script.
        tool: What looks into it.
    """
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        fail(f"cannot read {path}: {error.strerror}")
        return 1
    folder = os.path.dirname(path) or "."
    return _run(source, path, [path, *arguments], folder, verbose, sandbox, health, observe, sharing, tool)


def run_code(code: str, arguments: list[str], *, verbose: bool = False, sandbox: SandboxOptions | None = None) -> int:
    """Run a piece of Lua code given on the command line; returns the exit code."""
    return _run(os.fsencode(code), COMMAND_LINE, ["-e", *arguments], ".", verbose, sandbox)


def _run(
    source: bytes,
    name: str,
    arguments: list[str],
    folder: str,
    verbose: bool,
    sandbox: SandboxOptions | None,
    health: str | None = None,
    observe: Callable[[list[Service]], None] | None = None,
    sharing: Sharing | None = None,
    tool: Tool | None = None,
) -> int:
    gc.set_threshold(_YOUNG_OBJECTS)
    write, flush = _output()
    try:
        allowed = _permissions(sandbox, folder)
    except AssayError as error:
        fail(str(error))
        return 1
    finder: FindModule = Finder(folder, allowed)
    if SOURCES in os.environ:
        from assay.cli.reloading.sources import noting

        finder = noting(finder)
    host = _make_host(finder, write, flush, allowed, tool)
    host.verbose, host.health, host.sharing = verbose, health, sharing
    signals: Signals | None = None

    def handle_signals() -> Signals:
        nonlocal signals
        if signals is None:
            from assay.cli.signals import Signals

            signals = Signals(end_commands)
        return signals

    def watch_signals() -> None:
        handle_signals().watch(host.services.running)
        if observe is not None:
            observe(host.services.running)

    def advise(service: Service) -> None:
        from assay.cli.advice import warn_about

        warn_about(host, service)

    host.before_command = handle_signals
    host.services.before_start = advise
    host.services.on_add = watch_signals
    script, *rest = map(os.fsencode, arguments)
    try:
        host.set_arguments(script, *rest)
        host.run_sync(host.load(source, name), tuple(rest), b"keep")  # the result of a script is not used
    except LuaError as error:
        flush()
        fail(error.report, error.traceback)
        return 1
    except SystemExit as exit:
        return exit.code if isinstance(exit.code, int) else 1
    except BrokenPipeError:
        raise
    except OSError as error:  # only `write` and `flush` let one through
        fail(f"cannot write the output: {error.strerror}")
        return 1
    except AssayError as error:
        fail(str(error))
        return 1
    finally:
        if signals is not None:
            signals.script_ended()
    return 0


def _make_host(
    finder: FindModule, write: Callable[[bytes], Any], flush: Callable[[], Any], allowed: Permissions, tool: Tool | None
) -> Host:
    if tool is None:
        return Host(LIBRARIES, finder, write, flush, permissions=allowed)

    def before_wait() -> None:
        flush()
        tool.follow(host)

    libraries, parts = {**LIBRARIES, **tool.libraries}, (*PARTS, *tool.parts)
    host = Host(libraries, finder, write, before_wait, parts=parts, permissions=allowed)
    tool.follow(host)
    return host


def _permissions(sandbox: SandboxOptions | None, folder: str) -> Permissions:
    if sandbox is None and not os.path.lexists(os.path.join(folder, SETTINGS_FILE)):
        return EVERYTHING
    from assay.permissions.settings import permissions

    return permissions(sandbox, folder)


def end_commands(patience: float) -> None:
    """End the commands that run, before the process ends by a signal."""
    child = sys.modules.get("assay.builtins.shell.child")
    if child is not None:
        child.end_all(patience)


def _output() -> tuple[Callable[[bytes], Any], Callable[[], Any]]:
    """Return how to write to standard output and to flush it; a terminal sees every line at once."""
    stdout: Any = sys.stdout
    if stdout is None:  # closed by whoever started this process
        return lambda text: None, lambda: None
    buffer = stdout.buffer
    if not stdout.line_buffering:
        return buffer.write, buffer.flush

    def write(text: bytes) -> None:
        buffer.write(text)
        buffer.flush()

    return write, buffer.flush
