"""Run a script as the main program of the process, from source to exit code."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from assay.cli.exit import report_failure
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

_GC_THRESHOLD = 100_000
"""Threshold of the youngest garbage collection. A thousand concurrent requests have fewer objects, which the default of
700 would traverse again and again."""


class Tool(NamedTuple):
    """A tool that inspects a running script, such as the debugger.

    Attributes:
        parts: Additional parts of the private Lua side.
        libraries: Libraries that these parts need.
        follow: Called with the script's host before the script runs and whenever it is about to wait.
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
    """Run a script and return the exit code.

    Args:
        path: Path of the script, as typed by the user.
        arguments: Arguments of the script, in `arg`.
        verbose: Show Python tracebacks.
        sandbox: Permission options of the command line.
        health: Address of the health checks of its workers.
        observe: Called with the script's services whenever one has started.
        sharing: Connection to the other processes that run the script.
        tool: Tool that inspects the script.
    """
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        report_failure(f"cannot read {path}: {error.strerror}")
        return 1
    folder = os.path.dirname(path) or "."
    return _run(
        source,
        path,
        [path, *arguments],
        folder,
        verbose=verbose,
        sandbox=sandbox,
        health=health,
        observe=observe,
        sharing=sharing,
        tool=tool,
    )


def run_code(code: str, arguments: list[str], *, verbose: bool = False, sandbox: SandboxOptions | None = None) -> int:
    """Run Lua code given on the command line and return the exit code."""
    return _run(os.fsencode(code), COMMAND_LINE, ["-e", *arguments], ".", verbose=verbose, sandbox=sandbox)


def _run(
    source: bytes,
    name: str,
    arguments: list[str],
    folder: str,
    *,
    verbose: bool,
    sandbox: SandboxOptions | None,
    health: str | None = None,
    observe: Callable[[list[Service]], None] | None = None,
    sharing: Sharing | None = None,
    tool: Tool | None = None,
) -> int:
    gc.set_threshold(_GC_THRESHOLD)
    write, flush = _output()
    try:
        allowed = _permissions(sandbox, folder)
    except AssayError as error:
        report_failure(str(error))
        return 1
    finder: FindModule = Finder(folder, allowed)
    if SOURCES in os.environ:
        from assay.cli.reloading.sources import recording

        finder = recording(finder)
    host = _make_host(finder, write, flush, allowed, tool)
    host.verbose, host.health, host.sharing = verbose, health, sharing
    lifecycle = _Lifecycle(host, observe)
    try:
        return _run_main(host, source, name, arguments, flush)
    finally:
        lifecycle.end()


class _Lifecycle:
    """Handles signals once a service or a command of the script has started, and warns about services."""

    def __init__(self, host: Host, observe: Callable[[list[Service]], None] | None) -> None:
        self._host = host
        self._observe = observe
        self._signals: Signals | None = None
        host.before_command = self._handle_signals
        host.services.before_start = self._advise
        host.services.on_add = self._watch

    def _handle_signals(self) -> Signals:
        if self._signals is None:
            from assay.cli.signals import Signals

            self._signals = Signals(end_commands)
        return self._signals

    def _watch(self) -> None:
        services = self._host.services.running
        self._handle_signals().watch(services)
        if self._observe is not None:
            self._observe(services)

    def _advise(self, service: Service) -> None:
        from assay.cli.advice import warn_about

        warn_about(self._host, service)

    def end(self) -> None:
        """Note that the script has ended."""
        if self._signals is not None:
            self._signals.script_ended()


def _run_main(host: Host, source: bytes, name: str, arguments: list[str], flush: Callable[[], Any]) -> int:
    """Run the main chunk, and report its error; return the exit code."""
    script, *rest = map(os.fsencode, arguments)
    try:
        host.set_arguments(script, *rest)
        host.run_sync(host.load(source, name), tuple(rest), b"keep")  # the result is not used
    except LuaError as error:
        flush()
        report_failure(error.report, error.traceback)
        return 1
    except SystemExit as exit:
        return exit.code if isinstance(exit.code, int) else 1
    except BrokenPipeError:
        raise
    except OSError as error:  # raised only by `write` and `flush`
        report_failure(f"cannot write the output: {error.strerror}")
        return 1
    except AssayError as error:
        report_failure(str(error))
        return 1
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


def end_commands(grace_period: float) -> None:
    """End the running shell commands within `grace_period` seconds, before a signal ends the process."""
    child = sys.modules.get("assay.builtins.shell.child")
    if child is not None:
        child.end_all(grace_period)


def _output() -> tuple[Callable[[bytes], Any], Callable[[], Any]]:
    """Return functions that write to standard output and flush it; on a terminal every write is flushed."""
    stdout: Any = sys.stdout
    if stdout is None:  # closed by the parent process
        return lambda text: None, lambda: None
    buffer = stdout.buffer
    if not stdout.line_buffering:
        return buffer.write, buffer.flush

    def write(text: bytes) -> None:
        buffer.write(text)
        buffer.flush()

    return write, buffer.flush
