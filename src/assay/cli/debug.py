"""`assay debug`: the debug adapter that editors start."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
import threading
from typing import TYPE_CHECKING, BinaryIO, TextIO

import click

from assay.cli import script as runner
from assay.cli.exit import exit_process, print_error
from assay.cli.failure import describe
from assay.cli.sandbox import SandboxedCommand
from assay.errors import AssayError
from assay.lua.host import Host
from assay.lua.loop import new_event_loop
from assay.permissions.settings import SandboxOptions, permissions

if TYPE_CHECKING:
    from assay.debugging.launch import Launch
    from assay.debugging.session import Session


@click.command(cls=SandboxedCommand, short_help="Debug a script, or the replay of a run, from an editor.")
@click.option("--vscode", metavar="FILE", help="Write a VS Code extension to FILE (.vsix) instead.")
def command(vscode: str | None, sandbox: SandboxOptions) -> int:
    """Run a debug adapter (Debug Adapter Protocol on standard input and output). Started by an editor.

    The launch configuration of the editor selects a script, or the replay of a workflow run from a server or a history
    file; see "assay context debugging" for an example.
    """
    if vscode is not None:
        return _write_extension(vscode)
    if sys.stdin.isatty():
        raise click.UsageError("this command is started by an editor: see 'assay context debugging'")
    from assay.debugging import callbacks
    from assay.debugging.session import Session

    source, target = _take_streams()
    session = Session(source, target)
    callbacks.attach(session)
    sys.stdout = _stream(session, "stdout")
    sys.stderr = _stream(session, "stderr")
    session.on_disconnect = _leave
    threading.Thread(target=session.serve, name="assay-debug", daemon=True).start()
    launch = session.next_launch()
    try:
        code = _run(session, launch, sandbox)
    except AssayError as error:
        session.refuse(describe(error))
        code = 1
    session.end(code)
    threading.Event().wait()  # until the editor disconnects: `_leave` ends the process
    return code


def _write_extension(path: str) -> int:
    from assay.debugging.vscode import write_extension

    try:
        write_extension(path, [os.path.abspath(sys.argv[0]), "debug"])
    except OSError as error:
        print_error(f"cannot write {path}: {error.strerror}")
        return 1
    click.echo(f"created {path}:\n  code --install-extension {shlex.quote(path)}")
    return 0


def _take_streams() -> tuple[BinaryIO, BinaryIO]:
    """Reserve standard input and output for the protocol; redirect other output to standard error."""
    source, target = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return os.fdopen(source, "rb"), os.fdopen(target, "wb")


def _stream(session: Session, category: str) -> TextIO:
    from assay.debugging.output import output_stream

    return output_stream(lambda raw: session.output(category, raw.decode("utf-8", "backslashreplace")))


def _leave() -> None:
    runner.end_commands(grace_period=1)
    exit_process(0)


def _run(session: Session, launch: Launch, sandbox: SandboxOptions) -> int:
    _enter(launch)
    if not launch.is_replay:
        return _run_script(session, launch, sandbox)
    from assay.debugging.replay import DebuggedReplay

    allowed = permissions(sandbox, os.path.dirname(launch.program) or ".")
    with asyncio.Runner(loop_factory=new_event_loop) as loop:
        return loop.run(DebuggedReplay(session, launch, allowed).run())


def _enter(launch: Launch) -> None:
    """Set the working directory and the environment of the program. Raises AssayError."""
    try:
        if launch.cwd:
            os.chdir(launch.cwd)
        with open(launch.program, "rb"):
            pass
    except OSError as error:
        raise AssayError(f"cannot read {error.filename}: {error.strerror}") from error
    for name, value in launch.env.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = str(value)


def _run_script(session: Session, launch: Launch, sandbox: SandboxOptions) -> int:
    from assay.debugging import callbacks

    session.begin()
    if launch.stop_on_entry:
        session.settings.pause("entry")
    program = _Program(session)
    session.on_terminate = program.terminate
    session.on_pause = program.pause
    return runner.run_file(
        launch.program,
        launch.args,
        sandbox=sandbox,
        tool=None if launch.no_debug else runner.Tool(callbacks.PARTS, callbacks.LIBRARIES, program.follow),
    )


class _Program:
    """A running script, for requests of the editor while the script waits."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._host: Host | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def follow(self, host: Host) -> None:
        """Note the host and the event loop of the script; called before it runs and whenever it is about to wait."""
        self._host = host
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if self._session.settings.has_pause:
            self.pause()

    def pause(self) -> None:
        """Stop the script where it waits, if it is waiting."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if self._host is not None and self._session.settings.take_pause():
            self._host.state.invoke(b"stop_idle", b"pause")

    def terminate(self) -> None:
        """End the script with a graceful shutdown of its services."""
        if self._host is not None and self._host.services.running:
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            self._session.end(0)
            _leave()
