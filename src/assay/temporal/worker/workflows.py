"""Workflow tasks: pass each activation to its run, and the run's completion back to Core."""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import Executor
from typing import Any

from assay import events
from assay.errors import BuiltinError
from assay.temporal.core.bridge import CoreWorker
from assay.temporal.core.protos import WorkflowActivation, WorkflowActivationCompletion
from assay.temporal.data import failures
from assay.temporal.telemetry.reporter import Reporter
from assay.temporal.worker.codec import MessageCodec
from assay.temporal.worker.idle import IdleRuns
from assay.temporal.workflow.run import waits
from assay.temporal.workflow.runs import Runs


class WorkflowTasks:
    """The workflow tasks of a worker, on its thread.

    A short activation runs in place: switching threads would cost more than most activations take. If the last
    activation of a run was slow, the next one runs on the pool so that it does not block other runs.
    """

    def __init__(self, runs: Runs, pool: Executor, core: CoreWorker, codec: MessageCodec, reporter: Reporter) -> None:
        self._runs = runs
        self._pool = pool
        self._core = core
        self._codec = codec
        self._reporter = reporter
        self._loop = asyncio.get_running_loop()
        self._open: set[asyncio.Future[Any]] = set()
        self._on_pool: set[str] = set()
        self._idle = IdleRuns(runs)

    def take(self, data: bytes) -> None:
        """Activate a run, in place or on the pool, and report the completion to Core."""
        activation = WorkflowActivation.FromString(data)
        self._idle.remove(activation.run_id)
        if self._runs.is_slow(activation):
            self._on_pool.add(activation.run_id)
            running = self._loop.run_in_executor(self._pool, self._activate, activation, data)
            self._open.add(running)
            running.add_done_callback(functools.partial(self._activated, activation.run_id))
        else:
            self._complete(activation.run_id, self._activate(activation, data))

    async def state_of(self, run_id: str) -> dict[str, Any] | None:
        """Return what a cached run is waiting for (see `waits.state`); None if it is busy or not cached."""
        run = None if run_id in self._on_pool else self._runs.find(run_id)
        return None if run is None else waits.state(run.host, run.details)

    async def drained(self) -> None:
        """Wait until all completions are reported."""
        while self._open:
            await asyncio.wait(self._open)
        self._idle.close()

    def _activate(self, activation: WorkflowActivation, data: bytes) -> bytes:
        try:
            self._codec.open(activation, data)
            completion = self._runs.activate(activation)
            self._codec.seal(completion)
        except Exception as error:  # from the codec: a worker with the right keys can continue the run
            text = f"Failed decoding arguments: {error}" if isinstance(error, BuiltinError) else repr(error)
            line = f"Failed activation on workflow with run ID {activation.run_id}: {text}"
            self._reporter.report(events.PAYLOAD_UNREADABLE, line, run_id=activation.run_id)
            completion = WorkflowActivationCompletion(run_id=activation.run_id)
            completion.failed.failure.CopyFrom(failures.application(text, type(error).__name__))
        return completion.SerializeToString()

    def _activated(self, run_id: str, running: asyncio.Future[bytes]) -> None:
        self._open.discard(running)
        self._on_pool.discard(run_id)
        self._complete(run_id, running.result())

    def _complete(self, run_id: str, completion: bytes) -> None:
        self._idle.add(run_id)
        sending: Any = self._core.complete_workflow_activation(completion)
        self._open.add(sending)
        sending.add_done_callback(functools.partial(self._reported, run_id))

    def _reported(self, run_id: str, sending: asyncio.Future[None]) -> None:
        self._open.discard(sending)
        if sending.exception() is not None:
            text = f"workflow run {run_id}: cannot report the completed workflow task: {sending.exception()}"
            self._reporter.report(events.WORKFLOW_NOT_REPORTED, text, run_id=run_id)
