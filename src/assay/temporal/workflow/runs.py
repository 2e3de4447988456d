"""The cached runs of a worker: passes each activation to its run and returns the completion."""

from __future__ import annotations

import gc
import re
import threading
import time
from collections.abc import Collection, Iterable

from assay import events
from assay.lua.values import Json
from assay.temporal.core.protos import (
    InitializeWorkflow,
    RemoveFromCache,
    WorkflowActivation,
    WorkflowActivationCompletion,
)
from assay.temporal.data import failures
from assay.temporal.workflow.ctx.context import Context
from assay.temporal.workflow.run.run import Run
from assay.temporal.workflow.settings import Definition, Settings

SLOW = 0.05
"""CPU seconds of an activation above which a run counts as slow, so that its next ones do not delay other runs."""

QUICK_IN_A_ROW = 100
"""Number of quick activations of a slow workflow type after which its new runs count as quick again."""

COLLECT_EVERY = 100
"""Number of removed runs after which Python's garbage collector runs."""

COLLECT_ALL_EVERY = 500
"""Number of removed runs after which it also visits old objects, such as a run that has survived a collection."""

WATCHDOG = 10.0
"""Wall-clock seconds after which an activation is logged."""


_UNEXPLAINED = "Error reporting WFT to server"
"""Message of Core for rejected commands without a reason, which is only in Core's log."""


class Observer:
    """Hooks for tools that follow runs. This implementation logs problems."""

    def mismatch(self, run: Run, message: str, where: str) -> None:
        """Called if a run does not match its history, with the message of Core and the Lua traceback of the run."""
        run.report(events.NONDETERMINISM, f"does not match its history: {message}", where)

    def rejected(self, run: Run, message: str) -> None:
        """Called if the server rejects the commands of a workflow task, which it then keeps retrying."""
        reason = "" if message == _UNEXPLAINED else f": {message}"
        run.report(events.COMMANDS_REJECTED, f": the server rejected the workflow task's commands{reason}")

    def unregistered(self, message: str) -> None:
        """Called on a workflow task of a workflow that is not registered."""

    def activating(self, run: Run, act: WorkflowActivation) -> None:
        """Called before an activation."""

    def activated(self, run: Run, act: WorkflowActivation, completion: WorkflowActivationCompletion) -> None:
        """Called after an activation."""

    def removed(self, run: Run) -> None:
        """Called when a run is evicted from the cache."""


class UnknownRunError(Exception):
    """Raised for a run that is not in the cache."""


class UnknownWorkflowError(UnknownRunError):
    """Raised for a run of a workflow that is not registered."""


