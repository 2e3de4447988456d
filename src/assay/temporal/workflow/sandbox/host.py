"""The host of a workflow run: its Lua state with the policy, limits, time and randomness of a workflow."""

from __future__ import annotations

import contextlib
import re
import secrets
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from assay.errors import LuaError
from assay.lua import registry
from assay.lua.function import Event, LuaFunction
from assay.lua.host import Host
from assay.lua.objects import Objects
from assay.lua.state import Outcome
from assay.lua.values import Json
from assay.temporal.workflow.sandbox.copy_cache import CopyCache
from assay.temporal.workflow.sandbox.errors import CpuLimitReached, HostFailure
from assay.temporal.workflow.sandbox.limits import RunLimits, WorkflowLimits
from assay.temporal.workflow.sandbox.output import OutputLimit
from assay.temporal.workflow.sandbox.parts import LAZY_OF_RUN, PARTS_OF_RUN
from assay.temporal.workflow.sandbox.policy import Source, WorkflowPolicy
from assay.temporal.workflow.sandbox.python_memory import PythonMemory

if TYPE_CHECKING:
    from assay.lua.declare import Function

HASH_SEED = 20261123
"""Seed of the hash tables of runs."""

OTHER_HASH_SEED = 20260229
"""Seed of the hash tables in runs that are repeated to detect a dependency on the seed."""

_PLACE = re.compile(r"^\s+([^\s\[][^\n]*:\d+): in ", re.MULTILINE)
"""A line of the script in a Lua traceback."""


class _NoModules:
    """Module loader that finds nothing: a run has all its modules from the start."""

    path = b""

    def __call__(self, name: str, path: bytes, built_in: bool) -> Outcome:
        text = f"require: module '{name}' was not loaded when the worker was created: require it outside the workflow"
        return b"e", text.encode()

    def search(self, name: bytes, path: bytes) -> Outcome:
        return b"missing", b"a workflow cannot load files"


