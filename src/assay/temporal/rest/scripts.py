"""The client for Lua, with the methods of its first version, which delegate to the resources."""

from __future__ import annotations

from typing import Any

from assay.lua.declare import method
from assay.lua.values import Json
from assay.temporal.rest.client import Client
from assay.temporal.rest.resource import NamespaceOptions, RunOptions
from assay.temporal.rest.task_queues import TaskQueueOptions
from assay.temporal.rest.workflows import ExecutionList, History, HistoryOptions, SearchOptions


class ScriptClient(Client):
    """A client of Temporal's HTTP API. It connects on the first call.

    All methods except `health` and `system_info` are older aliases of the methods of the resources, as are
    `c:namespaces()`, `c:workflows()` and `c:schedules()`.

    Attributes:
        namespaces: Namespaces of the server.
        workflows: Workflows of a namespace.
        task_queues: Task queues of a namespace.
        schedules: Schedules of a namespace.
    """

    @method
    async def namespace(self, name: str) -> dict[str, Any]:
        """Describe a namespace; same as `c.namespaces:get`.

        Args:
            name: Name of the namespace.
        """
        return await self.namespaces.get(name)

    @method
    async def workflow(
        self, workflow_id: str, run_id: str | None = None, options: RunOptions | None = None
    ) -> dict[str, Any]:
        """Describe a workflow; same as `c.workflows:get`.

        Args:
            workflow_id: Workflow id.
            run_id: Run id; the latest run if omitted.
            options: Namespace.
        """
        return await self.workflows.get(workflow_id, run_id, options)

    @method
    async def workflow_history(
        self, workflow_id: str, run_id: str | None = None, options: HistoryOptions | None = None
    ) -> History:
        """Return the events of a workflow; same as `c.workflows:history`.

        Args:
            workflow_id: Workflow id.
            run_id: Run id; the latest run if omitted.
            options: Namespace and page to return.
        """
        return await self.workflows.history(workflow_id, run_id, options)

    @method
    async def signal_workflow(
        self, workflow_id: str, signal_name: str, input: Json | None = None, options: RunOptions | None = None
    ) -> dict[str, Any]:
        """Send a signal to a running workflow; same as `c.workflows:signal`.

        Args:
            workflow_id: Workflow id.
            signal_name: Name of the signal.
            input: Argument of the signal.
            options: Namespace and run id.
        """
        return await self.workflows.signal(workflow_id, signal_name, input, options)

    @method
    async def terminate_workflow(
        self, workflow_id: str, reason: str | None = None, options: RunOptions | None = None
    ) -> dict[str, Any]:
        """Terminate a workflow immediately; same as `c.workflows:terminate`.

        Args:
            workflow_id: Workflow id.
            reason: Reason, recorded in the history.
            options: Namespace and run id.
        """
        return await self.workflows.terminate(workflow_id, reason, options)

    @method
    async def cancel_workflow(self, workflow_id: str, options: RunOptions | None = None) -> dict[str, Any]:
        """Request cancellation of a workflow; same as `c.workflows:cancel`.

        Args:
            workflow_id: Workflow id.
            options: Namespace and run id.
        """
        return await self.workflows.cancel(workflow_id, options)

    @method
    async def task_queue(self, name: str, options: TaskQueueOptions | None = None) -> dict[str, Any]:
        """Describe a task queue; same as `c.task_queues:get`.

        Args:
            name: Name of the task queue.
            options: Namespace and type of the task queue.
        """
        return await self.task_queues.get(name, options)

    @method
    async def schedule(self, schedule_id: str, options: NamespaceOptions | None = None) -> dict[str, Any]:
        """Describe a schedule; same as `c.schedules:get`.

        Args:
            schedule_id: Schedule id.
            options: Namespace.
        """
        return await self.schedules.get(schedule_id, options)

    @method
    async def search(self, query: str, options: SearchOptions | None = None) -> ExecutionList:
        """List the workflow executions that match a visibility query; same as `c.workflows:search`.

        Args:
            query: Visibility query.
            options: Namespace and page to return.
        """
        return await self.workflows.search(query, options)

    @method
    async def is_workflow_running(self, workflow_id: str, options: RunOptions | None = None) -> bool:
        """Return true if a workflow's status is RUNNING; same as `c.workflows:is_running`.

        Args:
            workflow_id: Workflow id.
            options: Namespace and run id.
        """
        return await self.workflows.is_running(workflow_id, options)

    @method
    async def wait_workflow_complete(
        self, workflow_id: str, timeout_secs: float, options: RunOptions | None = None
    ) -> dict[str, Any]:
        """Wait for a workflow to close; same as `c.workflows:wait_complete`.

        Args:
            workflow_id: Workflow id.
            timeout_secs: Maximum time to wait, in seconds; `math.huge` for no limit.
            options: Namespace and run id.
        """
        return await self.workflows.wait_complete(workflow_id, timeout_secs, options)