class Runs:
    """The cached runs of a worker, by run id.

    `activate` may be called from any thread, but for each run only from one at a time.
    """

    def __init__(self, definitions: Iterable[Definition], settings: Settings, observer: Observer | None = None) -> None:
        self._definitions = {definition.name: definition for definition in definitions}
        self._settings = settings
        self._observer = observer or Observer()
        self._runs: dict[str, Run] = {}
        self._slow_runs: set[str] = set()
        self._slow_types: dict[str, int] = {}
        self._lock = threading.Lock()
        self._removed = 0

    def __len__(self) -> int:
        return len(self._runs)

    @property
    def names(self) -> Collection[str]:
        """Names of the registered workflows."""
        return sorted(name for name in self._definitions if name is not None)

    def find(self, run_id: str) -> Run | None:
        """Return a cached run, or None."""
        return self._runs.get(run_id)

    def tracebacks(self) -> list[tuple[str, str]]:
        """Return the run id and the Lua traceback of each cached run."""
        return [(run_id, run.host.traceback()) for run_id, run in tuple(self._runs.items())]

    def is_slow(self, act: WorkflowActivation) -> bool:
        """Return true if an activation may be slow: its run was slow last time, or, for a new run, its type was."""
        if not (self._slow_types or self._slow_runs):
            return False
        if act.run_id in self._runs:
            return act.run_id in self._slow_runs
        return any(job.initialize_workflow.workflow_type in self._slow_types for job in act.jobs)

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """Pass an activation to its run. Never raises: an exception fails the workflow task."""
        try:
            return self._activate(act)
        except Exception as error:
            text = str(error) or repr(error)
            start = _start(act)
            title = f"'{start.workflow_type}' ({start.workflow_id})" if start is not None else f"run {act.run_id}"
            event = events.WORKFLOW_TASK_FAILED
            if isinstance(error, UnknownWorkflowError):
                event = events.WORKFLOW_UNKNOWN
                self._observer.unregistered(text)
            self._settings.reporter.report(
                event, f"workflow {title}: the workflow task failed: {text}", error=error, run_id=act.run_id
            )
            completion = WorkflowActivationCompletion(run_id=act.run_id)
            completion.failed.failure.CopyFrom(failures.application(text, type(error).__name__))
            return completion

    def _activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        removal = next((job.remove_from_cache for job in act.jobs if job.HasField("remove_from_cache")), None)
        if removal is not None:
            return self._remove(act.run_id, removal)
        run = self._runs.get(act.run_id) or self._create(act)
        self._observer.activating(run, act)
        began = time.monotonic()
        completion = run.activate(act)
        self._check_duration(run, time.monotonic() - began)
        self._observer.activated(run, act, completion)
        return completion

    def _create(self, act: WorkflowActivation) -> Run:
        start = _start(act)
        if start is None:
            raise UnknownRunError("the run is not in the cache")
        definition = self._definitions.get(start.workflow_type) or self._definitions.get(None)
        if definition is None:
            import difflib

            matches = difflib.get_close_matches(start.workflow_type, self.names, 1)
            hint = f"; did you mean '{matches[0]}'?" if matches else ""
            known = ", ".join(self.names) or "none"
            raise UnknownWorkflowError(
                f"workflow '{start.workflow_type}' is not registered{hint} (registered: {known})"
            )
        run = Run(definition, self._settings, act, Context)
        self._runs[act.run_id] = run
        return run

    def _check_duration(self, run: Run, wall: float) -> None:
        used = run.host.limits.cpu_used()
        if used > SLOW or self._slow_types:
            with self._lock:
                self._note_pace(run.start.run_id, run.start.workflow_type, is_slow=used > SLOW)
        if wall > WATCHDOG:
            text = f": an activation took {wall:.1f} s ({used:.1f} s of CPU)"
            run.report(events.ACTIVATION_SLOW, text, run.host.traceback())

    def _note_pace(self, run_id: str, workflow_type: str, *, is_slow: bool) -> None:
        if is_slow:
            self._slow_runs.add(run_id)
            self._slow_types[workflow_type] = QUICK_IN_A_ROW
            return
        self._slow_runs.discard(run_id)
        if workflow_type in self._slow_types:
            self._slow_types[workflow_type] -= 1
            if self._slow_types[workflow_type] == 0:
                del self._slow_types[workflow_type]

    def _remove(self, run_id: str, removal: RemoveFromCache) -> WorkflowActivationCompletion:
        completion = WorkflowActivationCompletion(run_id=run_id)
        completion.successful.SetInParent()
        run = self._runs.pop(run_id, None)
        if run is None:
            return completion
        self._slow_runs.discard(run_id)
        if removal.reason == RemoveFromCache.EvictionReason.NONDETERMINISM:
            self._observer.mismatch(run, _core_message(removal.message), run.host.traceback())
        elif removal.reason == RemoveFromCache.EvictionReason.FATAL:
            self._observer.rejected(run, _core_message(removal.message))
        self._observer.removed(run)
        run.close()
        self._collect()
        return completion

    def _collect(self) -> None:
        """Run the garbage collector from time to time: removed runs are reference cycles that keep their messages.

        The collector triggers itself by the number of objects, not by their size. With large payloads that would be
        hundreds of megabytes later.
        """
        self._removed += 1
        if self._removed % COLLECT_ALL_EVERY == 0:
            gc.collect()
        elif self._removed % COLLECT_EVERY == 0:
            gc.collect(1)

    def side_effect(self, run_id: str, key: int) -> Json | None:
        """Run a side effect of a run; thread-safe. Raises UnknownRunError, LuaError and HostFailure."""
        run = self._runs.get(run_id)
        if run is None:
            raise UnknownRunError("the workflow run was evicted from this worker")
        return run.run_side_effect(key)

    def expect_result(self, run_id: str, size: int) -> str | None:
        """Reserve room for the result of a local activity; return an error message if there is none. Thread-safe."""
        run = self._runs.get(run_id)
        if run is None:
            return None
        with self._lock:
            return run.outbound.reserve_local_result(size)

    def close(self) -> None:
        """Close all runs."""
        while self._runs:
            self._runs.popitem()[1].close()


def _start(act: WorkflowActivation) -> InitializeWorkflow | None:
    """Return the start job of an activation, or None."""
    return next((job.initialize_workflow for job in act.jobs if job.HasField("initialize_workflow")), None)


def _core_message(message: str) -> str:
    """Return the message in Core's debug output of a failure."""
    match = re.search(r'message: "((?:[^"\\]|\\.)*)"', message)
    return match[1] if match else message
