"""`c.schedules`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from assay.lua.declare import method
from assay.temporal.rest.part import NamespaceOptions, Part
from assay.temporal.rest.transport import items, page_token, segment


@dataclass(kw_only=True)
class SchedulesOptions(NamespaceOptions):
    """Which schedules to list.

    Attributes:
        maximum_page_size: How many to list at most.
        next_page_token: Continue where an answer with this token ended.
    """

    maximum_page_size: int | None = None
    next_page_token: str | None = None


@dataclass
class ScheduleList:
    """Schedules.

    Attributes:
        schedules: What the server says of each.
        next_page_token: The option with which to ask for more; absent at the end.
    """

    schedules: list[dict[str, Any]]
    next_page_token: str | None


class Schedules(Part):
    """The schedules of a namespace."""

    lua_name: ClassVar[str] = "assay.temporal.Schedules"
    lua_prefix: ClassVar[str] = "c.schedules"

    @method
    async def list(self, options: SchedulesOptions | None = None) -> ScheduleList:
        """List the schedules. A new one appears in lists after a moment.

        Args:
            options: Which to list.
        """
        given = options or SchedulesOptions()
        parameters = {"maximumPageSize": given.maximum_page_size, "nextPageToken": given.next_page_token}
        answer = await self._transport.get(self._path(given, "schedules"), parameters)
        return ScheduleList(items(answer, "schedules"), page_token(answer))

    @method
    async def get(self, schedule_id: str, options: NamespaceOptions | None = None) -> dict[str, Any]:
        """Tell what the server knows of a schedule: its `schedule`, `info` and more.

        Args:
            schedule_id: The schedule.
            options: Where to look.
        """
        return await self._transport.get(self._path(options, f"schedules/{segment(schedule_id, 'schedule_id')}"))

    @method
    async def __call__(self, options: SchedulesOptions | None = None) -> ScheduleList:
        """List the schedules: the same as `c.schedules:list`.

        Args:
            options: Which to list.
        """
        return await self.list(options)
