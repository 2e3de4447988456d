"""Client of Temporal's HTTP API, for Lua as `require("assay.temporal")` and for Python.

    async with Client("http://localhost:7243", ClientOptions(namespace="orders")) as client:
        running = await client.workflows.list(ListOptions(query="ExecutionStatus = 'Running'"))

`transport` sends requests and reads responses, and `payloads` decodes the values in them. `client` combines the
resources, which have a module each; `scripts` adds the methods that only Lua has. The official SDK is not imported.
"""

from __future__ import annotations

from assay.temporal.rest.client import Client, ClientOptions
from assay.temporal.rest.namespaces import Namespaces, NamespacesOptions
from assay.temporal.rest.resource import NamespaceOptions, RunOptions
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
