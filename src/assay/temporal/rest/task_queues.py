"""`c.task_queues`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from assay.lua.declare import method
from assay.temporal.rest.part import NamespaceOptions, Part
from assay.temporal.rest.transport import items, segment

_TYPES = {name: f"TASK_QUEUE_TYPE_{name.upper()}" for name in ("workflow", "activity", "nexus")}


@dataclass(kw_only=True)
class TaskQueueOptions(NamespaceOptions):
    """Which task queue.

    Attributes:
        task_queue_type: "workflow" (when left out), "activity" or "nexus"; or the API's own name or number of a type.
    """

    task_queue_type: str | int | None = None


class TaskQueues(Part):
    """The task queues of a namespace."""

    lua_name: ClassVar[str] = "assay.temporal.TaskQueues"
    lua_prefix: ClassVar[str] = "c.task_queues"

    @method
    async def get(self, name: str, options: TaskQueueOptions | None = None) -> dict[str, Any]:
        """Tell what the server knows of a task queue. `pollers` are the workers seen there lately, maybe none.

        Args:
            name: The task queue.
            options: Which one of that name.
        """
        kind = options.task_queue_type if options is not None else None
        path = self._path(options, f"task-queues/{segment(name, 'name')}")
        answer = await self._transport.get(path, {"taskQueueType": _TYPES.get(str(kind).lower(), kind)})
        return answer | {"pollers": items(answer, "pollers")}
