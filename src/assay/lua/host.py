"""The host: one Lua state, the builtins it can load, and the tasks that run in it.

Everything here happens on one thread at a time. `asyncio` is imported by whoever waits, never by this module.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from assay.errors import BuiltinError, ErrorObject, LuaError, LuaSyntaxError
from assay.lua import values
from assay.lua.function import LuaFunction
from assay.lua.state import PARTS, Outcome, State
from assay.lua.values import Json

if TYPE_CHECKING:
    import asyncio

    from assay.lua.declare import Function, Library

_NEVER = -1  # an operation that nobody completes: the script is ending
CANCELLED = ErrorObject("cancelled", kind="cancelled")


class TaskOutcome(int):
    """The id of an ended task whose results (or error) a builtin returns."""


class Several(tuple[Any, ...]):
    """Several results of one call."""


class Host:
    """A Lua state with builtins and tasks.

    `libraries` maps a global to its module and whether it is a plain function; `find_module` finds a module for
    `require`; `write` takes what `print` prints and `flush` is called before anything waits.
    """

    def __init__(
        self,
        libraries: Mapping[str, tuple[str, bool]],
        find_module: Callable[[str], Outcome],
        write: Callable[[bytes], Any],
        flush: Callable[[], Any] = lambda: None,
        *,
        parts: tuple[str, ...] = PARTS,
        memory_limit: int | None = None,
        hash_seed: int | None = None,
    ) -> None:
        self.unheld: list[int] = []
        self.services: list[Awaitable[Any]] = []
        """What keeps the script alive when its main chunk has ended (workers)."""
        self.verbose = False
        """Print Python's traceback of an unexpected error in a builtin."""
        self._ending: BaseException | None = None
        self._libraries = libraries
        self._find_module = find_module
        self._write = write
        self._flush = flush
        self._functions: list[Function] = []
        self._handle_classes: dict[type, str] = {}
        self._handles: dict[int, Any] = {}
        self._last_id = 0
        self._operations: dict[int, tuple[Function, Coroutine[Any, Any, Any]]] = {}
        self._spawned: list[int] = []
        self._tasks: dict[int, asyncio.Task[Any]] = {}
        self.state = State(self, parts, memory_limit, hash_seed)
        for name, (_, is_function) in libraries.items():
            if "." not in name:
                self.state.invoke(b"add_global", name.encode(), is_function)

    # What Lua calls: never raises, never touches the state --------------------------------------------------

    def call(self, index: int, *arguments: Any) -> Outcome:
        """Run a builtin; its outcome is told as a tuple (see `host/bind.lua`)."""
        function = self._functions[index]
        try:
            self.check_allowed(function)
            result = function.python(*self._arguments(function, arguments))
            if function.waits:
                self._last_id += 1
                self._operations[self._last_id] = function, result
                return b"w", self._last_id
            return self._outcome(result)
        except BaseException as error:
            return self._failure(function, error)

    def check_allowed(self, function: Function) -> None:
        """Raise BuiltinError when this host does not let its script call `function`."""

    def cancel(self, operation: int) -> None:
        """Forget an operation that nobody can wait for."""
        if operation != _NEVER:
            _, coroutine = self._operations.pop(operation)
            coroutine.close()

    def load_library(self, name: bytes) -> Outcome:
        """Import a library and tell Lua its declaration."""
        try:
            library = self._import(name.decode())
        except ImportError as error:
            return b"e", f"{name.decode()}: {error}".encode()
        return b"t", values.encode(self._describe(library))[0]

    def find_module(self, name: bytes) -> Outcome:
        """Find a module for `require`: its source and path, a library, or an error."""
        try:
            text = name.decode()
        except UnicodeDecodeError:
            return b"e", b"require: a module's name is UTF-8 text"
        if "." in text and text in self._libraries:
            return (b"library",)
        return self._find_module(text)

    def spawned(self, task: int) -> None:
        """Take note of a task that Lua code made."""
        self._spawned.append(task)

    def write(self, text: bytes) -> None:
        """Write what `print` prints."""
        try:
            self._write(text)
        except BaseException as error:
            self._ending = error

    # Builtins -----------------------------------------------------------------------------------------------

    def _import(self, name: str) -> Library:
        import importlib

        module = importlib.import_module(self._libraries[name][0])
        library: Library = module.library
        return library

    def _describe(self, library: Library) -> dict[str, Any]:
        functions = [self._declare(function) for function in library.functions]
        if library.entry is not None:
            functions.append(self._declare(library.entry) | {"call": True})
        classes = []
        for handle in library.handles:
            self._handle_classes[handle.python] = handle.name
            classes.append({"name": handle.name, "methods": [self._declare(method) for method in handle.methods]})
        described: dict[str, Any] = {"functions": functions, "classes": classes}
        if library.lua is not None:
            with open(library.lua, encoding="utf-8") as file:
                described["lua"] = file.read()
        return described

    def _declare(self, function: Function) -> dict[str, Any]:
        declared: dict[str, Any] = {"name": function.name, "title": function.title}
        if not function.native:
            declared["index"] = len(self._functions)
            declared["parameters"] = [[p.name, p.kind, p.optional] for p in function.parameters]
            self._functions.append(function)
        return declared

    def _arguments(self, function: Function, given: tuple[Any, ...]) -> list[Any]:
        parameters = function.parameters
        sides = given[len(parameters) :]
        arguments: list[Any] = [self] if function.takes_host else []
        defaults = function.python.__defaults__ or ()
        positional = function.python.__code__.co_argcount
        for parameter, raw in zip(parameters, given, strict=False):
            if raw is None:
                if parameter.rest:
                    continue
                index = len(arguments) - (positional - len(defaults))
                arguments.append(defaults[index] if index >= 0 else None)
                continue
            value: Any = raw
            if parameter.is_handle:
                value = self._handles[raw]
            elif parameter.kind == "json":
                value = Json(raw)
            elif parameter.kind == "function":
                value = LuaFunction(self, raw)
            elif isinstance(raw, bytes):
                value = self._decode(parameter.kind, raw, sides)
                if parameter.is_bytes and isinstance(value, bytes):
                    arguments.append(value)
                    continue
                assert parameter.convert is not None
                value = parameter.convert(value, f"argument '{parameter.name}'")
            if parameter.rest:
                arguments.extend(value)
            else:
                arguments.append(value)
        return arguments

    def _decode(self, kind: str, raw: bytes, sides: tuple[bytes, ...]) -> Any:
        if kind == "string":
            return values.text_or_bytes(raw)
        if raw[:1] == b"=":
            return values.text_or_bytes(raw[1:])
        first, _, text = raw.partition(b":")
        return values.decode(text, sides[int(first) :], lambda identity: LuaFunction(self, identity))

    # Outcomes -----------------------------------------------------------------------------------------------

    def _outcome(self, result: Any) -> Outcome:
        if result is None or isinstance(result, bool | float):
            return b"v", result
        if isinstance(result, str):
            return b"v", result.encode("utf-8", "surrogateescape")
        if isinstance(result, Json):
            return b"j", bytes(result)
        if isinstance(result, bytes):
            return b"v", result
        if isinstance(result, TaskOutcome):
            return b"k", int(result)
        if isinstance(result, int):
            return b"v", result if values.MIN_INTEGER <= result <= values.MAX_INTEGER else float(result)
        handle = self._handle_classes.get(type(result))
        if handle is not None:
            return b"h", handle.encode(), self._keep(result)
        several = isinstance(result, Several)
        text, sides = values.encode(list(result) if several else result)
        return b"m" if several else b"t", text, *sides

    def _keep(self, item: Any) -> int:
        self._last_id += 1
        self._handles[self._last_id] = item
        return self._last_id

    def _failure(self, function: Function, error: BaseException) -> Outcome:
        title = function.title
        if isinstance(error, ErrorObject):
            text, sides = values.encode(error.fields)
            return b"f", text, *sides
        if isinstance(error, BuiltinError | values.WireError):
            return b"e", f"{title}: {error}".encode("utf-8", "replace")
        if isinstance(error, OSError) and error.strerror:
            where = f"{error.filename}: " if error.filename is not None else ""
            return b"e", f"{title}: {where}{error.strerror}".encode("utf-8", "replace")
        if not isinstance(error, Exception):
            self._ending = error
            return b"w", _NEVER
        if self.verbose:
            import traceback

            traceback.print_exception(error, file=sys.stderr)
        return b"e", f"{title}: {type(error).__name__}: {error}".encode("utf-8", "replace")

    # Tasks --------------------------------------------------------------------------------------------------

    def load(self, source: bytes, name: str) -> LuaFunction:
        """Compile a chunk. Raises LuaSyntaxError."""
        result = self.state.invoke(b"load_chunk", source, b"@" + name.encode())
        if isinstance(result, tuple):
            raise LuaSyntaxError(result[1].decode("utf-8", "replace"))
        return LuaFunction(self, result)

    def start(self, function: LuaFunction, arguments: tuple[Any, ...] | Json, delivery: bytes = b"wire") -> int:
        """Make a task of a function; returns its id. Arguments are plain values, or one value as JSON."""
        outcome: Outcome
        if isinstance(arguments, Json):
            outcome = b"j", bytes(arguments)
        elif len(arguments) == 1:
            outcome = self._outcome(arguments[0])
        else:
            outcome = self._outcome(Several(arguments))
        task = self.state.invoke(b"start", delivery, function.id, *outcome)
        assert isinstance(task, int)
        return task

    def step(self, task: int, *answer: Any) -> tuple[Any, ...]:
        """Run a task until it waits or ends; raises what ends the script (SystemExit of `os.exit`, …)."""
        while self.unheld:
            self.state.invoke(b"unhold", self.unheld.pop(), 1)
        event = self.state.step(task, *answer)
        if self._ending is not None:
            raise self._ending
        return event if isinstance(event, tuple) else (event,)

    async def run(self, function: LuaFunction, arguments: tuple[Any, ...] | Json, delivery: bytes = b"wire") -> Any:
        """Run a function as a task and return its first result (`Json` when delivered as b"json").

        Raises LuaError when it raises an error, and asyncio.CancelledError when it lets a cancellation through.
        """
        task = self.start(function, arguments, delivery)
        return await self.drive(task, self.step(task))

    async def drive(self, task: int, event: tuple[Any, ...]) -> Any:
        """Carry a task from `event` to its end."""
        import asyncio

        cancelled = False
        self._launch()
        while event[0] == b"wait":
            function, awaitable = self._operations.pop(event[1])
            self._flush()
            try:
                answer = self._outcome(await awaitable)
            except asyncio.CancelledError:
                cancelled = True
                answer = self._failure(function, CANCELLED)
            except BaseException as error:
                answer = self._failure(function, error)
            event = self.step(task, *answer)
            self._launch()
        try:
            return self.result(event)
        except LuaError as error:
            if cancelled and isinstance(error.value, dict) and error.value.get("kind") == "cancelled":
                raise asyncio.CancelledError from error
            raise

    def result(self, event: tuple[Any, ...]) -> Any:
        """The result that the last event of a task carries; raises LuaError for an error."""
        tag, *rest = event
        if tag == b"json":
            return Json(rest[0])
        if tag == b"done":
            if not rest:
                return None
            if len(rest) > 1:
                return values.decode(rest[1], rest[2:])
            return values.text_or_bytes(rest[0]) if isinstance(rest[0], bytes) else rest[0]
        message = rest[0].decode("utf-8", "replace")
        if tag == b"unfit":
            raise LuaError(f"the result cannot be carried: {message}")
        value = values.decode(rest[2], rest[3:]) if len(rest) > 2 else None
        raise LuaError(message, value, rest[1].decode("utf-8", "replace"))

    def _launch(self) -> None:
        """Start driving the tasks that Lua code spawned."""
        if not self._spawned:
            return
        import asyncio

        for task in self._spawned:
            self._tasks[task] = asyncio.ensure_future(self._drive_spawned(task))
        self._spawned = []

    async def _drive_spawned(self, task: int) -> LuaError | None:
        import asyncio

        try:
            await self.drive(task, self.step(task))
        except LuaError as error:
            return error
        except asyncio.CancelledError:
            pass
        return None

    async def join(self, task: int) -> TaskOutcome:
        """Wait for a spawned task to end; its outcome stays in Lua."""
        import asyncio

        self._launch()
        await asyncio.wait([self._tasks[task]])
        del self._tasks[task]
        return TaskOutcome(task)

    def cancel_task(self, task: int) -> None:
        """Cancel a spawned task: what it waits for raises an error."""
        self._launch()
        self._tasks[task].cancel()

    def run_sync(self, function: LuaFunction, arguments: tuple[Any, ...]) -> Any:
        """Run a function and whatever it waits for, to its end; `asyncio` only when something waits."""
        task = self.start(function, arguments)
        event = self.step(task)
        if event[0] != b"wait" and not self.services:
            self._flush()
            return self.result(event)
        import asyncio

        async def finish() -> Any:
            result = await self.drive(task, event)
            await self.wait_for_services()
            return result

        return asyncio.run(finish())

    async def wait_for_services(self) -> None:
        """Wait for what keeps the script alive."""
        self._flush()
        while self.services:
            await self.services.pop(0)
