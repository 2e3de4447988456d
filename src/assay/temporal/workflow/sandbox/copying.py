"""Runs query handlers, validators and side effects on a copy of the state, so that they cannot change the run.

The copy has the variables that the function references. For query handlers and validators it shares the handles of the
run, and their writes are rolled back. For side effects it has the real clock and real randomness.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from assay.errors import LuaError
from assay.lua.function import LuaFunction
from assay.lua.objects import Objects
from assay.lua.values import Json
from assay.temporal.workflow.sandbox.copy_cache import Copy, Stamp
from assay.temporal.workflow.sandbox.errors import HostFailure, WorkflowLimitError
from assay.temporal.workflow.sandbox.host import WorkflowHost
from assay.temporal.workflow.sandbox.lending import Lending


def run_reader(
    run: WorkflowHost, function: LuaFunction, arguments: list[Json], readers: Sequence[LuaFunction]
) -> Json | None:
    """Run a query handler or a validator on a copy of the state that all `readers` share.

    `function` is one of the `readers`. Its writes are rolled back, and the copy is cached until something happens in
    the run. Raises LuaError, also for a limit.
    """
    stamp = run.progress, run.source.now
    try:
        began = time.thread_time()
        copy = run.copy_cache.take(run, stamp, function.id) or _copy(run, readers, stamp)
        run.limits.exclude_copying(began, run.limits)
        copy.host.limits.began = run.limits.began  # the copies of an activation share its CPU limit
        try:
            result: Json | None = copy.host.run_now(copy.functions[function.id], arguments)
            return result
        finally:
            run.limits.began = copy.host.limits.began
            _roll_back(copy.host)
            run.copy_cache.put(run, copy)
    except HostFailure as failure:
        run.copy_cache.drop(run)
        raise LuaError(str(failure.cause)) from failure


def run_side_effect(run: WorkflowHost, function: LuaFunction) -> Json | None:
    """Run a function on a copy of the state, with the real clock and real randomness. Thread-safe.

    Raises LuaError, and HostFailure with WorkflowLimitError.
    """
    snapshot = _snapshot(run, function, with_handles=False)
    copy = _make_copy(run, snapshot, live=True)
    try:
        return copy.run_now(LuaFunction(copy, copy.state.invoke(b"restore_held", snapshot)), [])
    finally:
        copy.close_state()  # the Python objects are part of a cycle and are freed later


def _copy(run: WorkflowHost, readers: Sequence[LuaFunction], stamp: Stamp) -> Copy:
    ids = list(dict.fromkeys(reader.id for reader in readers))
    run.is_lending = True
    try:
        lent = run.state.invoke(b"begin_lending", *ids)
    except MemoryError:
        run.end_lending()
        raise HostFailure(WorkflowLimitError(run.limits.memory_text())) from None
    host = _make_copy(run, lent, live=False)
    host.callbacks.lender = Lending(run, host)
    try:
        copied = host.state.invoke(b"borrow", lent, len(ids))
    except MemoryError:
        host.close_state()
        raise HostFailure(WorkflowLimitError(run.limits.memory_text())) from None
    copied = copied if isinstance(copied, tuple) else (copied,)
    functions = {original: LuaFunction(host, copy) for original, copy in zip(ids, copied, strict=True)}
    return Copy(host, stamp, functions)


def _roll_back(copy: WorkflowHost) -> None:
    """Undo the writes of a function in a copy."""
    if copy.callbacks.ending is None:
        try:
            copy.state.invoke(b"roll_back")
        except MemoryError:
            raise copy.limits.end(copy.limits.memory_text()) from None


def _snapshot(run: WorkflowHost, function: LuaFunction, *, with_handles: bool) -> bytes:
    try:
        return run.snapshot(function, "a side effect or query handler", with_handles=with_handles)
    except MemoryError:
        raise HostFailure(WorkflowLimitError(run.limits.memory_text())) from None


def _make_copy(run: WorkflowHost, snapshot: bytes, *, live: bool) -> WorkflowHost:
    copy = WorkflowHost(
        run.libraries,
        run.limits.options,
        run.source,
        is_copy=True,
        live=live,
        more_parts=run.more_parts,
        objects=Objects(lent=run.objects),
        prints_in_replay=run.workflow_policy.prints_in_replay,
    )
    copy.state.invoke(b"be_copy", live)
    copy.limits.check_room(snapshot)
    return copy
