"""Core workers, which poll the server, keep the state machines of runs, and send completions.

Every awaitable resolves on the event loop of the thread that created it. A task may therefore be polled on one loop and
completed on another.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from temporalio.api.history.v1 import History
from temporalio.bridge import temporal_sdk_bridge as _bridge
from temporalio.runtime import Runtime
from temporalio.service import ServiceClient

from assay.temporal.core.config import WorkerConfig

PollShutdown: type[Exception] = _bridge.PollShutdownError
"""Raised by a poll once the worker has shut down and no task of its type is left."""


class CoreWorker:
    """A Core worker."""

    __slots__ = (
        "_ref",
        "complete_activity_task",
        "complete_nexus_task",
        "complete_workflow_activation",
        "initiate_shutdown",
        "poll_activity_task",
        "poll_nexus_task",
        "poll_workflow_activation",
        "record_activity_heartbeat",
        "request_workflow_eviction",
        "validate",
    )

    def __init__(self, ref: Any) -> None:
        self._ref = ref
        self.validate = ref.validate
        """() -> awaitable bytes of `NamespaceInfo`; raises RuntimeError."""
        self.poll_workflow_activation = ref.poll_workflow_activation
        """() -> awaitable bytes of `WorkflowActivation`; raises PollShutdown, or RuntimeError for a rejected poll."""
        self.poll_activity_task = ref.poll_activity_task
        """() -> awaitable bytes of `ActivityTask`; raises as above."""
        self.poll_nexus_task = ref.poll_nexus_task
        """() -> awaitable bytes of `NexusTask`; raises as above."""
        self.complete_workflow_activation = ref.complete_workflow_activation
        """(bytes of `WorkflowActivationCompletion`) -> awaitable."""
        self.complete_activity_task = ref.complete_activity_task
        """(bytes of `ActivityTaskCompletion`) -> awaitable."""
        self.complete_nexus_task = ref.complete_nexus_task
        """(bytes of `NexusTaskCompletion`) -> awaitable."""
        self.record_activity_heartbeat = ref.record_activity_heartbeat
        """(bytes of `ActivityHeartbeat`): does not wait; Core throttles heartbeats. May be called on any thread."""
        self.request_workflow_eviction = ref.request_workflow_eviction
        """(run id): requests an activation with `remove_from_cache`."""
        self.initiate_shutdown = ref.initiate_shutdown
        """(): starts the shutdown; polls continue until no task is left."""

    def finalize_shutdown(self) -> Awaitable[None]:
        """Wait until Core has released all resources. The worker cannot be used afterwards."""
        finalizing: Awaitable[None] = self._ref.finalize_shutdown()
        return finalizing


class HistoryFeed:
    """Feeds histories to a replay worker."""

    def __init__(self, pusher: Any) -> None:
        self._pusher = pusher

    async def push(self, workflow_id: str, events: Any) -> None:
        """Push the next history; waits until the previous one has been taken."""
        await self._pusher.push_history(workflow_id, History(events=events).SerializeToString())

    def close(self) -> None:
        """Signal that no history follows, which ends the polls."""
        self._pusher.close()


def make_worker(service: ServiceClient, config: WorkerConfig) -> CoreWorker:
    """Make a worker on a connection. Raises ValueError for a configuration that Core rejects."""
    client = service.worker_service_client._bridge_client
    assert client is not None  # it is connected
    return CoreWorker(_bridge.new_worker(client._runtime._ref, client._ref, config))


def make_replay_worker(runtime: Runtime, config: WorkerConfig) -> tuple[CoreWorker, HistoryFeed]:
    """Make a replay worker, which needs no server, and the feed of its histories."""
    ref, pusher = _bridge.new_replay_worker(runtime._core_runtime._ref, config)
    return CoreWorker(ref), HistoryFeed(pusher)
