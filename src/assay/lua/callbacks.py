"""Python functions that Lua calls: builtins, their declarations, modules, `print`.

None of them raises, and only `load_part` uses the state, because Lua code is running.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from assay.errors import DeniedError
from assay.lua import outcomes, registry
from assay.lua.function import TaskHost
from assay.lua.loader import FindModule
from assay.lua.objects import Objects
from assay.lua.policy import Lender, Limits, Policy
from assay.lua.state import Outcome, State

if TYPE_CHECKING:
    from assay.lua.declare import Function

_NEVER = -1  # operation that never completes: the script is ending


class Callbacks:
    """The callbacks of one state, and the pending operations of its builtins."""

    __slots__ = (
        "_host",
        "_last_operation",
        "_write",
        "ending",
        "finder",
        "lender",
        "libraries",
        "limits",
        "objects",
        "operations",
        "policy",
        "state",
    )

    def __init__(
        self,
        host: TaskHost,
        libraries: Mapping[str, tuple[str, bool]],
        finder: FindModule,
        write: Callable[[bytes], Any],
        policy: Policy,
        limits: Limits | None,
        objects: Objects,
    ) -> None:
        """`write` receives the output of `print`. `state` must be set before the state begins."""
        self._host = host
        self._write = write
        self.state: State
        self.libraries = libraries
        self.finder = finder
        self.policy = policy
        self.limits = limits
        self.objects = objects
        self.lender: Lender | None = None
        """Access to the tables of the run of which this state is a copy."""
        self.operations: dict[int, tuple[Function, Coroutine[Any, Any, Any]]] = {}
        """Pending operations by id: the function that began each, and its coroutine."""
        self._last_operation = 0
        self.ending: BaseException | None = None
        """Exception that the next step raises, because the script is ending."""

    _METHODS: ClassVar[tuple[str, ...]] = (
        *("borrow", "borrow_length", "borrowed"),
        *("cancel", "cpu_spent", "describe_class", "describe_method", "find_module", "release_handle", "load_library"),
        *("load_part", "module_path", "replaced", "search_path", "write"),
    )
    """Methods that the private Lua side may call through `ask`."""
    methods: ClassVar[Mapping[bytes, Callable[..., Any]]]

    def ask(self, name: bytes, *arguments: Any) -> Any:
        """Call one of the methods in `_METHODS`."""
        return self.methods[name](self, *arguments)

    def interrupted(self, error: BaseException) -> int:
        """End the script because of an external exception, such as a keyboard interrupt."""
        if not hasattr(self, "state"):  # Python is collecting this object while a Lua finalizer runs
            raise error
        _, never = self.end(error)
        return int(never)

    # Calls of builtins --------------------------------------------------------------------------------------

    def call(self, index: int, *given: Any) -> Outcome:
        """Run a builtin; returns its outcome."""
        function, policy = registry.functions[index], self.policy
        try:
            result = policy.implementation(function)(*policy.arguments(self._host, function, given))
            if function.waits:
                self._last_operation += 1
                self.operations[self._last_operation] = function, result
                outcome: Outcome = (b"w", self._last_operation)
            else:
                outcome = outcomes.of_result(result, self.objects)
        except BaseException as error:
            outcome = self.failure(function, error)
        return outcome if self.limits is None else self.limits.check_outcome(outcome)

    def outcome(self, result: Any) -> Outcome:
        """Return the outcome of an operation that returned `result`."""
        return outcomes.of_result(result, self.objects)

    def failure(self, function: Function, error: BaseException) -> Outcome:
        """Return the outcome of a call, or an operation, of `function` that raised `error`."""
        error = self.policy.explain(error)
        if not isinstance(error, Exception):
            return self.end(error)
        if self._host.verbose and not outcomes.is_expected(error):
            import traceback

            traceback.print_exception(error, file=sys.stderr)
        return outcomes.of_error(function.title, error, self.objects)

    def end(self, error: BaseException) -> Outcome:
        """End the script: the next step raises `error`. Returns the outcome that suspends the calling task."""
        self.ending = error
        return b"w", _NEVER

    def cancel(self, operation: int) -> None:
        """Discard an operation that cannot be waited for."""
        if operation != _NEVER:
            _, coroutine = self.operations.pop(operation)
            coroutine.close()

    def take_operation(self, operation: int) -> tuple[Function, Coroutine[Any, Any, Any]]:
        """Remove an operation; returns the function that began it, and its coroutine for the caller to await."""
        return self.operations.pop(operation)

    def close_operations(self) -> None:
        """Close the operations that nothing awaits."""
        for _, coroutine in self.operations.values():
            coroutine.close()  # otherwise Python warns that it was never awaited
        self.operations.clear()

    def release_handle(self, identity: int) -> None:
        """Release the object of a handle that Lua has collected."""
        self.objects.collected(identity)

    def cpu_spent(self) -> float | None:
        """Return the CPU seconds used so far; None when the limit is reached."""
        return 0.0 if self.limits is None else self.limits.cpu_spent()

    # Copies -------------------------------------------------------------------------------------------------

    def borrow(self, number: int, more: int, *key: Any) -> Any:
        """Return a message with the contents of a table of the copied run; None if out of memory."""
        assert self.lender is not None
        return self.lender.contents(number, more, *key)

    def borrow_length(self, number: int) -> Any:
        """Return the length of a table of the copied run; None if out of memory."""
        assert self.lender is not None
        return self.lender.length(number)

    def borrowed(self) -> None:
        """Note that the last message was read."""
        assert self.lender is not None
        self.lender.done()

    # Declarations -------------------------------------------------------------------------------------------

    def load_library(self, name: bytes) -> Outcome:
        """Import a library; returns its declaration."""
        try:
            declaration = registry.describe(self.libraries[name.decode()][0])
        except Exception as error:
            return self._fitting((b"e", f"{name.decode()}: {type(error).__name__}: {error}".encode("utf-8", "replace")))
        return self._fitting((b"t", declaration))

    def describe_class(self, name: bytes) -> Outcome:
        """Return what `registry.describe_class` returns, after importing the library of the class."""
        text = name.decode()
        library = self.libraries.get(text.partition(".")[0])
        if library is not None:
            registry.describe(library[0])
        return registry.describe_class(text)

    def describe_method(self, owner: bytes, name: bytes) -> Outcome:
        """Return the declaration of a method of a class of handles; empty if there is none."""
        if self.limits is not None and not self.limits.has_room():
            return ()
        return registry.describe_method(f"{owner.decode()}:{name.decode('utf-8', 'replace')}")

    def _fitting(self, outcome: Outcome) -> Outcome:
        if self.limits is None or self.limits.has_room(*outcome):
            return outcome
        return b"e", b"not enough memory"

    # Modules and parts --------------------------------------------------------------------------------------

    def module_path(self) -> bytes:
        """Return the initial `package.path`."""
        return self.finder.path

    def search_path(self, name: bytes, path: bytes) -> Outcome:
        """Find a file for `package.searchpath`."""
        try:
            return self.finder.search(name, path)
        except DeniedError as error:
            return outcomes.of_error("package.searchpath", error, self.objects)

    def find_module(self, name: bytes, path: bytes) -> Outcome:
        """Find a module for `require` in `package.path`: returns its source and path, a library, or an error."""
        return self._fitting(self._find_module(name, path))

    def _find_module(self, name: bytes, path: bytes) -> Outcome:
        try:
            text = name.decode()
        except UnicodeDecodeError:
            return b"e", b"require: the name of a module must be UTF-8"
        built_in = [module for module in self.libraries if "." in module and not module.startswith("_")]
        try:
            tag, *rest = self.finder(text, path, text in built_in)
        except DeniedError as error:
            return outcomes.of_error("require", error, self.objects)
        except Exception as error:
            return b"e", f"require: {text}: {error}".encode("utf-8", "replace")
        if tag in (b"missing", b"e") and text in built_in:
            return (b"library",)
        if tag != b"missing":
            return tag, *rest
        places = [f"no file '{path}'" for path in rest] + [f"not a built-in module ({', '.join(sorted(built_in))})"]
        return b"e", "\n\t".join([f"require: module '{text}' not found:", *places]).encode("utf-8", "replace")

    def replaced(self, library: bytes) -> Outcome:
        """Return the functions of a standard library that the private Lua side replaces."""
        return self.state.lazy.replaced(library)

    def load_part(self, name: bytes) -> Any:
        """Return the chunk of the part that defines a function; see `State.load_part`."""
        if self.limits is not None and not self.limits.has_room():
            return b"not enough memory"
        return self.state.load_part(name)

    # Output -------------------------------------------------------------------------------------------------

    def write(self, text: bytes) -> int | None:
        """Write output of `print`. If that fails, the script ends: returns an operation to wait for."""
        try:
            self._write(text)
        except BaseException as error:
            self.ending = error
            return _NEVER
        return None


Callbacks.methods = MappingProxyType({name.encode(): getattr(Callbacks, name) for name in Callbacks._METHODS})
