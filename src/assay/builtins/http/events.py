"""Server-sent events: the `send` function that a handler's `sse` function receives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from assay.errors import BuiltinError, ErrorObject
from assay.lua.declare import method
from assay.permissions.needs import NOTHING, Needs

if TYPE_CHECKING:
    from aiohttp.web import StreamResponse


@dataclass(kw_only=True)
class Event:
    """A server-sent event.

    Attributes:
        data: The event's data; each line is sent as a `data` field.
        event: The event's type; clients treat it as "message" when omitted.
        id: The event's id, which a client sends as `Last-Event-ID` when it reconnects.
        retry: The delay after which a client should reconnect, in milliseconds.
    """

    data: str
    event: str | None = None
    id: str | None = None
    retry: int | None = None

    def encode(self) -> bytes:
        """Return the event in the text/event-stream format. Raises BuiltinError for an invalid field."""
        lines = []
        for name, value in (("event", self.event), ("id", self.id)):
            if value is not None:
                if any(character in value for character in "\0\r\n"):
                    raise BuiltinError(f"bad option '{name}' (one line without NUL expected)")
                lines.append(f"{name}: {value}")
        if self.retry is not None:
            if self.retry < 0:
                raise BuiltinError(f"bad option 'retry' (milliseconds of at least 0 expected, got {self.retry})")
            lines.append(f"retry: {self.retry}")
        text = self.data.replace("\r\n", "\n").replace("\r", "\n")
        lines += [f"data: {line}" for line in text.split("\n")]
        return "\n".join((*lines, "", "")).encode()


class Send:
    """An open stream of server-sent events; call it to send an event."""

    lua_name: ClassVar[str] = "http.send"
    lua_needs: ClassVar[Needs] = NOTHING

    def __init__(self, response: StreamResponse) -> None:
        self._response = response
        self.ended = False

    @method
    async def __call__(self, event: Event) -> None:
        """Send an event; wait if the client reads slowly.

        Args:
            event: The event.
        """
        text = event.encode()
        if self.ended:
            raise BuiltinError("the stream has ended")
        try:
            await self._response.write(text)
        except ConnectionError:
            raise ErrorObject("send failed: the client has disconnected", kind="closed") from None
