"""Runs of workflows without a server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from engine.driver import Drive, Driver


@pytest.fixture
def drive() -> Iterator[Drive]:
    """Make drivers; at the end of the test each run is evicted before each activation, and must answer the same."""
    drivers: list[Driver] = []

    def make(source: str, **fields: Any) -> Driver:
        drivers.append(Driver(source, **fields))
        return drivers[-1]

    yield make
    for driver in drivers:
        driver.close()
        driver.check_replays()