class WorkflowHost(Host):
    """The Lua state of a run, with its limits, and with time and randomness from a `Source`."""

    __slots__ = (
        "_output",
        "_root",
        "copy_cache",
        "is_copy",
        "is_lending",
        "limits",
        "live",
        "more_parts",
        "progress",
        "source",
        "waits",
        "workflow_policy",
    )

    def __init__(
        self,
        libraries: Mapping[str, tuple[str, bool]],
        limits: WorkflowLimits,
        source: Source,
        *,
        copy_cache: CopyCache | None = None,
        is_copy: bool = False,
        live: bool = False,
        more_parts: tuple[str, ...] = (),
        hash_seed: int = HASH_SEED,
        objects: Objects | None = None,
        prints_in_replay: bool = False,
    ) -> None:
        """Create the state.

        `is_copy` creates a copy of a run for read-only functions, or, with `live`, for a side effect, with the real
        clock and real randomness; `objects` are those of the run then. With `prints_in_replay`, the run prints and logs
        during replay, too.
        """
        self.source = source
        self.copy_cache = copy_cache or CopyCache()
        self.is_copy = is_copy
        self.is_lending = False
        """True if a copy reads from this state, until the run continues."""
        self.live = live
        self.more_parts = more_parts
        self._output = OutputLimit()
        self._root = 0
        self.waits: dict[int, tuple[Function, list[Any], float]] = {}
        """Current wait of each task: the method of `ctx`, its arguments, and the workflow time when it began."""
        self.progress = 0
        """Counter of everything that may change the result of a condition."""
        self.workflow_policy = WorkflowPolicy(
            source, self._output, is_copy=is_copy, live=live, prints_in_replay=prints_in_replay
        )
        self.limits = RunLimits(limits, keeps_old_values=is_copy and not live)
        registry.describe("assay.temporal.workflow.ctx.library")
        super().__init__(
            libraries,
            _NoModules(),
            self._print,
            parts=(*PARTS_OF_RUN, *more_parts),
            lazy=LAZY_OF_RUN,
            memory_limit=self.limits.memory_bytes,
            hash_seed=hash_seed,
            has_line_hook=bool(more_parts),  # for coverage or the debugger
            policy=self.workflow_policy,
            limits=self.limits,
            objects=objects,
        )
        self.limits.enforce(self.state, self.callbacks)

    def count_memory(self, memory: PythonMemory) -> None:
        """Count the Python objects of the run toward its memory limit."""
        self.workflow_policy.python_memory = self.limits.python_memory = memory

    def owned(self) -> Iterable[object]:
        """Return the Python objects of this host that belong to the run."""
        return self.objects, self.callbacks.operations, self.waits

    def _print(self, text: bytes) -> None:
        if self.workflow_policy.is_output_shown and self._output.admits(len(text)):
            sys.stdout.buffer.write(text)
            sys.stdout.buffer.flush()

    def seed(self) -> int:
        """Return a seed for `math.random`. In a copy, it is random and does not advance the run's stream."""
        return secrets.randbits(62) if self.is_copy else self.source.randomness.lua_seed()

    # Tasks --------------------------------------------------------------------------------------------------

    def step(self, task: int, *answer: Any) -> Event:
        """Run a task until it waits or ends. Raises HostFailure with WorkflowLimitError if it reaches a limit."""
        callbacks, limits = self.callbacks, self.limits
        if callbacks.ending is not None:
            raise callbacks.ending
        if self.is_lending:
            self.end_lending()
        limits.check_room(*answer)
        self.progress += 1
        # Short steps never reach the count hook, so a loop of waits that end at once is only detected here.
        if limits.cpu_spent() is None:
            raise self._cpu_limit_failure(task)
        try:
            event = super().step(task, *answer)
        except MemoryError:
            raise limits.end(limits.memory_text()) from None
        except CpuLimitReached:
            callbacks.ending = None
            raise self._cpu_limit_failure(task) from None
        if event[0] == b"limit":
            raise limits.end(limits.text(event[1], event[2].decode("utf-8", "replace")))
        if event[0] == b"wait" and not self.is_copy:
            call = self.workflow_policy.last_wait
            assert call is not None
            self.waits[task] = *call, self.source.now
        else:
            self.waits.pop(task, None)
        return event

    def _cpu_limit_failure(self, task: int) -> HostFailure:
        place = _PLACE.search(self.traceback(task)) or _PLACE.search(self.traceback())
        return self.limits.end(self.limits.cpu_text() + (f" at {place[1]}" if place else ""))

    def begin(self, snapshot: bytes, context: Any, arguments: list[Json]) -> int:
        """Restore a snapshot into the state, and create the task of its function; return the task's id."""
        self.limits.check_room(snapshot, *arguments)
        task = self.state.invoke_once(b"begin", snapshot, self.objects.keep(context), *map(bytes, arguments))
        assert isinstance(task, int)
        self._root = task
        return task

    def shrink(self, *names: bytes) -> None:
        """Free garbage and the parts that define `names`. Does nothing if there is no memory for the call."""
        with contextlib.suppress(HostFailure, MemoryError):
            self.limits.check_room(*names)
            self.state.invoke_once(b"shrink", *names)

    def drop(self, task: int) -> None:
        """Discard a task that has not ended."""
        self.waits.pop(task, None)
        self.state.invoke(b"drop", task)

    def forget(self, task: int) -> None:
        """Discard the results of a task that has ended."""
        self.state.invoke(b"forget", task)

    def traceback(self, task: int | None = None) -> str:
        """Return the Lua traceback of the workflow function, or of a task; empty if there is no memory for it."""
        try:
            traceback: bytes = self.state.invoke(b"where", self._root if task is None else task)
        except MemoryError:
            return ""
        return traceback.decode("utf-8", "replace")

    def run_now(self, function: LuaFunction, arguments: list[Json]) -> Json | None:
        """Run a function that must not wait, and return its result. Raises LuaError."""
        task = self.start(function, arguments, b"json")
        event = self.step(task)
        if event[0] == b"wait":
            self.callbacks.cancel(event[1])
            self.drop(task)
            raise LuaError("the function must not wait")
        result = self.result(event)
        assert result is None or isinstance(result, Json)
        return result

    def end_lending(self) -> None:
        """End lending and discard the copy, because the run continues."""
        self.is_lending = False
        self.state.invoke(b"end_lending")
        self.copy_cache.drop(self)

    def close_state(self) -> None:
        """Free the Lua state, which must not be used afterwards."""
        if not self.is_copy:
            self.copy_cache.drop(self)
        self.waits.clear()
        self.callbacks.lender = None
        self.callbacks.close_operations()
        self.objects.by_id.clear()
        self.state.close()
