"""Options of `db.connect`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(kw_only=True)
class ConnectOptions:
    """Options of a connection.

    Attributes:
        timeout: Maximum duration of a statement, including the wait for a free connection, in seconds; then it is
            cancelled. `math.huge` for no limit.
        connect_timeout: Maximum time to open a connection, in seconds.
        max_connections: Maximum number of open connections; further statements wait. SQLite always has one.
    """

    timeout: float = 30
    connect_timeout: float = 10
    max_connections: int = 10
