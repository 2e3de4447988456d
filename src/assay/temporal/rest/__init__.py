"""Temporal's HTTP API: `require("assay.temporal")` in Lua, and a client for Python programs.

    async with Client("http://localhost:7243", ClientOptions(namespace="orders")) as client:
        running = await client.workflows.list(ListOptions(query="ExecutionStatus = 'Running'"))

`transport` sends and reads answers, in which `payloads` decodes what users put there; `client` has the sub-objects, one
file each; `scripts` adds what only Lua sees. The official SDK is not needed for it, and not imported.
"""

from __future__ import annotations

from assay.temporal.rest.client import Client, ClientOptions
from assay.temporal.rest.namespaces import Namespaces, NamespacesOptions
from assay.temporal.rest.part import NamespaceOptions, RunOptions
from assay.temporal.rest.schedules import Schedules, SchedulesOptions
from assay.temporal.rest.task_queues import TaskQueueOptions, TaskQueues
from assay.temporal.rest.workflows import HistoryOptions, ListOptions, SearchOptions, Workflows

__all__ = [
    "Client",
    "ClientOptions",
    "HistoryOptions",
    "ListOptions",
    "NamespaceOptions",
    "Namespaces",
    "NamespacesOptions",
    "RunOptions",
    "Schedules",
    "SchedulesOptions",
    "SearchOptions",
    "TaskQueueOptions",
    "TaskQueues",
    "Workflows",
]
