"""Python objects behind the handles of a Lua state."""

from __future__ import annotations

from typing import Any


class Objects:
    """Objects by the ids of their handles."""

    __slots__ = ("_collected", "_last_id", "_lent", "by_id")

    def __init__(self, lent: Objects | None = None) -> None:
        """`lent`: objects of another state to share. They are kept even if Lua collects their handles here."""
        self._lent = lent is not None
        self._last_id: int = 0 if lent is None else lent._last_id
        self.by_id: dict[int, Any] = {} if lent is None else dict(lent.by_id)
        self._collected: list[int] = []

    def keep(self, item: Any) -> int:
        """Keep an object until Lua collects its handle; returns its id."""
        self._last_id += 1
        self.by_id[self._last_id] = item
        return self._last_id

    def collected(self, identity: int) -> None:
        """Mark an object as collected. `release` drops it later, because Lua may be in the middle of a step."""
        if not self._lent:
            self._collected.append(identity)

    def release(self) -> None:
        """Drop the objects whose handles Lua has collected."""
        while self._collected:
            item = self.by_id.pop(self._collected.pop())
            if hasattr(item, "release"):
                item.release()
