"""The Python API: a Lua runtime inside a Python program."""

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

    Values cross as plain data: `None`, `bool`, `int`, `float`, `str` (`bytes` for what is not UTF-8), `list` and
    `dict`. A Lua function in a result arrives as a callable whose calls are awaited. Calls run concurrently: while one
    waits, others continue. A cancelled call raises an error of kind "cancelled" in Lua, where it waits. Runtimes share
    nothing.

    Leaving the block ends spawned tasks and workers. A runtime never ends the process and handles no signals: a script
    that calls `os.exit` makes its call raise `ScriptExit`, and every later one too.
    """

    def __init__(
        self,
        *,
        folder: str | os.PathLike[str] | None = None,
        stdout: BinaryIO | None = None,
        permissions: Permissions = EVERYTHING,
    ) -> None:
        """Prepare a runtime; it starts with `async with`.

        Args:
            folder: Where `require` looks first; the folder of the last `run_file` if left out, or the current one.
            stdout: A binary stream that gets what `print` prints; `sys.stdout` if left out.
            permissions: What the Lua code may do; everything if left out. No `assay.toml` is read.
        """
        self._folder = folder
        self._stdout = stdout
        self._permissions = permissions
        self._host: Host | None = None

    async def __aenter__(self) -> Runtime:
        find = Finder(os.fspath(self._folder or "."), self._permissions)
        host = Host(LIBRARIES, find, self._write, self._flush, permissions=self._permissions)
        host.make_function = partial(_Function, self._run)
        host.on_exit = lambda: None  # the host remembers; the next step of any call raises SystemExit
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
            arguments: What the script finds in `arg` and in `...`.
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
            code: Lua source text.
            arguments: What the code finds in `...`.
            name: What messages call it: a file's name, or any text behind a "=".
        """
        host = self._running()
        return await self._run(host, host.load(code.encode(), name), arguments)

    async def call(self, function: str, *arguments: Value) -> Value:
        """Call a global Lua function and return its first result.

        Raises LuaError when there is none or when it raises an error, and ScriptExit when it calls `os.exit`.

        Args:
            function: Its name; dots lead into tables.
            arguments: What it is called with.
        """
        host = self._running()
        found = host.find_function(function)
        if found is None:
            raise LuaError(f"no global function '{function}'")
        return await self._run(host, found, arguments)

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
    """A Lua function that a Python program got as a result."""

    __slots__ = ("_run",)

    def __init__(self, run: Callable[..., Awaitable[Value]], host: Host, identity: int) -> None:
        super().__init__(host, identity)
        self._run = run

    async def __call__(self, *arguments: Value) -> Value:
        return await self._run(self.host, self, arguments)
