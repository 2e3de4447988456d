"""The host of a workflow run: a Lua state that can do nothing a replay could not repeat."""

from __future__ import annotations

import asyncio
import os.path
import re
import secrets
import sys
import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from temporalio import workflow

from assay.builtins import crypto
from assay.errors import AssayError, BuiltinError, LuaError
from assay.lua import registry
from assay.lua.function import LuaFunction
from assay.lua.host import Arguments, Host
from assay.lua.state import LATE_PARTS, PARTS, Late, Outcome
from assay.lua.values import Json
from assay.temporal import payloads
from assay.temporal.failures import to_application_error
from assay.temporal.workflow.mailbox import Mailbox
from assay.temporal.workflow.scopes import Scope

if TYPE_CHECKING:
    from assay.lua.declare import Function
    from assay.temporal.workflow.futures import Future

T = TypeVar("T")

_HERE = os.path.join(os.path.dirname(__file__), "sandbox")
_PARTS = (*PARTS, *(os.path.join(_HERE, part) for part in ("limits", "deterministic")))
_LATE_PARTS = {
    "begin": ("begin",),
    "clock": ("os.clock", "os.date", "os.time"),
    "concurrency": ("ctx:await_all", "ctx:await_any", "ctx:spawn", "ctx:wait_condition", "future:get"),
    "copies": ("be_copy", "restore_held", "stub_advice"),
    "guards": ("_G.pcall", "_G.xpcall", "check_limit", "string.rep", "table.move"),
    "metatables": ("_G.collectgarbage", "_G.getmetatable", "_G.rawget", "_G.setmetatable"),
    "order": ("_G.next", "_G.pairs", "table.sort"),
    "patterns": ("string.find", "string.gmatch", "string.gsub", "string.match"),
    "random": ("math.random", "math.randomseed"),
    "strangers": ("number_strangers",),
    "texts": ("_G.tostring", "string.format", "tostring"),
}
_LATE = Late({**LATE_PARTS, **{os.path.join(_HERE, part): names for part, names in _LATE_PARTS.items()}})
_MAX_WALL = 1.7
"""Seconds after which a busy run gives up whatever its CPU time says: at 2 the SDK would call it a deadlock."""
_RESERVE = 128 * 1024
"""Bytes that stay free so that small values can always be pushed."""

_HASH_SEED = 20261123
_PLACE = re.compile(r"^\s+([^\s\[][^\n]*:\d+): in ", re.MULTILINE)
"""Where in a Lua traceback the script is."""

