"""What only Lua sees of the client: the methods of its first version, which delegate to the sub-objects."""

from __future__ import annotations

from typing import Any

from assay.lua.declare import method
from assay.lua.values import Json
from assay.temporal.rest.client import Client
from assay.temporal.rest.part import NamespaceOptions, RunOptions
from assay.temporal.rest.task_queues import TaskQueueOptions
from assay.temporal.rest.workflows import ExecutionList, History, HistoryOptions, SearchOptions


class ScriptClient(Client):
    """A client for Temporal's HTTP API; its connections open at the first call.

    Its methods but `health` and `system_info` are an older way to call those of the sub-objects, and so are
    `c:namespaces()`, `c:workflows()` and `c:schedules()`.

    Attributes:
        namespaces: The namespaces of the server.
        workflows: The workflows of a namespace.
        task_queues: The task queues of a namespace.
        schedules: The schedules of a namespace.
    """

    @method
    async def namespace(self, name: str) -> dict[str, Any]:
        """Tell what the server knows of a namespace: the same as `c.namespaces:get`.

        Args:
            name: The namespace.
        """
        return await self.namespaces.get(name)

    @method
    async def workflow(
        self, workflow_id: str, run_id: str | None = None, options: RunOptions | None = None
    ) -> dict[str, Any]:
        """Tell what the server knows of a workflow: the same as `c.workflows:get`.

        Args:
            workflow_id: The workflow.
            run_id: One run of it; the latest when left out.
            options: Where to look.
        """
        return await self.workflows.get(workflow_id, run_id, options)

    @method
    async def workflow_history(
        self, workflow_id: str, run_id: str | None = None, options: HistoryOptions | None = None
    ) -> History:
        """Return the events of a workflow: the same as `c.workflows:history`.

        Args:
            workflow_id: The workflow.
            run_id: One run of it; the latest when left out.
            options: Which part of its history.
        """
        return await self.workflows.history(workflow_id, run_id, options)

    @method
    async def signal_workflow(
        self, workflow_id: str, signal_name: str, input: Json | None = None, options: RunOptions | None = None
    ) -> dict[str, Any]:
        """Send a signal to a running workflow: the same as `c.workflows:signal`.

        Args:
            workflow_id: The workflow.
            signal_name: The signal.
            input: What the workflow gets with it.
            options: Which run of it.
        """
        return await self.workflows.signal(workflow_id, signal_name, input, options)

    @method
    async def terminate_workflow(
        self, workflow_id: str, reason: str | None = None, options: RunOptions | None = None
    ) -> dict[str, Any]:
        """End a workflow at once: the same as `c.workflows:terminate`.

        Args:
            workflow_id: The workflow.
            reason: Why; kept in the history.
            options: Which run of it.
        """
        return await self.workflows.terminate(workflow_id, reason, options)

    @method
    async def cancel_workflow(self, workflow_id: str, options: RunOptions | None = None) -> dict[str, Any]:
        """Ask a workflow to cancel: the same as `c.workflows:cancel`.

        Args:
            workflow_id: The workflow.
            options: Which run of it.
        """
        return await self.workflows.cancel(workflow_id, options)

    @method
    async def task_queue(self, name: str, options: TaskQueueOptions | None = None) -> dict[str, Any]:
        """Tell what the server knows of a task queue: the same as `c.task_queues:get`.

        Args:
            name: The task queue.
            options: Which one of that name.
        """
        return await self.task_queues.get(name, options)

    @method
    async def schedule(self, schedule_id: str, options: NamespaceOptions | None = None) -> dict[str, Any]:
        """Tell what the server knows of a schedule: the same as `c.schedules:get`.

        Args:
            schedule_id: The schedule.
            options: Where to look.
        """
        return await self.schedules.get(schedule_id, options)

    @method
    async def search(self, query: str, options: SearchOptions | None = None) -> ExecutionList:
        """List the workflow executions that a visibility query finds: the same as `c.workflows:search`.

        Args:
            query: The query.
            options: How much to list.
        """
        return await self.workflows.search(query, options)

    @method
    async def is_workflow_running(self, workflow_id: str, options: RunOptions | None = None) -> bool:
        """Return true if a workflow's status is RUNNING: the same as `c.workflows:is_running`.

        Args:
            workflow_id: The workflow.
            options: Which run of it.
        """
        return await self.workflows.is_running(workflow_id, options)

    @method
    async def wait_workflow_complete(
        self, workflow_id: str, timeout_secs: float, options: RunOptions | None = None
    ) -> dict[str, Any]:
        """Wait until a workflow has ended: the same as `c.workflows:wait_complete`.

        Args:
            workflow_id: The workflow.
            timeout_secs: Seconds to wait; `math.huge` for no limit.
            options: Which run of it.
        """
        return await self.workflows.wait_complete(workflow_id, timeout_secs, options)
