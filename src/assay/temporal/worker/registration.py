"""Inspection of a script without a server: run it until its workers are registered."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from assay.errors import AssayError, BuiltinError
from assay.lua.function import LuaFunction, TaskHost
from assay.lua.host import Host
from assay.lua.loader import Finder
from assay.lua.policy import Policy
from assay.lua.state import PARTS
from assay.permissions import EVERYTHING, Permissions
from assay.temporal.connection.options import ConnectionOptions
from assay.temporal.worker.options import WorkerOptions
from assay.temporal.worker.worker import Worker

if TYPE_CHECKING:
    from assay.lua.declare import Function
    from assay.temporal.client import Client


TIMEOUT = 60.0
"""Seconds within which a script must call `temporal.worker`: it might wait for requests, which never arrive here."""


class Script(Host):
    """A script that is inspected: its `temporal.worker` registers the worker without starting it.

    Everything before that call really runs, with its side effects. Reading stops when the main chunk ends, at the first
    call that needs a Temporal server, or at the first wait after a worker was registered. Afterwards the registered
    functions can be called.
    """

    def __init__(
        self,
        path: str,
        libraries: Mapping[str, tuple[str, bool]],
        *,
        parts: tuple[str, ...] = PARTS,
        write: Callable[[bytes], Any] | None = None,
        permissions: Permissions = EVERYTHING,
    ) -> None:
        super().__init__(
            libraries,
            Finder(os.path.dirname(path) or ".", permissions),
            write or (lambda text: None),
            parts=parts,
            policy=_Policy(permissions, self),
        )
        self.on_exit = lambda: None
        self.path = path
        self.workers: list[Worker] = []
        self.connections: list[ConnectionOptions] = []
        """Connection options of its workers, followed by those of its clients."""
        self._read_enough = asyncio.Event()
        self._main: asyncio.Task[Any] | None = None
        self.closing = False

    async def read(self, arguments: Sequence[str] = ()) -> None:
        """Run the script until its workers are registered.

        Raises LuaError for an error of the script, AssayError if it cannot be read or times out.
        """
        try:
            with open(self.path, "rb") as file:  # noqa: ASYNC230 a script is a short local file
                source = file.read()
        except OSError as error:
            raise AssayError(f"cannot read {self.path}: {error.strerror}") from error
        name, *rest = map(os.fsencode, (self.path, *arguments))
        self.set_arguments(name, *rest)
        self._main = asyncio.ensure_future(self._run_main(self.load(source, self.path), tuple(rest)))
        read_enough = asyncio.ensure_future(self._read_enough.wait())
        done, _ = await asyncio.wait((self._main, read_enough), timeout=TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
        read_enough.cancel()
        if not done:
            self._read_enough.set()
            raise AssayError(
                f"{self.path} did not call temporal.worker within {TIMEOUT:g} s; it is blocked on another call"
            )
        if self._main.done():
            self._read_enough.set()
            self._main.result()

    @property
    def is_reading(self) -> bool:
        """True while the main chunk runs and has not reached the end of reading."""
        return not self._read_enough.is_set()

    async def _run_main(self, chunk: LuaFunction, arguments: tuple[bytes, ...]) -> None:
        with suppress(SystemExit):  # would propagate out of the event loop
            await self.run(chunk, arguments, b"keep")

    async def register(self, host: Host, options: WorkerOptions) -> Worker:
        """Replacement of `temporal.worker`: register the worker without starting it."""
        worker = Worker(host, options)
        self.connections.insert(len(self.workers), options)
        self.workers.append(worker)
        return worker

    async def connect(self, _host: Host, options: ConnectionOptions | None = None) -> Client:
        """Replacement of `temporal.connect`: return a client whose methods are never called."""
        from assay.temporal.client import Client

        self.connections.append(options or ConnectionOptions())
        return Client(cast(Any, None))

    async def serve(self, *_arguments: Any) -> None:
        """Replacement of `http.serve`: never listen; in the main chunk, stop reading."""
        if asyncio.current_task() is self._main:
            self._read_enough.set()
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """Stop reading, and suspend the caller forever: its call needs a server."""
        self._read_enough.set()
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Cancel the main chunk and close the host."""
        self.closing = True
        if self._main is not None and not self._main.done():
            self._main.cancel()
            await asyncio.wait((self._main,))
        await super().close()


class _Policy(Policy):
    """Replaces the functions that start or need a server."""

    __slots__ = ("_script",)

    def __init__(self, permissions: Permissions, script: Script) -> None:
        super().__init__(permissions)
        self._script = script

    def _stops(self, function: Function) -> bool:
        module = function.python.__module__
        of_temporal = module.startswith("assay.temporal.") and module != "assay.temporal.activity"
        if self._script.is_reading and function.title in ("temporal.worker", "temporal.connect"):
            return False
        return function.waits and (of_temporal or (self._script.is_reading and bool(self._script.workers)))

    def implementation(self, function: Function) -> Callable[..., Any]:
        """Return the function or its replacement, which registers, stops reading, or raises."""
        script = self._script
        if self._stops(function):
            return script.stop if script.is_reading else _raise_no_server
        if function.title == "temporal.worker":
            return script.register
        if function.title == "temporal.connect":
            return script.connect
        return script.serve if function.title == "http.serve" else super().implementation(function)

    def arguments(self, host: TaskHost, function: Function, given: tuple[Any, ...]) -> list[Any]:
        """Return the arguments; none for replacements that stop reading or raise."""
        return [] if self._stops(function) else super().arguments(host, function, given)

    def check_alive(self) -> None:
        """Prevent Lua code of the main chunk from running while the script closes."""
        if self._script.closing:
            raise asyncio.CancelledError


async def _raise_no_server() -> None:
    raise BuiltinError("no Temporal server: the script is only being inspected (check, replay, test)")


async def read_script(
    path: str,
    libraries: Mapping[str, tuple[str, bool]],
    arguments: Sequence[str] = (),
    *,
    parts: tuple[str, ...] = PARTS,
    permissions: Permissions = EVERYTHING,
) -> Script:
    """Read a script and return it with its workers. Raises AssayError if there are none, LuaError for script errors."""
    script = Script(path, libraries, parts=parts, permissions=permissions)
    await script.read(arguments)
    if not script.workers:
        raise AssayError(f"{path} does not start a worker; call temporal.worker")
    return script
