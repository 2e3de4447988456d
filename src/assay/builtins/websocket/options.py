"""The options of the methods of a WebSocket."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(kw_only=True)
class SendOptions:
    """How to send a message.

    Attributes:
        binary: Send it as bytes; else it is text, which has to be UTF-8.
    """

    binary: bool = False


@dataclass(kw_only=True)
class ReceiveOptions:
    """How to wait for a message.

    Attributes:
        timeout: Seconds to wait; without a limit when left out. The connection stays open after a timeout.
    """

    timeout: float | None = None
