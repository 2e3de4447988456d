"""Workers of Core: what polls the server, keeps the state machines of runs, and sends what is completed.

Every awaitable here belongs to the event loop of the thread that made it, and resolves there, whichever thread that is:
so a task can be polled on one loop and completed on another.
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
"""Raised by a poll when the worker has shut down and no task of the kind is left."""


class CoreWorker:
    """A worker of Core."""

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
        """() -> awaitable bytes of `WorkflowActivation`; raises PollShutdown, or RuntimeError of a refused poll."""
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
        """(bytes of `ActivityHeartbeat`): does not wait; Core throttles what is sent. On any thread."""
        self.request_workflow_eviction = ref.request_workflow_eviction
        """(run id): an activation with `remove_from_cache` follows."""
        self.initiate_shutdown = ref.initiate_shutdown
        """(): begin to shut down; the polls continue until no task is left."""

    def finalize_shutdown(self) -> Awaitable[None]:
        """Wait until Core has let go of everything. Nothing may be called afterwards."""
        finalizing: Awaitable[None] = self._ref.finalize_shutdown()
        return finalizing


class HistoryFeed:
    """Hands histories to a worker that replays them."""

    def __init__(self, pusher: Any) -> None:
        self._pusher = pusher

    async def push(self, workflow_id: str, events: Any) -> None:
        """Hand over the next history; waits until the one before has been taken."""
        await self._pusher.push_history(workflow_id, History(events=events).SerializeToString())

    def close(self) -> None:
        """Say that no history follows: the polls end then."""
        self._pusher.close()


def make_worker(service: ServiceClient, config: WorkerConfig) -> CoreWorker:
    """Make a worker on a connection. Raises ValueError for a configuration that Core refuses."""
    client = service.worker_service_client._bridge_client
    assert client is not None  # it is connected
    return CoreWorker(_bridge.new_worker(client._runtime._ref, client._ref, config))


def make_replay_worker(runtime: Runtime, config: WorkerConfig) -> tuple[CoreWorker, HistoryFeed]:
    """Make a worker that needs no server: it replays the histories that it is handed."""
    ref, pusher = _bridge.new_replay_worker(runtime._core_runtime._ref, config)
    return CoreWorker(ref), HistoryFeed(pusher)
