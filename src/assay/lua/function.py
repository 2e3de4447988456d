"""Lua functions in Python's hands: an id, never the function itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.lua.host import Host


class LuaFunction:
    """A Lua function that Python holds. Lua may collect it after the last of these is gone."""

    __slots__ = ("host", "id")

    def __init__(self, host: Host, identity: int) -> None:
        self.host = host
        self.id = identity

    async def __call__(self, *arguments: Any) -> Any:
        """Run the function as a task of its own and return its first result.

        Raises LuaError when it raises an error.
        """
        return await self.host.run(self, arguments)

    def __del__(self) -> None:
        self.host.unheld.append(self.id)
