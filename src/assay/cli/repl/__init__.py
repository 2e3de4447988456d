"""`assay repl`: Lua line by line.

This file runs what was typed; `session.py` reads a terminal; `repl.lua` shows values and knows names;
`inside.py` is what that asks.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from typing import Any

import click

import assay
from assay.cli.failure import describe
from assay.cli.interrupt import EXIT_INTERRUPTED
from assay.cli.leave import complain
from assay.cli.options import connection, verbose
from assay.cli.repl import inside
from assay.cli.sandbox import SandboxedCommand
from assay.errors import LuaError, LuaSyntaxError
from assay.libraries import LIBRARIES
from assay.lua.function import LuaFunction
from assay.lua.host import Host
from assay.lua.loader import Finder
from assay.lua.state import PARTS
from assay.permissions import EVERYTHING, Permissions
from assay.permissions.settings import SandboxOptions, permissions

_PART = os.path.join(os.path.dirname(__file__), "repl")
_NAME = "=(repl)"
_OPEN = "<eof>"  # how the message ends for code that could continue
_VALUE = "return nil, "
_LAST_LINES = 20  # among which an expression at the end may begin
_GREETING = "Lua 5.5, assay {version}. Type help for help, exit or Ctrl-D to leave."
_LEAVE = ("exit", "quit")
_HELP = """\
Type Lua: the value of an expression is printed, and what waits is waited for. Variables that are to be kept are global.
Code runs at Enter when it is complete.

  exit      leave, as Ctrl-D does
  Ctrl-C    ends what runs
  Tab       completes names, methods and fields
  Up, Down  earlier lines

  json, http, fs, db, temporal, …: 'assay modules' lists the globals, 'assay context WORDS' searches the reference."""


@click.command(cls=SandboxedCommand)
@verbose
@click.option("--connect", is_flag=True, help="Connect to a Temporal server: the global 'client'.")
@connection
def command(connect: bool, address: str | None, namespace: str | None, verbose: bool, sandbox: SandboxOptions) -> int:
    """Start an interactive Lua session.

    The value of an expression is printed. What waits (sleep, http, a workflow's result) is waited for. Variables that
    are to be kept are global. Lines that come through a pipe are run too; an error among them makes the exit code 1.
    """
    if not connect and (address or namespace):
        raise click.UsageError("--address and --namespace belong to --connect")
    repl = Repl(verbose, permissions(sandbox, "."))
    first = _connecting(address, namespace) if connect else None
    try:
        return asyncio.run(repl.run(first, interactive=sys.stdin.isatty() and sys.stdout.isatty()))
    except SystemExit as exit:
        return exit.code if isinstance(exit.code, int) else 1


def _connecting(address: str | None, namespace: str | None) -> str:
    """The code of `--connect`. A JSON text of these is also Lua's."""
    options = {"url": address, "namespace": namespace}
    given = ", ".join(f"{name} = {json.dumps(value)}" for name, value in options.items() if value is not None)
    return f"client = temporal.connect({{{given}}})"


class Repl:
    """A Lua state that runs pieces of code one after the other."""

    def __init__(self, verbose: bool, allowed: Permissions = EVERYTHING) -> None:
        libraries = {**LIBRARIES, "_.repl": ("assay.cli.repl.inside", False)}
        self.host = Host(
            libraries,
            Finder(".", allowed),
            self._write,
            sys.stdout.flush,
            parts=(*PARTS, _PART),
            permissions=allowed,
        )
        self.host.verbose = verbose
        self.host.on_exit = lambda: None
        self._running: asyncio.Task[Any] | None = None
        self._failed = False

    def _write(self, text: bytes) -> None:
        sys.stdout.write(text.decode("utf-8", "backslashreplace"))
        sys.stdout.flush()

    def compile(self, text: str) -> tuple[LuaFunction, int]:
        """Compile an expression, or statements, or statements and an expression in the last lines.

        Returns how many results to leave out, too: a lone `return f()` would be a tail call, whose errors have no line.
        Raises LuaSyntaxError.
        """
        try:
            return self._load(_VALUE + text), 1
        except LuaSyntaxError as error:
            try:
                return self._load(text), 0
            except LuaSyntaxError as problem:
                if error.message.endswith(_OPEN):  # the start of an expression
                    raise error from None
                if not problem.message.endswith(_OPEN):
                    raise
                lines = text.splitlines(keepends=True)
                for at in range(len(lines) - 1, max(0, len(lines) - _LAST_LINES), -1):
                    with suppress(LuaSyntaxError):
                        return self._load("".join((*lines[:at], _VALUE, *lines[at:]))), 1
                raise

    def _load(self, text: str) -> LuaFunction:
        return self.host.load(f"{text}\n".encode("utf-8", "surrogateescape"), _NAME)

    def is_complete(self, text: str) -> bool:
        """Return true if there is nothing to wait for: the text is code, or has an error before its end."""
        try:
            self.compile(text)
        except LuaSyntaxError as error:
            return not error.message.endswith(_OPEN)
        return True

    def names(self, text: str) -> list[str]:
        """The names that can follow the start of an expression: "js" -> "json", "json.en" -> "encode"."""
        found: bytes = self.host.state.invoke(b"complete", text.encode("utf-8", "surrogateescape"))
        return found.decode().split()

    def command(self, text: str) -> str | None:
        """The command that a text is: "help" or "exit". A global of the script of this name comes first."""
        word = text.strip().removesuffix("()")
        if word not in (*_LEAVE, "help") or word in self.names(word):
            return None
        return "help" if word == "help" else "exit"

    async def evaluate(self, text: str) -> bool:
        """Run code and print its results, or its error; returns whether it went well."""
        inside.pressed[0] = False
        try:
            function, left_out = self.compile(text)
            printing = LuaFunction(self.host, self.host.state.invoke(b"printing", function.id, left_out))
            self._running = asyncio.ensure_future(self.host.run(printing, (), b"keep"))
            await self._running
        except LuaError as error:
            complain(describe(error) if "\n\t(repl)" not in error.traceback else error.message)
            return False
        except asyncio.CancelledError:
            if not inside.pressed[0]:
                raise
            complain("interrupted")
            return False
        finally:
            self._running = None
            sys.stdout.flush()
        return True

    def _interrupt(self, *_signal: Any) -> None:
        if self._running is None:
            raise KeyboardInterrupt
        inside.pressed[0] = True
        self._running.get_loop().call_soon_threadsafe(self._running.cancel)

    async def run(self, first: str | None, *, interactive: bool) -> int:
        """Run code until there is no more; returns the exit code."""
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._interrupt)
        try:
            if first is not None and not await self.evaluate(first):
                return EXIT_INTERRUPTED if inside.pressed[0] else 1
            return await (self._talk() if interactive else self._read())
        finally:
            for service in self.host.services.running:
                service.request_shutdown()
            await self.host.wait_for_services()
            await self.host.close()

    async def _read(self) -> int:
        """Run what comes through a pipe."""
        loop = asyncio.get_running_loop()
        text, code = "", 0
        try:
            while line := await loop.run_in_executor(None, sys.stdin.readline):
                text += line
                command = self.command(text)
                if command == "exit":
                    return code
                if command == "help":
                    self._write(f"{_HELP}\n".encode())
                    text = ""
                elif text.strip() and self.is_complete(text):
                    code = code if await self.evaluate(text) else 1
                    text = ""
        except KeyboardInterrupt:
            return EXIT_INTERRUPTED
        if text.strip() and not await self.evaluate(text):
            code = 1
        return code

    async def _talk(self) -> int:
        """Run what somebody types."""
        from prompt_toolkit.patch_stdout import patch_stdout

        from assay.cli.repl.session import make_session

        session = make_session(self.is_complete, self.names)
        sys.stdout.write(_GREETING.format(version=assay.__version__) + "\n")
        while True:
            try:
                with patch_stdout(raw=True):
                    text = await session.prompt_async("> ", handle_sigint=False)
            except KeyboardInterrupt:
                continue
            except EOFError:
                return 0
            command = self.command(text)
            if command == "exit":
                return 0
            if command == "help":
                self._write(f"{_HELP}\n".encode())
            elif text.strip():
                await self.evaluate(text)
