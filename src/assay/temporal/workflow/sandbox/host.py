"""The host of a workflow run: a Lua state that can do nothing that a replay could not repeat.

`policy.py` decides what calls of builtins do, `limits.py` ends a run that uses too much, `copying.py` runs what must
not change the run.
"""

from __future__ import annotations

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
from assay.temporal.workflow.sandbox.copies import Copies
from assay.temporal.workflow.sandbox.errors import CpuLimitReached, HostFailure
from assay.temporal.workflow.sandbox.held import Held
from assay.temporal.workflow.sandbox.limits import RunLimits, WorkflowLimits
from assay.temporal.workflow.sandbox.output import OutputLimit
from assay.temporal.workflow.sandbox.parts import LAZY_OF_RUN, PARTS_OF_RUN
from assay.temporal.workflow.sandbox.policy import Source, WorkflowPolicy

if TYPE_CHECKING:
    from assay.lua.declare import Function

HASH_SEED = 20261123
"""What the hash tables of runs begin with."""

OTHER_HASH_SEED = 20260229
"""The same where a run is repeated to find what depends on it."""

_PLACE = re.compile(r"^\s+([^\s\[][^\n]*:\d+): in ", re.MULTILINE)
"""Where in a Lua traceback the script is."""


class _NoModules:
    """Finds no module: what a run has is there from its beginning."""

    path = b""

    def __call__(self, name: str, path: bytes, built_in: bool) -> Outcome:
        text = f"require: module '{name}' was not loaded when the worker was made: require it outside of the workflow"
        return b"e", text.encode()

    def search(self, name: bytes, path: bytes) -> Outcome:
        return b"missing", b"files are not searched in a workflow"


class WorkflowHost(Host):
    """One run's Lua state, with its limits and with time and randomness from a `Source`."""

    __slots__ = (
        "_output",
        "_root",
        "copies",
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
        copies: Copies | None = None,
        is_copy: bool = False,
        live: bool = False,
        more_parts: tuple[str, ...] = (),
        hash_seed: int = HASH_SEED,
        objects: Objects | None = None,
        prints_in_replay: bool = False,
    ) -> None:
        """Make the state.

        `copies`: where the run's copies are kept. `is_copy`: beside the run, for functions that only read, or `live`,
        with the real clock and randomness, for a side effect; `objects` are the run's then. `prints_in_replay`: what
        is printed and logged shows also while history is replayed.
        """
        self.source = source
        self.copies = copies or Copies()
        """Where the copies of the run are kept."""
        self.is_copy = is_copy
        self.is_lending = False
        """A copy reads what is in this state, as long as it is the same."""
        self.live = live
        self.more_parts = more_parts
        self._output = OutputLimit()
        self._root = 0
        self.waits: dict[int, tuple[Function, list[Any], float]] = {}
        """What each task waits for: the method of `ctx`, its arguments, and the run's time then."""
        self.progress = 0
        """Counts what may have changed the answer of a condition."""
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
            has_line_hook=bool(more_parts),  # those of coverage, or of the debugger
            policy=self.workflow_policy,
            limits=self.limits,
            objects=objects,
        )
        self.limits.hold(self.state, self.callbacks)

    def count(self, held: Held) -> None:
        """Count what Python holds for the run for its memory limit."""
        self.workflow_policy.held = self.limits.held = held

    def owned(self) -> Iterable[object]:
        """Return what this host holds beside its state."""
        return self.objects, self.callbacks.operations, self.waits

    def _print(self, text: bytes) -> None:
        if self.workflow_policy.is_heard and self._output.admits(len(text)):
            sys.stdout.buffer.write(text)
            sys.stdout.buffer.flush()

    def seed(self) -> int:
        """Return a seed for Lua's random numbers; in a copy, one that is not the run's."""
        return secrets.randbits(62) if self.is_copy else self.source.randomness.lua_seed()

    # Tasks --------------------------------------------------------------------------------------------------

    def step(self, task: int, *answer: Any) -> Event:
        """Run a task within the limits; raises HostFailure with WorkflowLimitError when it reaches one."""
        callbacks, limits = self.callbacks, self.limits
        if callbacks.ending is not None:
            raise callbacks.ending
        if self.is_lending:
            self.end_lending()
        limits.check_room(*answer)
        self.progress += 1
        # Many short steps see no hook: what never waits for the server may still be made of waits that end at once.
        if limits.cpu_spent() is None:
            raise self._cpu_is_over(task)
        try:
            event = super().step(task, *answer)
        except MemoryError:
            raise limits.end(limits.memory_text()) from None
        except CpuLimitReached:
            callbacks.ending = None
            raise self._cpu_is_over(task) from None
        if event[0] == b"limit":
            raise limits.end(limits.text(event[1], event[2].decode("utf-8", "replace")))
        if event[0] == b"wait" and not self.is_copy:
            asked = self.workflow_policy.asked
            assert asked is not None
            self.waits[task] = *asked, self.source.now
        else:
            self.waits.pop(task, None)
        return event

    def _cpu_is_over(self, task: int) -> HostFailure:
        place = _PLACE.search(self.where(task)) or _PLACE.search(self.where())
        return self.limits.end(self.limits.cpu_text() + (f" at {place[1]}" if place else ""))

    def begin(self, snapshot: bytes, context: Any, arguments: list[Json]) -> int:
        """Fill the state from a snapshot and make the task of its function; returns the task's id."""
        self.limits.check_room(snapshot, *arguments)
        task = self.state.invoke_once(b"begin", snapshot, self.objects.keep(context), *map(bytes, arguments))
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
        """Return the Lua traceback of where the run, or one of its tasks, waits; empty when there is no room for it."""
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
            raise LuaError("it must not wait")
        result = self.result(event)
        assert result is None or isinstance(result, Json)
        return result

    def end_lending(self) -> None:
        """Let go of what was lent, and of the copy that has it: the run continues."""
        self.is_lending = False
        self.state.invoke(b"end_lending")
        self.copies.drop(self)

    def close_state(self) -> None:
        """Free the Lua state; nothing may use it from now on."""
        if not self.is_copy:
            self.copies.drop(self)
        self.waits.clear()
        self.callbacks.lender = None
        self.callbacks.close_operations()
        self.objects.by_id.clear()
        self.state.close()
