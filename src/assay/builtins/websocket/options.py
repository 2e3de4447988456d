"""Options of the methods of a WebSocket connection."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(kw_only=True)
class SendOptions:
    """Options of a message.

    Attributes:
        binary: Send a binary message. Otherwise the message is text and must be valid UTF-8.
    """

    binary: bool = False


@dataclass(kw_only=True)
class ReceiveOptions:
    """Options of a wait for a message.

    Attributes:
        timeout: Maximum time to wait, in seconds; no limit by default. The connection stays open after a timeout.
    """

    timeout: float | None = None
