"""The host of a workflow run: a Lua state that can do nothing that a replay could not repeat."""

from __future__ import annotations

import os.path
import random
import re
import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from assay.builtins import crypto
from assay.errors import AssayError, BuiltinError, LuaError
from assay.lua import registry
from assay.lua.function import LuaFunction
from assay.lua.host import Arguments, Host
from assay.lua.state import LATE_PARTS, PARTS, Late, Outcome
from assay.lua.values import Json
from assay.temporal.data.failures import FailureOrigin
from assay.temporal.workflow.sandbox.copies import Copies, Copy, Stamp
from assay.temporal.workflow.sandbox.output import OutputLimit

if TYPE_CHECKING:
    from temporalio.api.failure.v1 import Failure

    from assay.lua.declare import Function

_HERE = os.path.dirname(__file__)
_CONCURRENCY = os.path.join(os.path.dirname(_HERE), "ctx", "concurrency")
_PARTS = (*PARTS, *(os.path.join(_HERE, part) for part in ("limits", "deterministic")))
_LATE_PARTS = {
    "begin": ("begin",),
    "clock": ("os.clock", "os.date", "os.time"),
    _CONCURRENCY: ("ctx:await_all", "ctx:await_any", "ctx:spawn", "ctx:wait_condition", "future:get"),
    "copies": ("be_copy", "bundle", "restore_bundle", "restore_held", "roll_back", "stub_advice"),
    "guards": ("_G.pcall", "_G.xpcall"),
    "metatables": (
        *("_G.collectgarbage", "_G.getmetatable", "_G.rawget", "_G.rawset", "_G.setmetatable"),
        *("GUARD", "close_metatable", "keep_out"),
    ),
    "order": ("_G.next", "_G.pairs", "table.sort"),
    "matcher": ("match_find", "match_gmatch", "match_gsub", "match_match"),
    "patterns": ("class_end", "string.find", "string.gmatch", "string.gsub", "string.match"),
    "pieces": (
        *(
            "string.char",
            "string.lower",
            "string.pack",
            "string.packsize",
            "string.rep",
            "string.reverse",
            "string.unpack",
        ),
        *("string.upper", "table.concat", "table.insert", "table.move", "table.remove", "table.unpack"),
        "utf8.char",
    ),
    "random": ("math.random", "math.randomseed"),
    "strangers": ("number_strangers",),
    "texts": ("_G.tostring", "string.format", "tostring"),
}
_LATE = Late({**LATE_PARTS, **{os.path.join(_HERE, part): names for part, names in _LATE_PARTS.items()}})
_RESERVE = 128 * 1024
"""Bytes that stay free so that small values can always be pushed."""

HASH_SEED = 20261123
_PLACE = re.compile(r"^\s+([^\s\[][^\n]*:\d+): in ", re.MULTILINE)
"""Where in a Lua traceback the script is."""

