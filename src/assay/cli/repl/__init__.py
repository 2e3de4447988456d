"""`assay repl`: an interactive Lua session.

This file runs the code; `prompt.py` reads lines from a terminal; `repl.lua` formats values and completes names, with
the callbacks in `callbacks.py`.
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
from assay.cli.exit import print_error
from assay.cli.failure import describe
from assay.cli.interrupt import EXIT_INTERRUPTED
from assay.cli.options import connection, verbose
from assay.cli.repl import callbacks
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
_INCOMPLETE = "<eof>"  # end of the message of a syntax error for incomplete code
_VALUE = "return nil, "
_MAX_EXPRESSION_LINES = 20  # of an expression that follows statements
_GREETING = "Lua 5.5, assay {version}. Type help for help, exit or Ctrl-D to leave."
_EXIT_COMMANDS = ("exit", "quit")
_HELP = """\
Type Lua: the value of an expression is printed, and functions that wait block until they return. Global variables are
kept; local variables last until the end of the input. Code runs on Enter once it is complete.

  exit      leave, like Ctrl-D
  Ctrl-C    interrupt the running code
  Tab       complete names, methods and fields
  Up, Down  browse the history

  json, http, fs, db, temporal, …: 'assay modules' lists the globals, 'assay context WORDS' searches the reference."""


@click.command(cls=SandboxedCommand)
@verbose
@click.option("--connect", is_flag=True, help="Connect to a Temporal server as the global 'client'.")
@connection
def command(connect: bool, address: str | None, namespace: str | None, verbose: bool, sandbox: SandboxOptions) -> int:
    """Start an interactive Lua session.

    The value of an expression is printed. Functions that wait (sleep, http, the result of a workflow) block until they
    return. Only global variables are kept between inputs. Code from a pipe is run too; the exit code is 1 if any of it
    fails.
    """
    if not connect and (address or namespace):
        raise click.UsageError("--address and --namespace require --connect")
    repl = Repl(verbose, permissions(sandbox, "."))
    preamble = _connect_code(address, namespace) if connect else None
    try:
        return asyncio.run(repl.run(preamble, interactive=sys.stdin.isatty() and sys.stdout.isatty()))
    except SystemExit as exit:
        return exit.code if isinstance(exit.code, int) else 1


def _connect_code(address: str | None, namespace: str | None) -> str:
    """Return the Lua code of `--connect`. JSON strings are valid Lua here."""
    options = {"url": address, "namespace": namespace}
    fields = ", ".join(f"{name} = {json.dumps(value)}" for name, value in options.items() if value is not None)
    return f"client = temporal.connect({{{fields}}})"


class Repl:
    """A Lua state that runs code line by line."""

    def __init__(self, verbose: bool, allowed: Permissions = EVERYTHING) -> None:
        libraries = {**LIBRARIES, "_.repl": ("assay.cli.repl.callbacks", False)}
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
        """Compile an expression, or statements, or statements followed by an expression.

        Also returns the number of leading results to drop. Expressions are compiled as `return nil, f()`, because
        `return f()` would be a tail call, whose errors have no line. Raises LuaSyntaxError.
        """
        try:
            return self._load(_VALUE + text), 1
        except LuaSyntaxError as error:
            try:
                return self._load(text), 0
            except LuaSyntaxError as problem:
                if error.message.endswith(_INCOMPLETE):  # the start of an expression
                    raise error from None
                if not problem.message.endswith(_INCOMPLETE):
                    raise
                lines = text.splitlines(keepends=True)
                for index in range(len(lines) - 1, max(0, len(lines) - _MAX_EXPRESSION_LINES), -1):
                    with suppress(LuaSyntaxError):
                        return self._load("".join((*lines[:index], _VALUE, *lines[index:]))), 1
                raise

    def _load(self, text: str) -> LuaFunction:
        return self.host.load(f"{text}\n".encode("utf-8", "surrogateescape"), _NAME)

    def is_complete(self, text: str) -> bool:
        """Return true if the code can run: it is complete, or has a syntax error before its end."""
        try:
            self.compile(text)
        except LuaSyntaxError as error:
            return not error.message.endswith(_INCOMPLETE)
        return True

    def names(self, text: str) -> list[str]:
        """Return the completions of an expression: "js" -> "json", "json.en" -> "encode"."""
        names: bytes = self.host.state.invoke(b"complete", text.encode("utf-8", "surrogateescape"))
        return names.decode().split()

    def command(self, text: str) -> str | None:
        """Return "help" or "exit" if the input is a command. A global with the same name takes precedence."""
        word = text.strip().removesuffix("()")
        if word not in (*_EXIT_COMMANDS, "help") or word in self.names(word):
            return None
        return "help" if word == "help" else "exit"

    async def evaluate(self, text: str) -> bool:
        """Run code and print its results or its error. Return true if it succeeded."""
        callbacks.is_interrupted[0] = False
        try:
            function, dropped = self.compile(text)
            printing = LuaFunction(self.host, self.host.state.invoke(b"printing", function.id, dropped))
            self._running = asyncio.ensure_future(self.host.run(printing, (), b"keep"))
            await self._running
        except LuaError as error:
            print_error(describe(error) if "\n\t(repl)" not in error.traceback else error.message)
            return False
        except asyncio.CancelledError:
            if not callbacks.is_interrupted[0]:
                raise
            print_error("interrupted")
            return False
        finally:
            self._running = None
            sys.stdout.flush()
        return True

    def _interrupt(self, *_signal: Any) -> None:
        if self._running is None:
            raise KeyboardInterrupt
        callbacks.is_interrupted[0] = True
        self._running.get_loop().call_soon_threadsafe(self._running.cancel)

    async def run(self, preamble: str | None, *, interactive: bool) -> int:
        """Run `preamble` and then all input; return the exit code."""
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._interrupt)
        try:
            if preamble is not None and not await self.evaluate(preamble):
                return EXIT_INTERRUPTED if callbacks.is_interrupted[0] else 1
            return await (self._run_interactive() if interactive else self._run_piped())
        finally:
            for service in self.host.services.running:
                service.request_shutdown()
            await self.host.wait_for_services()
            await self.host.close()

    async def _run_piped(self) -> int:
        """Run the code from standard input; return the exit code."""
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

    async def _run_interactive(self) -> int:
        """Run the code typed on the terminal; return the exit code."""
        from prompt_toolkit.patch_stdout import patch_stdout

        from assay.cli.repl.prompt import make_session

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