REPLACED: dict[str, Callable[..., Any]] = {
    "time": workflow.time,
    "crypto.random": lambda n: workflow.random().randbytes(len(crypto.random(n)) // 2).hex(),
    "crypto.uuid": lambda: str(workflow.uuid4()),
}
"""What answers in a workflow for functions that are not deterministic. In a side effect the real ones do."""

_SENDERS = {
    f"ctx:{how}_{what}" for how in ("start", "execute") for what in ("activity", "child_workflow", "nexus_operation")
} | {"ctx:signal_workflow", "future:signal"}
"""The methods whose inputs go to the server at the end of a workflow task."""
_COMMAND = 512
"""Bytes of a command beside its input."""

_ONLY_READS = "not in a condition, which only reads"
_ONLY_ANSWERS = "not in a query handler or a validator, which only reads"
_NO_IO = "not in a workflow, which does no I/O of its own: use "
_REFUSED = {
    "sleep": _NO_IO + "ctx:sleep",
    "os.getenv": "not in a workflow: the environment differs between machines: read it in an activity",
    "os.exit": "not in a workflow: return from the workflow function",
    "async.spawn": "not in a workflow: use ctx:spawn",
}


def _ignore(*_arguments: Any) -> None:
    """Stand in for a log function while history is replayed."""


def _no_module(name: str) -> Outcome:
    text = f"require: module '{name}' was not loaded when the worker was made: require it outside of the workflow"
    return b"e", text.encode()


def is_cancellation(error: LuaError) -> bool:
    """Tell whether an error that Lua let through is that of a cancellation."""
    return isinstance(error.value, dict) and error.value.get("kind") == "cancelled"


@dataclass(kw_only=True)
class WorkflowLimits:
    """What one run may use; a run that uses more fails its workflow task, and no other run.

    Attributes:
        memory_mb: Memory in MiB.
        cpu_seconds: CPU seconds for one workflow task; at most 1.5.
    """

    memory_mb: float = 64
    cpu_seconds: float = 1


class WorkflowHost(Host):
    """One run's Lua state, its messages and their handlers, and what its tasks have to do with each other."""

    __slots__ = (
        "_asked",
        "_began",
        "_broken",
        "_first_seed",
        "_last_side_effect",
        "_limited",
        "_limits",
        "_more_parts",
        "_root",
        "_sent",
        "_suspend",
        "is_copy",
        "live",
        "local_activities",
        "mailbox",
        "payload_limit",
        "progress",
        "reading",
        "scope",
        "side_effects",
        "unawaited",
        "waits",
    )

    def __init__(
        self,
        libraries: Mapping[str, tuple[str, bool]],
        limits: WorkflowLimits,
        *,
        is_copy: bool = False,
        live: bool = False,
        suspend: bool = False,
        more_parts: tuple[str, ...] = (),
    ) -> None:
        """Make the state.

        `suspend`: an error that a function of the workflow raises keeps the run open.
        `is_copy`: for one function, beside the run; `live`: with the real clock and randomness, outside of the loop.
        """
        self.is_copy = is_copy
        self.live = live
        self._limits = limits
        self._limited = False
        self._root = 0
        self.begin_activation()
        self._suspend = suspend
        self._more_parts = more_parts
        self.mailbox = Mailbox()
        self.waits: dict[int, tuple[Function, list[Any], float]] = {}
        """What each task waits for: the method of `ctx`, its arguments, and the workflow's time then."""
        self._asked: tuple[Function, list[Any]] | None = None
        """The last call of a method that waits."""
        self.side_effects: dict[int, LuaFunction] = {}
        self.local_activities: Collection[str] | None = None
        """The activities that the worker has; None: whatever is asked for, when there is no worker."""
        self.payload_limit = payloads.USUAL_LIMIT
        """Bytes of the largest payload that the server takes."""
        self._last_side_effect = 0
        self.scope = Scope()
        """What a cancel of the workflow reaches."""
        self._broken: asyncio.Future[None] | None = None
        self.unawaited: dict[Future, None] = {}
        """Futures that have failed and that nobody has waited for."""
        self.progress = 0
        """Counts what may have changed the answer of a condition."""
        self.reading = False
        """A condition is being asked."""
        self._first_seed: int | None = None
        self._first_seed = self.seed()
        registry.describe("assay.temporal.workflow.library")
        super().__init__(
            libraries,
            _no_module,
            self._print,
            parts=(*_PARTS, *more_parts),
            late=_LATE,
            memory_limit=int(limits.memory_mb * 1024 * 1024),
            hash_seed=_HASH_SEED,
        )
        self._limited = True

    def _print(self, text: bytes) -> None:
        if self.live or not workflow.unsafe.is_replaying():
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
        if title.startswith("log.") and not self.live and workflow.unsafe.is_replaying():
            return _ignore
        if function.pure:
            return function.python
        replaced = REPLACED.get(title)
        if replaced is None:
            raise BuiltinError(_REFUSED.get(title, _NO_IO + "an activity"))
        if self.reading and title != "time":
            raise BuiltinError(_ONLY_READS)
        return function.python if self.live else replaced

    def seed(self) -> int:
        """A seed for Lua's random numbers: the first is drawn when the run begins, whenever it is asked for."""
        seed, self._first_seed = self._first_seed, None
        if seed is None:
            seed = secrets.randbits(62) if self.is_copy else workflow.random().getrandbits(62)
        return seed

    def check_alive(self) -> None:
        """Raise while the run is evicted: no Lua code may run then (the SDK's marker passes through)."""
        workflow.random()

    def _failure(self, function: Function, error: BaseException) -> Outcome:
        # What nobody foresaw fails the workflow task, not the workflow: a fixed worker carries the run on.
        if isinstance(error, Exception) and not isinstance(error, AssayError | ValueError):
            error = HostFailure(error)
        return super()._failure(function, error)

    # Tasks --------------------------------------------------------------------------------------------------

    async def supervise(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the workflow function. A cancel goes to all tasks; what ends the run in another one is raised here."""
        broken = self._broken = asyncio.get_running_loop().create_future()
        task = self.scope.begin(work)
        while not (task.done() or broken.done()):
            try:
                await asyncio.wait((task, broken), return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                self.check_alive()
                self.progress += 1
                self.scope.cancel(again=True)
        self.waits.clear()  # nothing is waited for any more, whatever other tasks were doing
        if broken.done():
            broken.result()
        return task.result()

    def fail(self, error: BaseException) -> None:
        """End the run, or its workflow task, because of what happened in another task than that of its function."""
        assert self._broken is not None
        if not self._broken.done():
            self._broken.set_exception(error)

    def outcome_of(self, error: LuaError) -> BaseException:
        """What the SDK is to make of an error that Lua let through."""
        if is_cancellation(error) and workflow.cancellation_reason() is not None:
            return asyncio.CancelledError()
        if error.origin is not None:
            return error.origin
        return error if self._suspend else to_application_error(error)

    # Lua ----------------------------------------------------------------------------------------------------

    def begin_activation(self) -> None:
        """Count CPU, on this thread, and bytes from now on: a workflow task begins, or one that is replayed."""
        self._began = (time.thread_time(), time.monotonic())
        self._sent = 0

    def cpu_spent(self) -> float | None:
        """The CPU seconds that the workflow task has taken so far; None once it has reached the limit."""
        began, wall_began = self._began
        spent = time.thread_time() - began
        return spent if spent < self._limits.cpu_seconds and time.monotonic() - wall_began < _MAX_WALL else None

    def _cpu_limit_text(self) -> str:
        limit = f"{self._limits.cpu_seconds:g} s of CPU, or {_MAX_WALL} s on the clock"
        return f"a workflow task took more than {limit} (workflow_limits.cpu_seconds)"

    def _memory_limit_text(self) -> str:
        return f"the workflow needs more than {self._limits.memory_mb:g} MB (workflow_limits.memory_mb)"

    def _limit_text(self, limit: bytes, detail: str) -> str:
        if limit == b"memory":
            return self._memory_limit_text()
        return self._cpu_limit_text() + detail if limit == b"cpu" else f"calls nested too deep: {detail}"

    def _check_memory(self, *pushed: Any) -> None:
        size = sum(len(item) for item in pushed if isinstance(item, bytes))
        if self.state.headroom() < size + _RESERVE:
            raise HostFailure(WorkflowLimitError(self._memory_limit_text()))

    def _arguments(self, function: Function, given: tuple[Any, ...]) -> list[Any]:
        # What the server would refuse must not become a command: the workflow task would fail again and again.
        if function.owner is not None:
            size = sum(len(item) for item in given if isinstance(item, bytes))
            problem = payloads.too_large("the input", size, self.payload_limit)
            if problem is None and function.title in _SENDERS:
                problem = payloads.too_much(self._sent, size)
                self._sent += 0 if problem else size + _COMMAND
            if problem is not None:
                raise BuiltinError(problem)
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
        if not self._limited:
            return outcome
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
        """Tell a declaration, unless it might not find room."""
        outcome = super().load_library(name)
        return outcome if self._has_room(*outcome) else (b"e", b"not enough memory")

    def find_module(self, name: bytes) -> Outcome:
        """Tell that a module is not there, unless the text might not find room."""
        outcome = super().find_module(name)
        return outcome if self._has_room(*outcome) else (b"e", b"not enough memory")

    def describe_method(self, owner: bytes, name: bytes) -> Outcome:
        """The declaration of a method, unless it might not find room."""
        return super().describe_method(owner, name) if self._has_room() else ()

    def load_part(self, name: bytes) -> Any:
        """A part of the private side, unless it might not find room."""
        return super().load_part(name) if self._has_room() else False

    def _has_room(self, *pushed: Any) -> bool:
        """Whether there is room; if not, the run ends."""
        try:
            if self._limited:
                self._check_memory(*pushed)
        except HostFailure as failure:
            self.end(failure)
            return False
        return True

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
            place = _PLACE.search(self.where(task)) or _PLACE.search(self.where())
            raise self._over(self._cpu_limit_text() + (f" at {place[1]}" if place else ""))
        try:
            event = super().step(task, *answer)
        except MemoryError:
            raise self._over(self._memory_limit_text()) from None
        if event[0] == b"limit":
            raise self._over(self._limit_text(event[1], event[2].decode("utf-8", "replace")))
        if event[0] == b"wait" and not self.is_copy:
            assert self._asked is not None
            self.waits[task] = *self._asked, workflow.time()
        else:
            self.waits.pop(task, None)
        return event

    def _over(self, text: str) -> HostFailure:
        """What ends the run's tasks, this one and all others, because of a limit."""
        failure = HostFailure(WorkflowLimitError(text))
        self._ending = self._ending or failure
        return failure

    def begin_task(self, function: LuaFunction, arguments: Arguments, delivery: bytes) -> tuple[int, tuple[Any, ...]]:
        """Make a task and run it within the limits."""
        task = self.start(function, arguments, delivery)
        return task, self.step(task)

    def begin(self, snapshot: bytes, context: Any, arguments: list[Json]) -> int:
        """Fill the state from a snapshot and make the task of its function; returns the task's id."""
        self._check_memory(snapshot, *arguments)
        task = self.state.invoke_once(b"begin", snapshot, self._keep(context), *map(bytes, arguments))
        assert isinstance(task, int)
        self._root = task
        return task

    def where(self, task: int | None = None) -> str:
        """The Lua traceback of where the run, or one of its tasks, waits."""
        traceback: bytes = self.state.invoke(b"where", self._root if task is None else task)
        return traceback.decode("utf-8", "replace")

    def run_now(self, function: LuaFunction, arguments: list[Json]) -> Json | None:
        """Run a function that must not wait, and return its result. Raises LuaError."""
        task = self.start(function, arguments, b"json")
        event = self.step(task)
        if event[0] == b"wait":
            self.cancel(event[1])
            self.waits.pop(task, None)
            self.state.invoke(b"drop", task)
            raise LuaError("it must not wait")
        result = self.result(event)
        assert result is None or isinstance(result, Json)
        return result

    def run_handler(self, function: LuaFunction, arguments: list[Json]) -> Json | None:
        """Run a query handler or a validator on a copy. Raises LuaError, for a limit too."""
        try:
            return self._run_copy(function, arguments, live=False)
        except HostFailure as failure:
            raise LuaError(str(failure.cause)) from failure

    def _run_copy(self, function: LuaFunction, arguments: list[Json], *, live: bool) -> Json | None:
        """Run a function on a copy of what it reaches: what it writes is seen by nobody, and missed by no replay.

        Raises LuaError, and HostFailure with WorkflowLimitError. `live`: with the real clock and randomness.
        """
        try:
            snapshot = self.snapshot(function, "a side effect or query handler", with_handles=not live)
        except MemoryError:
            raise HostFailure(WorkflowLimitError(self._memory_limit_text())) from None
        copy = WorkflowHost(self.libraries, self._limits, is_copy=True, live=live, more_parts=self._more_parts)
        copy._handles, copy._last_id = dict(self._handles), self._last_id
        try:
            copy.state.invoke(b"be_copy", live)
            copy._check_memory(snapshot)
            return copy.run_now(LuaFunction(copy, copy.state.invoke(b"restore_held", snapshot)), arguments)
        finally:
            copy.state.close()
            copy._handles.clear()  # the copy itself is freed by Python's cyclic collector, late

    def add_side_effect(self, function: LuaFunction) -> int:
        """Keep a side effect until it has run; returns its key."""
        self._last_side_effect += 1
        self.side_effects[self._last_side_effect] = function
        return self._last_side_effect

    def run_side_effect(self, key: int) -> Json | None:
        """Run a side effect on a copy, outside of the workflow's loop. Raises what `_run_copy` does."""
        return self._run_copy(self.side_effects.pop(key), [], live=True)


class WorkflowLimitError(AssayError):
    """A run has reached one of the limits in `workflow_limits`."""


class HostFailure(BaseException):
    """Carries an unforeseen exception past Lua, where nothing may catch it."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.cause = cause


class ContinueAsNew(BaseException):
    """Carries the order to continue as new past Lua; `order` are the SDK's arguments."""

    def __init__(self, **order: Any) -> None:
        super().__init__("continue as new")
        self.order = order
