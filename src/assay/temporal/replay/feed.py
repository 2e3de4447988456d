"""Passes histories to Core, which replays each run from the first event to the last."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from temporalio.client import WorkflowHistory

from assay.errors import AssayError
from assay.temporal.core.bridge import CoreWorker, HistoryFeed, PollShutdown, make_replay_worker
from assay.temporal.core.config import replay_config
from assay.temporal.core.protos import RemoveFromCache, WorkflowActivation, WorkflowActivationCompletion
from assay.temporal.data import failures
from assay.temporal.data.codec import CodecOptions, make_codec
from assay.temporal.replay.integrity import check
from assay.temporal.telemetry.runtime import shared_runtime
from assay.temporal.worker.codec import MessageCodec
from assay.temporal.workflow.runs import Runs

ACTIVATION_TIMEOUT = 60.0
"""Seconds to wait for the next activation, which normally takes milliseconds; afterwards Core is considered stuck."""

_NORMAL_EVICTIONS = (RemoveFromCache.EvictionReason.CACHE_FULL, RemoveFromCache.EvictionReason.LANG_REQUESTED)


class Feed:
    """Replays histories with `runs`, one at a time: `async with Feed(runs, codec) as feed`."""

    def __init__(self, runs: Runs, codec: CodecOptions | None) -> None:
        self._runs = runs
        self._codec = MessageCodec(make_codec(codec))
        self._core: CoreWorker
        self._histories: HistoryFeed
        self._is_stuck = False
        self.unreadable = ""
        """The codec's message if it could not decrypt the last history; empty otherwise."""

    async def __aenter__(self) -> Self:
        self._core, self._histories = make_replay_worker(shared_runtime(), replay_config("replay"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._histories.close()
        self._core.initiate_shutdown()
        if self._is_stuck:
            return
        while True:
            try:
                await self._step()
            except PollShutdown:
                break
        await self._core.finalize_shutdown()

    async def replay(self, history: WorkflowHistory) -> str | None:
        """Replay a history; return Core's message if it does not match. Raises AssayError for an incomplete history."""
        check(history.events)
        self.unreadable = ""
        await self._histories.push(history.workflow_id, history.events)
        removal = None
        while removal is None:
            removal = await self._step()
        if removal.reason in _NORMAL_EVICTIONS:
            return None
        if removal.reason == RemoveFromCache.EvictionReason.NONDETERMINISM:
            return removal.message
        return f"{RemoveFromCache.EvictionReason.Name(removal.reason)}: {removal.message}"

    async def _step(self) -> RemoveFromCache | None:
        """Process one activation; return the eviction job if it ends the replay."""
        try:
            async with asyncio.timeout(ACTIVATION_TIMEOUT):
                data = await self._core.poll_workflow_activation()
        except TimeoutError:
            self._is_stuck = True
            raise AssayError("Temporal's Core cannot read this history") from None
        activation = WorkflowActivation.FromString(data)
        try:
            self._codec.open(activation, data)
            completion = self._runs.activate(activation)
            self._codec.seal(completion)
        except AssayError as error:
            self.unreadable = str(error)
            completion = WorkflowActivationCompletion(run_id=activation.run_id)
            completion.failed.failure.CopyFrom(failures.application(str(error), type(error).__name__))
        await self._core.complete_workflow_activation(completion.SerializeToString())
        return next((job.remove_from_cache for job in activation.jobs if job.HasField("remove_from_cache")), None)
