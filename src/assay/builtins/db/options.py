"""The options of `db.connect`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(kw_only=True)
class ConnectOptions:
    """How to connect.

    Attributes:
        timeout: Seconds that a statement may take, waiting for a free connection included; then it is cancelled.
            `math.huge` for no limit.
        connect_timeout: Seconds to open a connection.
        max_connections: How many connections are open at most; further statements wait. SQLite always has one.
    """

    timeout: float = 30
    connect_timeout: float = 10
    max_connections: int = 10
