"""The host: one Lua state, the builtins it can load, and the tasks that run in it.

Everything here happens on one thread at a time. `asyncio` is imported by whoever waits, never by this module.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from assay.errors import AssayError, DeniedError, ErrorObject, LuaError, LuaSyntaxError, WireError
from assay.lua import registry, values
from assay.lua.function import LuaFunction
from assay.lua.loader import search
from assay.lua.spawned import SpawnedTask, TaskOutcome, TaskResults, cancelled
from assay.lua.state import LATE, PARTS, Late, Outcome, State
from assay.lua.values import Json, Record
from assay.permissions import EVERYTHING, Permissions, paths

if TYPE_CHECKING:
    from assay.lua.declare import Function
    from assay.lua.sharing import Sharing

SNAPSHOT_WARNING = 256 * 1024

_PLAIN = {type(None), bool, float, bytes}  # what crosses as it is

_NEVER = -1  # an operation that nobody completes: the script is ending

Arguments = tuple[Any, ...] | list[Json]
"""The arguments of a Lua function: plain values, or JSON texts."""


class Several(tuple[Any, ...]):
    """Several results of one call."""


class FindModule(Protocol):
    """Finds a module for `require`; `path` is what `package.path` is at first."""

    @property
    def path(self) -> bytes:
        """The templates."""

    def __call__(self, name: str, path: bytes, built_in: bool) -> Outcome:
        """Find a module: "source", its text and its file; "missing" and where it was looked for; or "e", a message.

        `built_in` says whether there is a built-in module of this name.
        """


class Service(Protocol):
    """What keeps a script alive when its main chunk has ended: a worker.

    Awaiting it waits for its end, on any event loop (it lives on a thread of its own); that never takes much longer
    than its graceful time-out once a shutdown was requested.
    """

    def request_shutdown(self) -> None:
        """Begin to end it; from any thread, more than once."""

    def __await__(self) -> Generator[Any, None, None]: ...


class Kept(Protocol):
    """What a builtin keeps until the script ends."""

    async def close(self) -> None:
        """Let go of it."""


class Host:
    """A Lua state with builtins and tasks.

    `libraries` maps a global to its module and whether it is a plain function; `find_module` finds a module for
    `require`; `write` takes what `print` prints and `flush` is called before anything waits; `permissions` is what the
    script may do.
    """

    # There are many: one for each open run of a workflow.
    __slots__ = (
        "__weakref__",
        "_collected",
        "_ending",
        "_find_module",
        "_flush",
        "_handles",
        "_in_background",
        "_last_id",
        "_late",
        "_operations",
        "_spawned",
        "_write",
        "before_command",
        "before_service",
        "failed",
        "health",
        "kept",
        "libraries",
        "make_function",
        "on_exit",
        "on_service",
        "permissions",
        "services",
        "sharing",
        "state",
        "tasks",
        "unheld",
        "verbose",
    )

    hurried = False
    """Whether a call of a builtin must never take long."""

    def __init__(
        self,
        libraries: Mapping[str, tuple[str, bool]],
        find_module: FindModule,
        write: Callable[[bytes], Any],
        flush: Callable[[], Any] = lambda: None,
        *,
        parts: tuple[str, ...] = PARTS,
        late: Late = LATE,
        memory_limit: int | None = None,
        hash_seed: int | None = None,
        has_line_hook: bool = False,
        permissions: Permissions = EVERYTHING,
    ) -> None:
        self.permissions = permissions
        """What the script may do."""
        self.unheld: list[int] = []
        self.kept: dict[str, Kept] = {}
        """What builtins keep until the script ends (connections), by a name of their own."""
        self.services: list[Service] = []
        """What keeps the script alive when its main chunk has ended, or at least ends in order; see `add_service`."""
        self._in_background: list[Service] = []
        self.before_service: Callable[[Service], None] | None = None
        """Called with a service that is about to start."""
        self.before_command: Callable[[], Any] | None = None
        """Called when a command of the system's shell is about to start."""
        self.on_service: Callable[[], None] | None = None
        """Called when a service is added."""
        self.on_exit: Callable[[], Any] | None = None
        """Called when a spawned task calls `os.exit`; None: SystemExit goes through the event loop."""
        self.make_function: Callable[[Host, int], LuaFunction] = LuaFunction
        """Make what a Lua function in a result becomes."""
        self.verbose = False
        """Print Python's traceback of an unexpected error in a builtin."""
        self.health: str | None = None
        """Where the services of the script answer for their health, whatever the script says."""
        self.sharing: Sharing | None = None
        """What this process shares with others that run the same script, if there are any."""
        self._ending: BaseException | None = None
        self.libraries = libraries
        """The globals: their modules, and whether they are plain functions."""
        self._find_module = find_module
        self._write = write
        self._flush = flush
        self._handles: dict[int, Any] = {}
        self._last_id = 0
        self._collected: list[int] = []
        self._operations: dict[int, tuple[Function, Coroutine[Any, Any, Any]]] = {}
        self._spawned: list[SpawnedTask] = []
        self.tasks: set[SpawnedTask] = set()
        """Spawned tasks that have not ended."""
        self.failed: set[SpawnedTask] = set()
        """Spawned tasks that ended with an error which can still be awaited."""
        self._late = late
        self.state = State(late, memory_limit, hash_seed, has_line_hook=has_line_hook)
        self.state.begin(self, parts)
        names = [(name, is_function) for name, (_, is_function) in libraries.items() if "." not in name]
        self.state.invoke_once(
            b"add_globals", *(item for name, is_function in names for item in (name.encode(), is_function))
        )
        if memory_limit is None:  # else one of many, which fills them when they are used
            self.state.invoke_once(b"fill_all")

    # What Lua calls: never raises, never touches the state but for `load_part` -------------------------------

    _ASKED: ClassVar[tuple[str, ...]] = (
        *("cancel", "describe_class", "describe_method", "find_module", "let_go", "load_library", "load_part"),
        *("module_path", "replaced", "search_path", "write"),
    )
    """The methods that the private side may call by `ask`."""
    _askable: ClassVar[Mapping[bytes, Callable[..., Any]]] = MappingProxyType({})

    def __init_subclass__(cls, **options: Any) -> None:
        """Fix what Lua may ask of the hosts of a class."""
        super().__init_subclass__(**options)
        cls._askable = _table(cls, cls._ASKED)

    def ask(self, name: bytes, *arguments: Any) -> Any:
        """Call one of the methods that `_ASKED` lists."""
        return self._askable[name](self, *arguments)

    def interrupted(self, error: BaseException) -> int:
        """End the script because of an exception from outside, such as an interrupt from the keyboard."""
        if not hasattr(self, "state"):  # Python is collecting this host, and a finalizer of Lua's runs
            raise error
        _, never = self.end(error)
        return int(never)

    def call(self, index: int, *arguments: Any) -> Outcome:
        """Run a builtin; its outcome is told as a tuple (see `host/bind.lua`)."""
        function = registry.functions[index]
        try:
            result = self.implementation(function)(*self._arguments(function, arguments))
            if function.waits:
                self._last_id += 1
                self._operations[self._last_id] = function, result
                return b"w", self._last_id
            return self.outcome(result)
        except BaseException as error:
            return self.failure(function, error)

    def implementation(self, function: Function) -> Callable[..., Any]:
        """What runs when the script calls `function`; raises BuiltinError when this host does not allow it."""
        return self._guarded(function) if self.permissions.restricts else function.python

    def _guarded(self, function: Function) -> Callable[..., Any]:
        """Make what runs `function` when the policy admits what it needs: every call of a builtin goes through here."""
        names = [parameter.name for parameter in function.parameters]

        def call(*arguments: Any) -> Any:
            own = 1 if function.takes_host else 0
            admitted = self.permissions.admit(function.needs, names, arguments[own:])
            return function.python(*arguments[:own], *admitted)

        return call

    def check_alive(self) -> None:
        """Raise when a cancellation means that the whole state is going away and no Lua code may run any more."""

    def end(self, error: BaseException) -> Outcome:
        """Let no more Lua code run: `step` raises `error`. Returns what suspends the calling task meanwhile."""
        self._ending = error
        return b"w", _NEVER

    def cancel(self, operation: int) -> None:
        """Forget an operation that nobody can wait for."""
        if operation != _NEVER:
            _, coroutine = self._operations.pop(operation)
            coroutine.close()

    def take_operation(self, operation: int) -> tuple[Function, Coroutine[Any, Any, Any]]:
        """Return what an operation runs and which function began it; whoever takes it carries it to its end."""
        return self._operations.pop(operation)

    def let_go(self, identity: int) -> None:
        """Remember that Lua has collected a handle."""
        self._collected.append(identity)

    def load_library(self, name: bytes) -> Outcome:
        """Import a library and tell Lua its declaration."""
        try:
            return b"t", registry.describe(self.libraries[name.decode()][0])
        except Exception as error:
            return b"e", f"{name.decode()}: {type(error).__name__}: {error}".encode("utf-8", "replace")

    def describe_class(self, name: bytes) -> Outcome:
        """What a class of handles has beside methods. Its library may be one that the script has not used so far."""
        text = name.decode()
        library = self.libraries.get(text.partition(".")[0])
        if library is not None:
            registry.describe(library[0])
        return registry.describe_class(text)

    def describe_method(self, owner: bytes, name: bytes) -> Outcome:
        """The declaration of a method of a class of handles; empty when there is none."""
        return registry.describe_method(f"{owner.decode()}:{name.decode('utf-8', 'replace')}")

    def module_path(self) -> bytes:
        """What `package.path` is before a script sets it."""
        return self._find_module.path

    def search_path(self, name: bytes, path: bytes) -> Outcome:
        """Find a file for `package.searchpath`."""
        try:
            return search(name, path, self.permissions)
        except DeniedError as error:
            return self._error_object("package.searchpath", error)

    def find_module(self, name: bytes, path: bytes) -> Outcome:
        """Find a module for `require` by `package.path`: its source and path, a library, or an error."""
        try:
            text = name.decode()
        except UnicodeDecodeError:
            return b"e", b"require: a module's name is UTF-8 text"
        built_in = [module for module in self.libraries if "." in module and not module.startswith("_")]
        try:
            tag, *rest = self._find_module(text, path, text in built_in)
        except DeniedError as error:
            return self._error_object("require", error)
        except Exception as error:
            return b"e", f"require: {text}: {error}".encode("utf-8", "replace")
        if tag in (b"missing", b"e") and text in built_in:
            return (b"library",)
        if tag != b"missing":
            return tag, *rest
        places = [f"no file '{path}'" for path in rest] + [f"not a built-in module ({', '.join(sorted(built_in))})"]
        return b"e", "\n\t".join([f"require: module '{text}' not found:", *places]).encode("utf-8", "replace")

    def write(self, text: bytes) -> int | None:
        """Write what `print` prints; returns the operation to wait for when the script is over because of it."""
        try:
            self._write(text)
        except BaseException as error:
            self._ending = error
            return _NEVER
        return None

    def replaced(self, library: bytes) -> Outcome:
        """The functions of one of Lua's own libraries that the private side has its own for."""
        return self._late.replaced(library)

    def load_part(self, name: bytes) -> Any:
        """The part of the private side that has a function which is needed for the first time."""
        return self.state.load_part(name)

    # Arguments ----------------------------------------------------------------------------------------------

    def _arguments(self, function: Function, given: tuple[Any, ...]) -> list[Any]:
        parameters = function.parameters
        sides = given[len(parameters) :]
        arguments: list[Any] = [self] if function.takes_host else []
        for parameter, raw in zip(parameters, given, strict=False):
            read = parameter.read
            if raw is None:
                if not parameter.rest:
                    arguments.append(parameter.default)
            elif read is None:
                arguments.append(raw)
            elif parameter.rest:
                arguments.extend(read(self, raw, sides))
            else:
                arguments.append(read(self, raw, sides))
        return arguments

    def object(self, identity: int) -> Any:
        """What a handle stands for."""
        return self._handles[identity]

    # Outcomes -----------------------------------------------------------------------------------------------

    def outcome(self, result: Any) -> Outcome:
        """Return a result as Lua's side takes it."""
        if type(result) in _PLAIN:
            return b"v", result
        if isinstance(result, Record):
            parts = result.parts()
            if parts is not None:
                return b"s", *parts
            result = result.plain()
        if isinstance(result, str):
            return b"v", result.encode("utf-8", "surrogateescape")
        if isinstance(result, Json):
            return b"j", bytes(result)
        if isinstance(result, bytes):
            return b"v", bytes(result)
        if isinstance(result, TaskOutcome | TaskResults):
            return b"k" if isinstance(result, TaskOutcome) else b"r", int(result)
        if isinstance(result, int):
            return b"v", result if values.MIN_INTEGER <= result <= values.MAX_INTEGER else float(result)
        handle = getattr(result, "lua_name", None)
        if handle is not None:
            return b"h", handle.encode(), self._keep(result)
        several = isinstance(result, Several)
        text, sides = values.encode(list(result) if several else result)
        return b"m" if several else b"t", text, *sides

    def _keep(self, item: Any) -> int:
        self._last_id += 1
        self._handles[self._last_id] = item
        return self._last_id

    def failure(self, function: Function, error: BaseException) -> Outcome:
        """Return an error of a call as Lua's side takes it."""
        title = function.title
        if isinstance(error, ErrorObject):
            return self._error_object(title, error)
        if isinstance(error, AssayError):
            return b"e", f"{title}: {error}".encode("utf-8", "replace")
        if isinstance(error, OSError) and error.strerror:
            where = b"" if error.filename is None else _file_name(error.filename) + b": "
            return b"e", f"{title}: ".encode() + where + error.strerror.encode()
        if isinstance(error, RecursionError):
            return b"e", f"{title}: a value that is nested too deep".encode()
        if not isinstance(error, Exception):
            return self.end(error)
        if self.verbose:
            import traceback

            traceback.print_exception(error, file=sys.stderr)
        return b"e", f"{title}: {type(error).__name__}: {error}".encode("utf-8", "replace")

    def _error_object(self, title: str, error: ErrorObject) -> Outcome:
        fields = error.fields if error.is_whole else error.fields | {"message": f"{title}: {error}"}
        text, sides = self._encode_fields(fields)
        origin = 0 if error.origin is None else self._keep(error.origin)
        return b"f", origin, text, *sides

    def _encode_fields(self, fields: dict[str, Any]) -> tuple[bytes, list[bytes]]:
        try:
            return values.encode(fields)
        except WireError:
            return values.encode({name: value for name, value in fields.items() if isinstance(value, str)})

    # Tasks --------------------------------------------------------------------------------------------------

    def load(self, source: bytes, name: str) -> LuaFunction:
        """Compile a chunk. `name` is its file, or stands for itself after a "=". Raises LuaSyntaxError."""
        chunk_name = name if name.startswith("=") else "@" + name
        result = self.state.invoke(b"load_chunk", source, chunk_name.encode("utf-8", "surrogateescape"))
        if isinstance(result, tuple):
            raise LuaSyntaxError(result[1].decode("utf-8", "replace"))
        return LuaFunction(self, result)

    def snapshot(self, function: LuaFunction, title: str, *, with_handles: bool = False) -> bytes:
        """A function with everything that it reaches, to be made again in another state.

        `with_handles`: the host of that state has those of this one. A snapshot over `SNAPSHOT_WARNING` bytes is warned
        of on stderr.
        """
        result = self.state.invoke(b"snapshot", function.id, with_handles)
        data: bytes = result[0]
        if len(data) > SNAPSHOT_WARNING:
            parts = ", ".join(
                f"{name.decode('utf-8', 'replace')} ({size} bytes)"
                for name, size in zip(result[1::2], result[2::2], strict=True)
            )
            sys.stderr.write(f"warning: {title} takes {len(data)} bytes along; its largest parts: {parts}\n")
        return data

    def find_function(self, name: str) -> LuaFunction | None:
        """Find a global function by its name, which may have dots."""
        identity = self.state.invoke(b"find_function", name.encode())
        return None if identity is None else LuaFunction(self, identity)

    def find_modules(self, find_module: FindModule) -> None:
        """Find modules in another way from now on."""
        self._find_module = find_module
        self.state.invoke(b"set_module_path", find_module.path)

    def set_arguments(self, script: bytes, *arguments: bytes) -> None:
        """Set the global `arg`."""
        self.state.invoke(b"set_arguments", script, *arguments)

    def start(self, function: LuaFunction, arguments: Arguments, delivery: bytes = b"wire") -> int:
        """Make a task of a function; returns its id."""
        task = self.state.invoke(b"start", delivery, function.id, *self._pass(arguments))
        assert isinstance(task, int)
        return task

    def begin_task(self, function: LuaFunction, arguments: Arguments, delivery: bytes) -> tuple[int, tuple[Any, ...]]:
        """Make a task of a function and run it until it waits or ends; returns its id and the event."""
        self._unhold()
        event: tuple[Any, ...] = self.state.invoke(b"run", delivery, function.id, *self._pass(arguments))
        self._stepped()
        return event[0], event[1:]

    def _pass(self, arguments: Arguments) -> Outcome:
        if isinstance(arguments, list):
            return b"j", *map(bytes, arguments)
        if len(arguments) == 1:
            return self.outcome(arguments[0])
        if all(isinstance(argument, bytes) for argument in arguments):
            return b"v", *arguments
        return self.outcome(Several(arguments))

    def step(self, task: int, *answer: Any) -> tuple[Any, ...]:
        """Run a task until it waits or ends; raises what ends the script (SystemExit of `os.exit`, …)."""
        self._unhold()
        event = self.state.step(task, *answer)
        self._stepped()
        return event if isinstance(event, tuple) else (event,)

    def _unhold(self) -> None:
        while self.unheld:
            self.state.invoke(b"unhold", self.unheld.pop(), 1)

    def _stepped(self) -> None:
        """Look after a step what Lua code has asked for."""
        if self._collected:
            self._release()
        if self._ending is not None:
            raise self._ending

    def _release(self) -> None:
        """Forget the objects whose handles Lua has collected."""
        while self._collected:
            item = self._handles.pop(self._collected.pop())
            if hasattr(item, "release"):
                item.release()

    async def run(self, function: LuaFunction, arguments: Arguments, delivery: bytes = b"wire") -> Any:
        """Run a function as a task and return its first result (`Json` when delivered as b"json").

        Raises LuaError when it raises an error, and asyncio.CancelledError when it lets a cancellation through.
        """
        task, event = self.begin_task(function, arguments, delivery)
        if event[0] == b"wait":
            return await self.drive(task, event)
        self.launch()
        return self.result(event)

    async def drive(self, task: int, event: tuple[Any, ...]) -> Any:
        """Carry a task from `event` to its end."""
        import asyncio

        was_cancelled = False
        while event[0] == b"wait":
            self._flush()
            function, awaitable = self.take_operation(event[1])
            try:
                if self.launch():
                    # They begin before this wait does, so that what their first step takes (it may import a lot) is
                    # not taken from a `sleep` that lets them get ready.
                    await asyncio.sleep(0)
                answer = self.outcome(await awaitable)
            except asyncio.CancelledError:
                awaitable.close()
                self.check_alive()
                was_cancelled = True
                answer = self.failure(function, cancelled())
            except Exception as error:
                answer = self.failure(function, error)
            event = self.step(task, *answer)
        self.launch()
        try:
            return self.result(event)
        except LuaError as error:
            if was_cancelled and isinstance(error.value, dict) and error.value.get("kind") == "cancelled":
                raise asyncio.CancelledError from error
            raise

    def result(self, event: tuple[Any, ...]) -> Any:
        """The result that the last event of a task carries; raises LuaError for an error."""
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
            raise LuaError(f"the result cannot be carried: {message}")
        value = values.decode(rest[3], rest[4:]) if len(rest) > 3 else None
        raise LuaError(message, value, rest[1].decode("utf-8", "replace"), self._handles.get(rest[2]))

    def error_of(self, event: tuple[Any, ...]) -> LuaError:
        """Return the error with which a task ended."""
        try:
            self.result(event)
        except LuaError as error:
            return error
        raise AssertionError("the task has not failed")

    def launch(self) -> bool:
        """Start driving the tasks that Lua code spawned; returns whether there were any."""
        launched = self._spawned
        self._spawned = []
        for spawned in launched:
            spawned.launch()
        return bool(launched)

    def spawn(self, task: int) -> SpawnedTask:
        """Take over a task that Lua code made; it begins when whoever made it waits."""
        spawned = SpawnedTask(self, task)
        self.tasks.add(spawned)
        self._spawned.append(spawned)
        return spawned

    def run_sync(self, function: LuaFunction, arguments: tuple[Any, ...], delivery: bytes = b"wire") -> Any:
        """Run a function and whatever it waits for, to its end; `asyncio` only when something waits."""
        task = self.start(function, arguments, delivery)
        event = self.step(task)
        if event[0] != b"wait" and not self.services:
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
                if isinstance(self._ending, SystemExit):
                    raise self._ending from None
                raise
            finally:
                await self.close()

        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            return runner.run(finish())

    def add_service(self, service: Service, *, keeps_alive: bool = True) -> None:
        """Keep the script alive until `service` ends; on the event loop's thread.

        One that does not keep it alive is only told of a shutdown.
        """
        self.services.append(service)
        if not keeps_alive:
            self._in_background.append(service)
        if self.on_service is not None:
            self.on_service()

    def remove_service(self, service: Service) -> None:
        """Forget a service that has ended."""
        for services in (self.services, self._in_background):
            if service in services:
                services.remove(service)

    async def wait_for_services(self) -> None:
        """Wait for what keeps the script alive."""
        self._flush()
        while len(self.services) > len(self._in_background):
            service = next(service for service in self.services if service not in self._in_background)
            await service
            self.remove_service(service)

    async def close(self) -> None:
        """End the spawned tasks: what each waits for raises an error, and after that nothing runs any more."""
        import asyncio

        self._ending = asyncio.CancelledError()
        running = [task.running for task in self.tasks if task.running is not None]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
        for _, coroutine in self._operations.values():
            coroutine.close()
        self._operations.clear()
        for failed in self.failed:
            failed.complain()
        self.failed.clear()
        while self.kept:
            await self.kept.popitem()[1].close()


def _table(cls: type, names: Iterable[str]) -> Mapping[bytes, Callable[..., Any]]:
    return MappingProxyType({name.encode(): getattr(cls, name) for name in names})


Host._askable = _table(Host, Host._ASKED)


def _file_name(name: Any) -> bytes:
    if isinstance(name, bytes):
        return paths.given(name)
    return os.fsencode(name) if isinstance(name, str) else str(name).encode()
