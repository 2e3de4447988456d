"""The resource `c.schedules`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from assay.lua.declare import method
from assay.temporal.rest.resource import NamespaceOptions, Resource
from assay.temporal.rest.transport import items, page_token, segment


@dataclass(kw_only=True)
class SchedulesOptions(NamespaceOptions):
    """Options of `c.schedules:list`.

    Attributes:
        maximum_page_size: Maximum number of schedules per page.
        next_page_token: Token of the page to return, from the result of the previous page.
    """

    maximum_page_size: int | None = None
    next_page_token: str | None = None


@dataclass
class ScheduleList:
    """A page of schedules.

    Attributes:
        schedules: Descriptions of the schedules.
        next_page_token: Token of the next page; absent on the last page.
    """

    schedules: list[dict[str, Any]]
    next_page_token: str | None


class Schedules(Resource):
    """The schedules of a namespace."""

    lua_name: ClassVar[str] = "assay.temporal.Schedules"
    lua_prefix: ClassVar[str] = "c.schedules"

    @method
    async def list(self, options: SchedulesOptions | None = None) -> ScheduleList:
        """List schedules. The list is eventually consistent: a new schedule appears after a short delay.

        Args:
            options: Namespace and page to return.
        """
        options = options or SchedulesOptions()
        parameters = {"maximumPageSize": options.maximum_page_size, "nextPageToken": options.next_page_token}
        response = await self._transport.get(self._path(options, "schedules"), parameters)
        return ScheduleList(items(response, "schedules"), page_token(response))

    @method
    async def get(self, schedule_id: str, options: NamespaceOptions | None = None) -> dict[str, Any]:
        """Describe a schedule; the result includes `schedule` and `info`.

        Args:
            schedule_id: Schedule id.
            options: Namespace.
        """
        return await self._transport.get(self._path(options, f"schedules/{segment(schedule_id, 'schedule_id')}"))

    @method
    async def __call__(self, options: SchedulesOptions | None = None) -> ScheduleList:
        """List schedules; same as `c.schedules:list`.

        Args:
            options: Namespace and page to return.
        """
        return await self.list(options)
