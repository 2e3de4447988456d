"""What a call of a builtin does in a workflow: what a replay could not repeat is replaced or refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from assay.builtins import crypto
from assay.errors import AssayError, BuiltinError
from assay.lua.function import TaskHost
from assay.lua.policy import Policy
from assay.permissions import EVERYTHING
from assay.temporal.workflow.sandbox.errors import HostFailure
from assay.temporal.workflow.sandbox.held import PER_CALL, Held
from assay.temporal.workflow.sandbox.output import OutputLimit
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
"""What answers in a workflow for functions that are not deterministic. In a side effect the real ones do."""

_ONLY_READS = "not allowed in a wait_condition predicate: predicates must be read-only"
_ONLY_ANSWERS = "not allowed in a query handler or a validator: they must be read-only"
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
        """The run's time in seconds since 1970-01-01 UTC."""

    @property
    def started(self) -> float:
        """When the run started."""

    @property
    def is_replaying(self) -> bool:
        """Return true if the history already has what the run does now."""


def _ignore(*_arguments: Any) -> None:
    """Replace a log function while history is replayed."""


class WorkflowPolicy(Policy):
    """Allows what is pure, replaces what is not deterministic, and refuses the rest."""

    __slots__ = ("_is_copy", "_live", "_output", "_source", "asked", "held", "prints_in_replay", "read_only", "reading")

    must_be_quick: ClassVar[bool] = True

    def __init__(
        self, source: Source, output: OutputLimit, *, is_copy: bool, live: bool, prints_in_replay: bool
    ) -> None:
        """`is_copy`, `live`, `prints_in_replay`: as for `WorkflowHost`."""
        super().__init__(EVERYTHING)
        self._source = source
        self._output = output
        self._is_copy = is_copy
        self._live = live
        self.held: Held | None = None
        """What Python holds for the run."""
        self.reading = False
        """A condition is being evaluated."""
        self.prints_in_replay = prints_in_replay
        self.read_only = ""
        """Why a tool may only read for now; empty while the run itself runs."""
        self.asked: tuple[Function, list[Any]] | None = None
        """The last call of a method that waits."""

    @property
    def is_heard(self) -> bool:
        """Return true if what the run prints and logs is shown: on a replay it was shown before."""
        return self._live or self.prints_in_replay or not self._source.is_replaying

    def implementation(self, function: Function) -> Callable[..., Any]:
        """Return what runs when the workflow calls `function`. Raises BuiltinError when it may not."""
        title = function.title
        if self.read_only and not function.pure and title != "time":
            raise BuiltinError(self.read_only)
        if function.owner is not None:
            if self._is_copy and not function.pure:
                raise BuiltinError(_ONLY_ANSWERS)
            if self.reading and not function.pure:
                raise BuiltinError(_ONLY_READS)
            return function.python
        if title.startswith("log."):
            return self._log(function.python)
        if function.pure:
            return function.python
        replaced = REPLACED.get(title)
        if replaced is None:
            raise BuiltinError(_REFUSED.get(title, _NO_IO + "an activity"))
        if self.reading and title != "time":
            raise BuiltinError(_ONLY_READS)
        # What a reader draws must not come from the run: it is not there on a replay.
        if self._live or (self._is_copy and title != "time"):
            return function.python
        return lambda *arguments: replaced(self._source, *arguments)

    def _log(self, write: Callable[..., Any]) -> Callable[..., Any]:
        if not self.is_heard:
            return _ignore

        def limited(message: bytes, fields: dict[str, Any] | None = None) -> None:
            if self._output.admits(len(message) + len(repr(fields or ""))):
                write(message, fields)

        return limited

    def arguments(self, host: TaskHost, function: Function, given: tuple[Any, ...]) -> list[Any]:
        """Return the arguments of a call, unless they are so large that it might take too long."""
        most, held = function.workflow_bytes, self.held if function.owner is not None else None
        size = 0 if most is None and held is None else sum(len(item) for item in given if isinstance(item, bytes))
        if held is not None:
            held.add(size + PER_CALL)
        if most is not None and size > most:
            raise BuiltinError(f"{size} bytes are too much inside a workflow (at most {most}): use an activity")
        arguments = super().arguments(host, function, given)
        if function.waits:
            self.asked = function, arguments
        return arguments

    def explain(self, error: BaseException) -> BaseException:
        """Let unforeseen errors fail the workflow task, not the workflow: a fixed worker resumes the run."""
        if isinstance(error, Exception) and not isinstance(error, AssayError | ValueError):
            return HostFailure(error)
        return error
