"""The Python API: an embeddable Lua runtime."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from types import TracebackType
from typing import BinaryIO

from assay.errors import LuaError, ScriptExit
from assay.libraries import LIBRARIES
from assay.lua.function import LuaFunction
from assay.lua.host import Host
from assay.lua.loader import Finder
from assay.lua.values import Value
from assay.permissions import EVERYTHING, Permissions


class Runtime:
    """A Lua state with all builtins, on the running event loop.

        async with assay.Runtime() as lua:
            await lua.run_file("pricing.lua")
            total = await lua.call("total", {"items": [{"price": 3, "count": 2}]})

    Values are passed as plain data: `None`, `bool`, `int`, `float`, `str` (`bytes` if not valid UTF-8), `list` and
    `dict`. A Lua function in a result becomes an async callable. Calls run concurrently: while one waits, others
    continue. Cancelling a call raises an error of kind "cancelled" in Lua at the point where it waits. Runtimes are
    isolated from each other.

    Leaving the block ends spawned tasks and workers. A runtime never ends the process and installs no signal handlers:
    if a script calls `os.exit`, the call and every later one raise `ScriptExit`.
    """

    def __init__(
        self,
        *,
        folder: str | os.PathLike[str] | None = None,
        stdout: BinaryIO | None = None,
        permissions: Permissions = EVERYTHING,
    ) -> None:
        """Create a runtime; `async with` starts it.

        Args:
            folder: Folder that `require` searches first; by default that of the last `run_file`, or the current one.
            stdout: Binary stream for the output of `print`; `sys.stdout` by default.
            permissions: Permissions of the Lua code; everything is allowed by default. `assay.toml` is not read.
        """
        self._folder = folder
        self._stdout = stdout
        self._permissions = permissions
        self._host: Host | None = None

    async def __aenter__(self) -> Runtime:
        find = Finder(os.fspath(self._folder or "."), self._permissions)
        host = Host(LIBRARIES, find, self._write, self._flush, permissions=self._permissions)
        host.make_function = partial(_Function, self._run)
        host.on_exit = lambda: None  # the host keeps the SystemExit and raises it in the next step of any call
        self._host = host
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        host, self._host = self._running(), None
        try:
            for service in host.services.running:
                service.request_shutdown()
            await host.wait_for_services()
        finally:
            await host.close()

    async def run_file(self, path: str | os.PathLike[str], *arguments: str) -> Value:
        """Run a script and return its first result.

        Raises LuaError when it raises an error, LuaSyntaxError when it does not parse, ScriptExit when it calls
        `os.exit`, and OSError when the file cannot be read.

        Args:
            path: The script.
            arguments: Arguments of the script, in `arg` and in `...`.
        """
        host = self._running()
        with open(path, "rb") as file:  # noqa: ASYNC230 a script is a short local file
            source = file.read()
        if self._folder is None:
            host.find_modules(Finder(os.path.dirname(path) or ".", self._permissions))
        script, *rest = map(os.fsencode, (path, *arguments))
        host.set_arguments(script, *rest)
        return await self._run(host, host.load(source, os.fsdecode(path)), tuple(rest))

    async def run(self, code: str, *arguments: Value, name: str = "=(code)") -> Value:
        """Run a piece of Lua code and return its first result.

        Raises LuaError when it raises an error, LuaSyntaxError when it does not parse, and ScriptExit when it calls
        `os.exit`.

        Args:
            code: Lua source code.
            arguments: Arguments of the code, in `...`.
            name: Name of the code in error messages: a file name, or "=" and any text.
        """
        host = self._running()
        return await self._run(host, host.load(code.encode(), name), arguments)

    async def call(self, function: str, *arguments: Value) -> Value:
        """Call a global Lua function and return its first result.

        Raises LuaError when it does not exist or raises an error, and ScriptExit when it calls `os.exit`.

        Args:
            function: Name of the function; a dotted name is looked up in tables.
            arguments: Arguments of the function.
        """
        host = self._running()
        lua_function = host.find_function(function)
        if lua_function is None:
            raise LuaError(f"no global function '{function}'")
        return await self._run(host, lua_function, arguments)

    async def _run(self, host: Host, function: LuaFunction, arguments: tuple[Value, ...]) -> Value:
        if host is not self._running():
            raise RuntimeError("the runtime that the function belongs to has ended")
        try:
            return await host.run(function, arguments, b"call")
        except SystemExit as exit:
            raise ScriptExit(exit.code if isinstance(exit.code, int) else 1) from None
        finally:
            self._flush()

    def _running(self) -> Host:
        if self._host is None:
            raise RuntimeError("the runtime is not running: use it inside its 'async with' block")
        return self._host

    def _write(self, text: bytes) -> None:
        if self._stdout is None:
            sys.stdout.write(text.decode("utf-8", "backslashreplace"))
        else:
            self._stdout.write(text)

    def _flush(self) -> None:
        (self._stdout or sys.stdout).flush()


class _Function(LuaFunction):
    """A Lua function that a call returned to a Python program."""

    __slots__ = ("_run",)

    def __init__(self, run: Callable[..., Awaitable[Value]], host: Host, identity: int) -> None:
        super().__init__(host, identity)
        self._run = run

    async def __call__(self, *arguments: Value) -> Value:
        return await self._run(self.host, self, arguments)
