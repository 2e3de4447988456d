"""The host: a Lua state and the tasks that run in it.

Collaborators: `callbacks.py` (Python functions that Lua calls), `objects.py` (objects behind handles), `spawned.py`
(spawned tasks), `services.py` (services that outlive the main chunk) and `policy.py` (decides what a call of a builtin
does). A host is used by one thread at a time. `asyncio` is imported only once something waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from assay.errors import LuaError, LuaSyntaxError
from assay.lua import values
from assay.lua.callbacks import Callbacks
from assay.lua.function import Arguments, Event, LuaFunction, TaskHost
from assay.lua.loader import FindModule
from assay.lua.objects import Objects
from assay.lua.outcomes import Results
from assay.lua.policy import Limits, Policy
from assay.lua.services import Resource, Services
from assay.lua.spawned import SpawnedTask, SpawnedTasks, cancelled
from assay.lua.state import LAZY, PARTS, LazyParts, Outcome, State
from assay.lua.values import Json
from assay.permissions import EVERYTHING, Permissions

if TYPE_CHECKING:
    from assay.lua.sharing import Sharing

SNAPSHOT_WARNING = 256 * 1024
"""Bytes of a snapshot above which a warning is logged."""


class Host(TaskHost):
    """A Lua state with builtins and tasks.

    `libraries` maps names to modules and whether the library is a function; `finder` finds modules for `require`;
    `write` receives the output of `print`, and `flush` is called before a wait and at the end of a task; `permissions`
    are those of the script, unless a `policy` is given.
    """

    # A worker has one host for each open run, so instances are kept small.
    __slots__ = (
        "__weakref__",
        "_flush",
        "_limits",
        "_spawned",
        "before_command",
        "callbacks",
        "health",
        "kept",
        "make_function",
        "objects",
        "on_exit",
        "policy",
        "released_functions",
        "services",
        "sharing",
        "state",
        "verbose",
    )

    def __init__(
        self,
        libraries: Mapping[str, tuple[str, bool]],
        finder: FindModule,
        write: Callable[[bytes], Any],
        flush: Callable[[], Any] = lambda: None,
        *,
        parts: tuple[str, ...] = PARTS,
        lazy: LazyParts = LAZY,
        memory_limit: int | None = None,
        hash_seed: int | None = None,
        has_line_hook: bool = False,
        permissions: Permissions = EVERYTHING,
        policy: Policy | None = None,
        limits: Limits | None = None,
        objects: Objects | None = None,
    ) -> None:
        self.policy = policy or Policy(permissions)
        """Policy for calls of builtins."""
        self._limits = limits
        self.objects = Objects() if objects is None else objects
        """Objects behind the handles in Lua."""
        self.callbacks = Callbacks(self, libraries, finder, write, self.policy, limits, self.objects)
        """Python functions that Lua calls."""
        self.services = Services()
        """Services that keep the script alive after its main chunk, or need an orderly shutdown."""
        self._spawned: SpawnedTasks | None = None
        self._flush = flush
        self.released_functions: list[int] = []
        self.kept: dict[str, Resource] = {}
        """Resources (such as connections) that builtins keep open until the script ends, by a name that they choose."""
        self.before_command: Callable[[], Any] | None = None
        """Called before a shell command starts."""
        self.on_exit: Callable[[], Any] | None = None
        self.make_function: Callable[[Host, int], LuaFunction] = LuaFunction
        """Factory for the Python object of a Lua function in a result."""
        self.verbose = False
        self.health: str | None = None
        """Address for the health checks of the services; overrides that of the script."""
        self.sharing: Sharing | None = None
        """Addresses shared with other processes that run the same script, if there are any."""
        self.state = State(lazy, memory_limit, hash_seed, has_line_hook=has_line_hook)
        self.callbacks.state = self.state
        self.state.begin(self.callbacks, parts)
        names = [(name, is_function) for name, (_, is_function) in libraries.items() if "." not in name]
        self.state.invoke_once(
            b"add_globals", *(item for name, is_function in names for item in (name.encode(), is_function))
        )
        if memory_limit is None:  # workflow states, of which there are many, fill libraries on first use
            self.state.invoke_once(b"fill_all")

    @property
    def permissions(self) -> Permissions:
        """The permissions of the script."""
        return self.policy.permissions

    @property
    def libraries(self) -> Mapping[str, tuple[str, bool]]:
        """The libraries: name → module, and whether the library is a function."""
        return self.callbacks.libraries

    def add_tool(self, name: str, module: str, part: str) -> None:
        """Add a library for the private Lua side, and the part that uses it."""
        if name not in self.callbacks.libraries:
            self.callbacks.libraries = {**self.callbacks.libraries, name: (module, False)}
            self.state.add_part(part)

    def object(self, identity: int) -> Any:
        """Return the object behind a handle."""
        return self.objects.by_id[identity]

    # Functions ----------------------------------------------------------------------------------------------

    def load(self, source: bytes, name: str) -> LuaFunction:
        """Compile a chunk. `name` is its file name, or "=" and any other name. Raises LuaSyntaxError."""
        chunk_name = name if name.startswith("=") else "@" + name
        result = self.state.invoke(b"load_chunk", source, chunk_name.encode("utf-8", "surrogateescape"))
        if isinstance(result, tuple):
            raise LuaSyntaxError(result[1].decode("utf-8", "replace"))
        return LuaFunction(self, result)

    def snapshot(self, function: LuaFunction, title: str, *, with_handles: bool = False) -> bytes:
        """Serialize a function with everything that it reaches, for another state.

        `with_handles`: include handles, because the other state shares the objects of this one. Logs a warning if the
        snapshot is larger than `SNAPSHOT_WARNING` bytes; `title` is the function's name in it.
        """
        result = self.state.invoke(b"snapshot", function.id, with_handles)
        data: bytes = result[0]
        if len(data) > SNAPSHOT_WARNING:
            from assay import log_lines
            from assay.events import LARGE_SNAPSHOT

            largest = ", ".join(
                f"{name.decode('utf-8', 'replace')} ({size} bytes)"
                for name, size in zip(result[1::2], result[2::2], strict=True)
            )
            text = f"the snapshot of {title} has {len(data)} bytes; its largest values: {largest}"
            log_lines.notice(LARGE_SNAPSHOT, text, f"warning: {text} [{LARGE_SNAPSHOT.code}]")
        return data

    def find_function(self, name: str) -> LuaFunction | None:
        """Return the global function with a name, which may be dotted, or None."""
        identity = self.state.invoke(b"find_function", name.encode())
        return None if identity is None else LuaFunction(self, identity)

    def find_modules(self, finder: FindModule) -> None:
        """Replace the finder of modules."""
        self.callbacks.finder = finder
        self.state.invoke(b"set_module_path", finder.path)

    def set_arguments(self, script: bytes, *arguments: bytes) -> None:
        """Set the global `arg`."""
        self.state.invoke(b"set_arguments", script, *arguments)

    # Tasks --------------------------------------------------------------------------------------------------

    def start(self, function: LuaFunction, arguments: Arguments, delivery: bytes = b"wire") -> int:
        """Create a task that calls a function; returns its id."""
        if self._limits is not None:
            self._limits.check_room(*arguments)
        task = self.state.invoke(b"start", delivery, function.id, *self._pass(arguments))
        assert isinstance(task, int)
        return task

    def begin_task(self, function: LuaFunction, arguments: Arguments, delivery: bytes) -> tuple[int, Event]:
        """Create a task that calls a function and run it until it waits or ends; returns its id and the event."""
        if self._limits is not None:  # limits apply to steps
            task = self.start(function, arguments, delivery)
            return task, self.step(task)
        self._release_functions()
        event: Event = self.state.invoke(b"run", delivery, function.id, *self._pass(arguments))
        self._stepped()
        return event[0], event[1:]

    def _pass(self, arguments: Arguments) -> Outcome:
        if isinstance(arguments, list):
            return b"j", *map(bytes, arguments)
        if len(arguments) == 1:
            return self.callbacks.outcome(arguments[0])
        if all(isinstance(argument, bytes) for argument in arguments):
            return b"v", *arguments
        return self.callbacks.outcome(Results(arguments))

    def step(self, task: int, *answer: Any) -> Event:
        """Run a task until it waits or ends. Raises the exception that ends the script (SystemExit of `os.exit`, …)."""
        self._release_functions()
        event = self.state.step(task, *answer)
        self._stepped()
        return event if isinstance(event, tuple) else (event,)

    def _release_functions(self) -> None:
        while self.released_functions:
            self.state.invoke(b"release_function", self.released_functions.pop(), 1)

    def _stepped(self) -> None:
        """Process the requests that Lua code made during a step."""
        self.objects.release()
        if self.callbacks.ending is not None:
            raise self.callbacks.ending

    async def run(self, function: LuaFunction, arguments: Arguments, delivery: bytes = b"wire") -> Any:
        """Run a function as a task and return its first result (`Json` when delivered as b"json").

        Raises LuaError when it raises an error, and asyncio.CancelledError when it lets a cancellation through.
        """
        task, event = self.begin_task(function, arguments, delivery)
        if event[0] == b"wait":
            return await self.drive(task, event)
        return self.finish(event)

    async def drive(self, task: int, event: Event) -> Any:
        """Drive a task from `event` to its end; returns its result. Raises as `run` does."""
        import asyncio

        was_cancelled = False
        while event[0] == b"wait":
            self._flush()
            function, awaitable = self.callbacks.take_operation(event[1])
            try:
                if self.launch():
                    # Let spawned tasks run their first step before this wait begins: it may import a lot, and that
                    # time must not count for a `sleep` that waits for them.
                    await asyncio.sleep(0)
                answer = self.callbacks.outcome(await awaitable)
            except asyncio.CancelledError:
                awaitable.close()
                self.policy.check_alive()
                was_cancelled = True
                answer = self.callbacks.failure(function, cancelled())
            except Exception as error:
                answer = self.callbacks.failure(function, error)
            event = self.step(task, *answer)
        try:
            return self.finish(event)
        except LuaError as error:
            if was_cancelled and isinstance(error.value, dict) and error.value.get("kind") == "cancelled":
                raise asyncio.CancelledError from error
            raise

    def finish(self, event: Event) -> Any:
        """Flush the output of a task, launch what it spawned, and return its result as `result` does."""
        self._flush()
        self.launch()
        return self.result(event)

    def result(self, event: Event) -> Any:
        """Return the result in the last event of a task. Raises LuaError for an error."""
        tag, rest = event[0], event[1:]
        if tag == b"fields":
            return values.fields(rest)
        if tag == b"json":
            return Json(rest[0])
        if tag == b"done":
            if not rest:
                return None
            if len(rest) > 1:
                return values.decode(rest[1], rest[2:], lambda identity: self.make_function(self, identity))
            return values.text_or_bytes(rest[0]) if isinstance(rest[0], bytes) else rest[0]
        message = rest[0].decode("utf-8", "replace")
        if tag == b"unfit":
            raise LuaError(f"the result is not serializable: {message}")
        value = values.decode(rest[3], rest[4:]) if len(rest) > 3 else None
        raise LuaError(message, value, rest[1].decode("utf-8", "replace"), self.objects.by_id.get(rest[2]))

    def error_of(self, event: Event) -> LuaError:
        """Return the error with which a task ended."""
        try:
            self.result(event)
        except LuaError as error:
            return error
        raise AssertionError("the task has not failed")

    def discard(self, task: int, *, has_begun: bool) -> None:
        """Discard the outcome of an ended task, or a task that never began."""
        self.state.invoke(b"forget" if has_begun else b"drop", task)

    def spawn(self, task: int) -> SpawnedTask:
        """Adopt a task that Lua code created; it begins once the task that created it waits."""
        if self._spawned is None:
            self._spawned = SpawnedTasks(self)
        return self._spawned.add(task)

    @property
    def tasks(self) -> set[SpawnedTask]:
        """The spawned tasks that have not ended."""
        return set() if self._spawned is None else self._spawned.running

    def launch(self) -> bool:
        """Start driving newly spawned tasks; returns whether there were any."""
        return self._spawned is not None and self._spawned.launch()

    def run_sync(self, function: LuaFunction, arguments: tuple[Any, ...], delivery: bytes = b"wire") -> Any:
        """Run a function to its end, then wait for services. An event loop is started only if something waits."""
        task = self.start(function, arguments, delivery)
        event = self.step(task)
        if event[0] != b"wait" and not self.services.running:
            self._flush()
            return self.result(event)
        import asyncio

        from assay.lua.loop import new_event_loop

        async def finish() -> Any:
            main = asyncio.current_task()
            assert main is not None
            self.on_exit = main.cancel
            try:
                result = await self.drive(task, event)
                await self.wait_for_services()
                return result
            except asyncio.CancelledError:
                if isinstance(self.callbacks.ending, SystemExit):
                    raise self.callbacks.ending from None
                raise
            finally:
                await self.close()

        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            return runner.run(finish())

    # The end ------------------------------------------------------------------------------------------------

    async def wait_for_services(self) -> None:
        """Wait for the services that keep the script alive."""
        self._flush()
        await self.services.wait()

    async def close(self) -> None:
        """Cancel the spawned tasks and close all resources. No Lua code runs afterwards."""
        import asyncio

        self.callbacks.ending = asyncio.CancelledError()
        if self._spawned is not None:
            await self._spawned.close()
        self.callbacks.close_operations()
        if self._spawned is not None:
            self._spawned.report_failures()
        while self.kept:
            await self.kept.popitem()[1].close()
