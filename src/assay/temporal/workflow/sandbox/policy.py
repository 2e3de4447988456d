"""The policy for calls of builtins in a workflow: nondeterministic functions are replaced, I/O is denied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from assay import log_lines
from assay.builtins import crypto
from assay.errors import AssayError, BuiltinError
from assay.lua.function import TaskHost
from assay.lua.policy import Policy
from assay.permissions import EVERYTHING
from assay.temporal.workflow.sandbox.errors import HostFailure
from assay.temporal.workflow.sandbox.output import OutputLimit
from assay.temporal.workflow.sandbox.python_memory import PER_CALL, PythonMemory
from assay.temporal.workflow.sandbox.randomness import RandomStreams

if TYPE_CHECKING:
    from assay.lua.declare import Function

REPLACED: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "time": lambda source: source.now,
        "crypto.random": lambda source, n: source.randomness.numbers().randbytes(len(crypto.random(n)) // 2).hex(),
        "crypto.uuid": lambda source: source.randomness.uuid(),
    }
)
"""Deterministic replacements in workflows. Side effects use the real functions."""

_READ_ONLY_CONDITION = "not allowed in a wait_condition predicate: predicates must be read-only"
_READ_ONLY_HANDLER = "not allowed in a query handler or a validator: they must be read-only"
_NO_IO = "not allowed in a workflow: workflow code cannot do I/O; use "
_REFUSED = {
    "sleep": _NO_IO + "ctx:sleep",
    "os.getenv": "not allowed in a workflow: the environment differs between machines; read it in an activity",
    "os.exit": "not allowed in a workflow: return from the workflow function",
    "async.spawn": "not allowed in a workflow: use ctx:spawn",
}


class Source(Protocol):
    """Time and randomness of a run."""

    randomness: RandomStreams

    @property
    def now(self) -> float:
        """Workflow time in seconds since 1970-01-01 UTC."""

    @property
    def started(self) -> float:
        """Start time of the run in seconds since 1970-01-01 UTC."""

    @property
    def is_replaying(self) -> bool:
        """True while the run is being replayed."""

    @property
    def names(self) -> dict[str, str]:
        """Names of the run, as fields of a log line."""


def _ignore(*_arguments: Any) -> None:
    """Replacement of log functions during replay."""


class WorkflowPolicy(Policy):
    """Allows pure functions, replaces nondeterministic ones, and denies the rest."""

    __slots__ = (
        "_is_copy",
        "_live",
        "_output",
        "_source",
        "is_reading",
        "last_wait",
        "prints_in_replay",
        "python_memory",
        "read_only",
    )

    must_be_quick: ClassVar[bool] = True

    def __init__(
        self, source: Source, output: OutputLimit, *, is_copy: bool, live: bool, prints_in_replay: bool
    ) -> None:
        """For `is_copy`, `live` and `prints_in_replay`, see `WorkflowHost`."""
        super().__init__(EVERYTHING)
        self._source = source
        self._output = output
        self._is_copy = is_copy
        self._live = live
        self.python_memory: PythonMemory | None = None
        """Size of the Python objects of the run."""
        self.is_reading = False
        """True while a condition is being evaluated."""
        self.prints_in_replay = prints_in_replay
        self.read_only = ""
        """Error message for calls that are not read-only, set by the debugger; empty otherwise."""
        self.last_wait: tuple[Function, list[Any]] | None = None
        """Last call of a method that waits, with its arguments."""

    @property
    def is_output_shown(self) -> bool:
        """True if output of the run is shown. During replay it is not, because it was shown before."""
        return self._live or self.prints_in_replay or not self._source.is_replaying

    def implementation(self, function: Function) -> Callable[..., Any]:
        """Return the implementation of `function` in this state. Raises BuiltinError if it is not allowed."""
        title = function.title
        if self.read_only and not function.pure and title != "time":
            raise BuiltinError(self.read_only)
        if function.owner is not None:
            if self._is_copy and not function.pure:
                raise BuiltinError(_READ_ONLY_HANDLER)
            if self.is_reading and not function.pure:
                raise BuiltinError(_READ_ONLY_CONDITION)
            return function.python
        if title.startswith("log."):
            return self._log(function.python)
        if function.pure:
            return function.python
        replacement = REPLACED.get(title)
        if replacement is None:
            raise BuiltinError(_REFUSED.get(title, _NO_IO + "an activity"))
        if self.is_reading and title != "time":
            raise BuiltinError(_READ_ONLY_CONDITION)
        # Query handlers and validators must not draw from the run's stream: they do not run on replay.
        if self._live or (self._is_copy and title != "time"):
            return function.python
        return lambda *arguments: replacement(self._source, *arguments)

    def _log(self, write: Callable[..., Any]) -> Callable[..., Any]:
        if not self.is_output_shown:
            return _ignore

        def limited(message: bytes, fields: dict[str, Any] | None = None) -> None:
            if self._output.admits(len(message) + len(repr(fields or ""))):
                write(message, {**self._source.names, **(fields or {})} if log_lines.is_json() else fields)

        return limited

    def arguments(self, host: TaskHost, function: Function, given: tuple[Any, ...]) -> list[Any]:
        """Return the converted arguments of a call. Raises BuiltinError if they are too large for a workflow."""
        limit, memory = function.workflow_bytes, self.python_memory if function.owner is not None else None
        size = 0 if limit is None and memory is None else sum(len(item) for item in given if isinstance(item, bytes))
        if memory is not None:
            memory.add(size + PER_CALL)
        if limit is not None and size > limit:
            raise BuiltinError(f"{size} bytes are too large for a workflow (at most {limit}): use an activity")
        arguments = super().arguments(host, function, given)
        if function.waits:
            self.last_wait = function, arguments
        return arguments

    def explain(self, error: BaseException) -> BaseException:
        """Make unexpected errors fail the workflow task, not the workflow, so that a fixed worker can continue."""
        if isinstance(error, Exception) and not isinstance(error, AssayError | ValueError):
            return HostFailure(error)
        return error
