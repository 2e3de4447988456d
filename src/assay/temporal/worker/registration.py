"""What a script registers, found by running it up to the point where it would talk to a server."""

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
"""Seconds in which a script has to call `temporal.worker`: it may wait for what never comes, as nothing serves here."""


class Script(Host):
    """A script that is read and not run: its `temporal.worker` only registers.

    What it does before it registers it really does. The reading ends when the main chunk ends, at the first call that
    needs a Temporal server, and at the first wait after a worker was registered. From then on its functions can be
    called (activities do what they do).
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
        """The options of its workers, then those of its clients."""
        self._far_enough = asyncio.Event()
        self._main: asyncio.Task[Any] | None = None
        self.closing = False

    async def read(self, arguments: Sequence[str] = ()) -> None:
        """Run the script as far as it has to. Raises LuaError, or AssayError when there is nothing to read."""
        try:
            with open(self.path, "rb") as file:  # noqa: ASYNC230 a script is a short local file
                source = file.read()
        except OSError as error:
            raise AssayError(f"cannot read {self.path}: {error.strerror}") from error
        name, *rest = map(os.fsencode, (self.path, *arguments))
        self.set_arguments(name, *rest)
        self._main = asyncio.ensure_future(self._run_main(self.load(source, self.path), tuple(rest)))
        far_enough = asyncio.ensure_future(self._far_enough.wait())
        done, _ = await asyncio.wait((self._main, far_enough), timeout=TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
        far_enough.cancel()
        if not done:
            self._far_enough.set()
            raise AssayError(
                f"{self.path} did not call temporal.worker within {TIMEOUT:g} s; it is blocked on another call"
            )
        if self._main.done():
            self._far_enough.set()
            self._main.result()

    @property
    def is_reading(self) -> bool:
        """Return true if the main chunk still runs on the way to its worker."""
        return not self._far_enough.is_set()

    async def _run_main(self, chunk: LuaFunction, arguments: tuple[bytes, ...]) -> None:
        with suppress(SystemExit):  # which would go through the event loop
            await self.run(chunk, arguments, b"keep")

    async def register(self, host: Host, options: WorkerOptions) -> Worker:
        """Register in place of `temporal.worker`."""
        worker = Worker(host, options)
        self.connections.insert(len(self.workers), options)
        self.workers.append(worker)
        return worker

    async def connect(self, _host: Host, options: ConnectionOptions | None = None) -> Client:
        """Make a handle to pass around: no method of it is ever run."""
        from assay.temporal.client import Client

        self.connections.append(options or ConnectionOptions())
        return Client(cast(Any, None))

    async def serve(self, *_arguments: Any) -> None:
        """Do not listen; a main chunk that serves gets no further."""
        if asyncio.current_task() is self._main:
            self._far_enough.set()
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """End the reading: a call needs a server."""
        self._far_enough.set()
        await asyncio.Event().wait()

    async def close(self) -> None:
        """End what still runs."""
        self.closing = True
        if self._main is not None and not self._main.done():
            self._main.cancel()
            await asyncio.wait((self._main,))
        await super().close()


class _Policy(Policy):
    """Registers in place of `temporal.worker`, and stops where a server is needed."""

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
        """Return what registers, stops, refuses, or the function itself."""
        script = self._script
        if self._stops(function):
            return script.stop if script.is_reading else _refuse
        if function.title == "temporal.worker":
            return script.register
        if function.title == "temporal.connect":
            return script.connect
        return script.serve if function.title == "http.serve" else super().implementation(function)

    def arguments(self, host: TaskHost, function: Function, given: tuple[Any, ...]) -> list[Any]:
        """Return the arguments; none for what stops or refuses."""
        return [] if self._stops(function) else super().arguments(host, function, given)

    def check_alive(self) -> None:
        """Let no Lua code of the main chunk run at the end."""
        if self._script.closing:
            raise asyncio.CancelledError


async def _refuse() -> None:
    raise BuiltinError("no Temporal server: the script is only being inspected (check, replay, test)")


async def read_script(
    path: str,
    libraries: Mapping[str, tuple[str, bool]],
    arguments: Sequence[str] = (),
    *,
    parts: tuple[str, ...] = PARTS,
    permissions: Permissions = EVERYTHING,
) -> Script:
    """Read a script that has to register workflows or activities. Raises AssayError, and LuaError for its errors."""
    script = Script(path, libraries, parts=parts, permissions=permissions)
    await script.read(arguments)
    if not script.workers:
        raise AssayError(f"{path} does not start a worker; call temporal.worker")
    return script