REPLACED: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "time": lambda source: source.now,
        "crypto.random": lambda source, n: source.random().randbytes(len(crypto.random(n)) // 2).hex(),
        "crypto.uuid": lambda source: source.uuid(),
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

    @property
    def now(self) -> float:
        """The run's time in seconds since 1970-01-01 UTC."""

    @property
    def started(self) -> float:
        """When the run started."""

    @property
    def is_replaying(self) -> bool:
        """Whether the history already has what the run does now."""

    def random(self) -> random.Random:
        """The run's random numbers."""

    def seed(self) -> int:
        """Return a seed for Lua's random numbers."""

    def uuid(self) -> str:
        """Return a UUID made of the run's random numbers."""


def _ignore(*_arguments: Any) -> None:
    """Replace a log function while history is replayed."""


class _NoModules:
    """Finds no module: what a run has is there from its beginning."""

    path = b""

    def __call__(self, name: str, path: bytes, built_in: bool) -> Outcome:
        text = f"require: module '{name}' was not loaded when the worker was made: require it outside of the workflow"
        return b"e", text.encode()


def is_cancellation(error: LuaError) -> bool:
    """Return true if an error that Lua let through is that of a cancellation."""
    return isinstance(error.value, dict) and error.value.get("kind") == "cancelled"


@dataclass(kw_only=True)
class WorkflowLimits:
    """What one run may use; a run that uses more fails its workflow task, and no other run.

    Attributes:
        memory_mb: Memory in MiB.
        cpu_seconds: CPU seconds for one workflow task; at most 8. The clock does not count.
    """

    memory_mb: float = 64
    cpu_seconds: float = 1


class WorkflowHost(Host):
    """One run's Lua state, with its limits and with time and randomness from a `Source`."""

    __slots__ = (
        "_asked",
        "_began",
        "_is_limited",
        "_limits",
        "_more_parts",
        "_output",
        "_root",
        "copies",
        "is_copy",
        "live",
        "progress",
        "reading",
        "source",
        "waits",
    )

    _ASKED: ClassVar[tuple[str, ...]] = (*Host._ASKED, "cpu_spent")
    hurried = True

    def __init__(
        self,
        libraries: Mapping[str, tuple[str, bool]],
        limits: WorkflowLimits,
        source: Source,
        *,
        copies: Copies | None = None,
        is_copy: bool = False,
        live: bool = False,
        more_parts: tuple[str, ...] = (),
        hash_seed: int = HASH_SEED,
    ) -> None:
        """Make the state.

        `copies`: where the run's copies are kept. `is_copy`: beside the run, for functions that only read, or `live`,
        with the real clock and randomness, for a side effect.
        """
        self.source = source
        self.copies = copies or Copies()
        """Where the copies of the run are kept."""
        self.is_copy = is_copy
        self.live = live
        self._output = OutputLimit()
        self._limits = limits
        self._is_limited = False
        self._root = 0
        self.begin_activation()
        self._more_parts = more_parts
        self.waits: dict[int, tuple[Function, list[Any], float]] = {}
        """What each task waits for: the method of `ctx`, its arguments, and the run's time then."""
        self._asked: tuple[Function, list[Any]] | None = None
        """The last call of a method that waits."""
        self.progress = 0
        """Counts what may have changed the answer of a condition."""
        self.reading = False
        """A condition is being asked."""
        registry.describe("assay.temporal.workflow.ctx.library")
        super().__init__(
            libraries,
            _NoModules(),
            self._print,
            parts=(*_PARTS, *more_parts),
            late=_LATE,
            # A copy also keeps what it was, to take back what is written.
            memory_limit=int(limits.memory_mb * 1024 * 1024) * (2 if is_copy and not live else 1),
            hash_seed=hash_seed,
            has_line_hook=bool(more_parts),  # those of coverage
        )
        self.state.invoke_once(
            b"limit_memory", int(limits.memory_mb * 1024 * 1024) * (2 if is_copy and not live else 1)
        )
        self._is_limited = True

    def _print(self, text: bytes) -> None:
        if (self.live or not self.source.is_replaying) and self._output.admits(len(text)):
            sys.stdout.buffer.write(text)
            sys.stdout.buffer.flush()

    def implementation(self, function: Function) -> Callable[..., Any]:
        """Allow what is pure, replace what is not deterministic, refuse the rest."""
        title = function.title
        if function.owner is not None:
            if self.is_copy and not function.pure:
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
        return function.python if self.live else lambda *arguments: replaced(self.source, *arguments)

    def _log(self, write: Callable[..., Any]) -> Callable[..., Any]:
        if not self.live and self.source.is_replaying:
            return _ignore

        def limited(message: bytes, fields: dict[str, Any] | None = None) -> None:
            if self._output.admits(len(message) + len(repr(fields or ""))):
                write(message, fields)

        return limited

    def seed(self) -> int:
        """Return a seed for Lua's random numbers; in a copy, one that is not the run's."""
        return secrets.randbits(62) if self.is_copy else self.source.seed()

    def failure(self, function: Function, error: BaseException) -> Outcome:
        """Return the outcome of a call that raised an error."""
        # What nobody foresaw fails the workflow task, not the workflow: a fixed worker carries the run on.
        if isinstance(error, Exception) and not isinstance(error, AssayError | ValueError):
            error = HostFailure(error)
        return super().failure(function, error)

    # Limits -------------------------------------------------------------------------------------------------

    def begin_activation(self) -> None:
        """Count CPU from now on, on this thread: an activation begins."""
        self._began = time.thread_time()

    def cpu_used(self) -> float:
        """Return the CPU seconds that the activation has used so far."""
        return time.thread_time() - self._began

    def cpu_spent(self) -> float | None:
        """Return the CPU seconds that the activation has used so far; None once it has reached the limit."""
        spent = self.cpu_used()
        return spent if spent < self._limits.cpu_seconds else None

    def _cpu_limit_text(self) -> str:
        limit = f"{self._limits.cpu_seconds:g} s of CPU"
        return f"a workflow task took more than {limit} (workflow_limits.cpu_seconds)"

    def _memory_limit_text(self) -> str:
        return f"the workflow needs more than {self._limits.memory_mb:g} MB (workflow_limits.memory_mb)"

    def _limit_text(self, limit: bytes, detail: str) -> str:
        if limit == b"memory":
            return self._memory_limit_text()
        if limit == b"interrupted":
            return "the run was interrupted"
        return self._cpu_limit_text() + detail if limit == b"cpu" else f"calls nested too deep: {detail}"

    def _check_memory(self, *pushed: Any) -> None:
        size = sum(len(item) for item in pushed if isinstance(item, bytes))
        if self.state.headroom() < size + _RESERVE:
            raise HostFailure(WorkflowLimitError(self._memory_limit_text()))

    def _has_room(self, *pushed: Any) -> bool:
        """Whether there is room; if not, the run ends."""
        try:
            if self._is_limited:
                self._check_memory(*pushed)
        except HostFailure as failure:
            self.end(failure)
            return False
        return True

    def _over(self, text: str) -> HostFailure:
        """Return what ends the run's tasks, this one and all others, because of a limit."""
        failure = HostFailure(WorkflowLimitError(text))
        self._ending = self._ending or failure
        return failure

    # Calls from Lua -----------------------------------------------------------------------------------------

    def _arguments(self, function: Function, given: tuple[Any, ...]) -> list[Any]:
        arguments = super()._arguments(function, given)
        if function.waits:
            self._asked = function, arguments
        return arguments

    def call(self, index: int, *arguments: Any) -> Outcome:
        """Run a builtin, unless it might take too long or its outcome might not find room."""
        function = registry.functions[index]
        most, size = function.workflow_bytes, sum(len(item) for item in arguments if isinstance(item, bytes))
        if most is not None and size > most:
            text = f"{function.title}: {size} bytes are too much inside a workflow (at most {most}): use an activity"
            return b"e", text.encode()
        outcome = super().call(index, *arguments)
        if not self._is_limited:
            return outcome
        if self.cpu_spent() is None:
            return self.end(_CpuLimit(WorkflowLimitError(self._cpu_limit_text())))
        try:
            self._check_memory(*outcome)
        except HostFailure as failure:
            return self.end(failure)
        return outcome

    def let_go(self, identity: int) -> None:
        """Remember that Lua has collected a handle; those of a copy are the run's."""
        if not self.is_copy:
            super().let_go(identity)

    def load_library(self, name: bytes) -> Outcome:
        """Return a declaration, unless it might not find room."""
        outcome = super().load_library(name)
        return outcome if self._has_room(*outcome) else (b"e", b"not enough memory")

    def search_path(self, name: bytes, path: bytes) -> Outcome:
        """No file is searched for."""
        return b"missing", b"files are not searched in a workflow"

    def find_module(self, name: bytes, path: bytes) -> Outcome:
        """Return that a module is not there, unless the text might not find room."""
        outcome = super().find_module(name, path)
        return outcome if self._has_room(*outcome) else (b"e", b"not enough memory")

    def describe_method(self, owner: bytes, name: bytes) -> Outcome:
        """Return the declaration of a method, unless it might not find room."""
        return super().describe_method(owner, name) if self._has_room() else ()

    def load_part(self, name: bytes) -> Any:
        """Return a part of the private side, unless it might not find room."""
        return super().load_part(name) if self._has_room() else False

    # Tasks --------------------------------------------------------------------------------------------------

    def start(self, function: LuaFunction, arguments: Arguments, delivery: bytes = b"wire") -> int:
        """Make a task of a function, if its arguments find room; returns its id."""
        self._check_memory(*arguments)
        return super().start(function, arguments, delivery)

    def step(self, task: int, *answer: Any) -> tuple[Any, ...]:
        """Run a task within the limits; raises HostFailure with WorkflowLimitError when it reaches one."""
        if self._ending is not None:
            raise self._ending
        self._check_memory(*answer)
        self.progress += 1
        # Many short steps see no hook: what never waits for the server may still be made of waits that end at once.
        if self.cpu_spent() is None:
            raise self._cpu_is_over(task)
        try:
            event = super().step(task, *answer)
        except MemoryError:
            raise self._over(self._memory_limit_text()) from None
        except _CpuLimit:
            self._ending = None
            raise self._cpu_is_over(task) from None
        if event[0] == b"limit":
            raise self._over(self._limit_text(event[1], event[2].decode("utf-8", "replace")))
        if event[0] == b"wait" and not self.is_copy:
            assert self._asked is not None
            self.waits[task] = *self._asked, self.source.now
        else:
            self.waits.pop(task, None)
        return event

    def _cpu_is_over(self, task: int) -> HostFailure:
        place = _PLACE.search(self.where(task)) or _PLACE.search(self.where())
        return self._over(self._cpu_limit_text() + (f" at {place[1]}" if place else ""))

    def begin_task(self, function: LuaFunction, arguments: Arguments, delivery: bytes) -> tuple[int, tuple[Any, ...]]:
        """Make a task of a function and run it within the limits."""
        task = self.start(function, arguments, delivery)
        return task, self.step(task)

    def begin(self, snapshot: bytes, context: Any, arguments: list[Json]) -> int:
        """Fill the state from a snapshot and make the task of its function; returns the task's id."""
        self._check_memory(snapshot, *arguments)
        task = self.state.invoke_once(b"begin", snapshot, self._keep(context), *map(bytes, arguments))
        assert isinstance(task, int)
        self._root = task
        return task

    def drop(self, task: int) -> None:
        """Forget a task that has not ended."""
        self.waits.pop(task, None)
        self.state.invoke(b"drop", task)

    def forget(self, task: int) -> None:
        """Forget the outcome of a task that has ended."""
        self.state.invoke(b"forget", task)

    def where(self, task: int | None = None) -> str:
        """Return the Lua traceback of where the run, or one of its tasks, waits."""
        traceback: bytes = self.state.invoke(b"where", self._root if task is None else task)
        return traceback.decode("utf-8", "replace")

    def run_now(self, function: LuaFunction, arguments: list[Json]) -> Json | None:
        """Run a function that must not wait, and return its result. Raises LuaError."""
        task = self.start(function, arguments, b"json")
        event = self.step(task)
        if event[0] == b"wait":
            self.cancel(event[1])
            self.drop(task)
            raise LuaError("it must not wait")
        result = self.result(event)
        assert result is None or isinstance(result, Json)
        return result

    def close_state(self) -> None:
        """Free the Lua state; nothing may use it from now on."""
        if not self.is_copy:
            self.copies.drop(self)
        self.waits.clear()
        for _, operation in self._operations.values():
            operation.close()  # what never began would be told of
        self._operations.clear()
        self._handles.clear()
        self.state.close()

    # Copies -------------------------------------------------------------------------------------------------

    def run_reader(self, function: LuaFunction, arguments: list[Json], readers: Sequence[LuaFunction]) -> Json | None:
        """Run a query handler or a validator, which is among `readers`, on a copy of what they reach.

        The copy is kept for the next one, as long as nothing happens in the run; what a function writes in it is taken
        back. Raises LuaError, for a limit too.
        """
        stamp = self.progress, self.source.now
        copy = None
        try:
            began = time.thread_time()
            copy = self.copies.take(self, stamp, function.id) or self._copy(readers, stamp)
            self._began += time.thread_time() - began  # it is not the handler's CPU
            copy.host._began = self._began  # the copies of an activation share its CPU limit
            try:
                answer: Json | None = copy.host.run_now(copy.functions[function.id], arguments)
                return answer
            finally:
                copy.host.roll_back()
                self.copies.give(self, copy)
        except HostFailure as failure:
            self.copies.drop(self)
            raise LuaError(str(failure.cause)) from failure

    def _copy(self, readers: Sequence[LuaFunction], stamp: Stamp) -> Copy:
        ids = list(dict.fromkeys(reader.id for reader in readers))
        bundle = LuaFunction(self, self.state.invoke(b"bundle", *ids))
        snapshot = self._snapshot(bundle, with_handles=True)
        host = self._make_copy(snapshot, live=False)
        try:
            copied = host.state.invoke(b"restore_bundle", snapshot, len(ids))
        except MemoryError:
            host.close_state()
            raise HostFailure(WorkflowLimitError(self._memory_limit_text())) from None
        copied = copied if isinstance(copied, tuple) else (copied,)
        functions = {run: LuaFunction(host, copy) for run, copy in zip(ids, copied, strict=True)}
        return Copy(host, stamp, functions)

    def roll_back(self) -> None:
        """Take back what was written in this copy."""
        if self._ending is None:
            try:
                self.state.invoke(b"roll_back")
            except MemoryError:
                raise self._over(self._memory_limit_text()) from None

    def run_side_effect(self, function: LuaFunction) -> Json | None:
        """Run a function on a copy of what it reaches, with the real clock and randomness; on any thread.

        Raises LuaError, and HostFailure with WorkflowLimitError.
        """
        snapshot = self._snapshot(function, with_handles=False)
        copy = self._make_copy(snapshot, live=True)
        try:
            return copy.run_now(LuaFunction(copy, copy.state.invoke(b"restore_held", snapshot)), [])
        finally:
            copy.close_state()  # the copy itself is freed by Python's cyclic collector, late

    def _snapshot(self, function: LuaFunction, *, with_handles: bool) -> bytes:
        try:
            return self.snapshot(function, "a side effect or query handler", with_handles=with_handles)
        except MemoryError:
            raise HostFailure(WorkflowLimitError(self._memory_limit_text())) from None

    def _make_copy(self, snapshot: bytes, *, live: bool) -> WorkflowHost:
        copy = WorkflowHost(
            self.libraries, self._limits, self.source, is_copy=True, live=live, more_parts=self._more_parts
        )
        copy._handles, copy._last_id = dict(self._handles), self._last_id
        copy.state.invoke(b"be_copy", live)
        copy._check_memory(snapshot)
        return copy


class WorkflowLimitError(AssayError):
    """A run has reached one of the limits in `workflow_limits`."""


class HostFailure(BaseException):
    """An unforeseen exception on its way past Lua, where nothing may catch it: the workflow task fails."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.cause = cause


class _CpuLimit(HostFailure):
    """The CPU limit was reached in a builtin: where is known once the task is suspended."""


def origin_of(error: LuaError) -> Failure | None:
    """Return the failure behind an error that Lua let through, if there is one."""
    return error.origin.failure if isinstance(error.origin, FailureOrigin) else None
