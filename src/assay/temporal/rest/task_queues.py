"""The resource `c.task_queues`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from assay.lua.declare import method
from assay.temporal.rest.resource import NamespaceOptions, Resource
from assay.temporal.rest.transport import items, segment

_TYPES = {name: f"TASK_QUEUE_TYPE_{name.upper()}" for name in ("workflow", "activity", "nexus")}


@dataclass(kw_only=True)
class TaskQueueOptions(NamespaceOptions):
    """Options of `c.task_queues:get`.

    Attributes:
        task_queue_type: "workflow" (the default), "activity" or "nexus", or the API's name or number of a type.
    """

    task_queue_type: str | int | None = None


class TaskQueues(Resource):
    """The task queues of a namespace."""

    lua_name: ClassVar[str] = "assay.temporal.TaskQueues"
    lua_prefix: ClassVar[str] = "c.task_queues"

    @method
    async def get(self, name: str, options: TaskQueueOptions | None = None) -> dict[str, Any]:
        """Describe a task queue; `pollers` are the workers that polled it recently and may be empty.

        Args:
            name: Name of the task queue.
            options: Namespace and type of the task queue.
        """
        kind = options.task_queue_type if options is not None else None
        path = self._path(options, f"task-queues/{segment(name, 'name')}")
        response = await self._transport.get(path, {"taskQueueType": _TYPES.get(str(kind).lower(), kind)})
        return response | {"pollers": items(response, "pollers")}
