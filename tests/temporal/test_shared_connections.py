"""The number of shared connections."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.service import ConnectConfig, ServiceClient

from assay.temporal.connection import connect


class Service:
    """A stub of a connection."""

    def __init__(self, address: str) -> None:
        self.address = address


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that were connected to; no server is needed."""
    addresses: list[str] = []

    async def open_one(config: ConnectConfig) -> Any:
        addresses.append(config.target_host)
        return Service(config.target_host)

    async def answers(_shared_service: Any) -> bool:
        return True

    monkeypatch.setattr(ServiceClient, "connect", open_one)
    monkeypatch.setattr(connect, "is_reachable", answers)
    monkeypatch.setattr(connect, "_shared", type(connect._shared)())
    return addresses


async def of(number: int) -> Any:
    return await connect._shared_service(ConnectConfig(target_host=f"127.0.0.1:{number}"))


async def test_a_connection_is_made_once(made: list[str]) -> None:
    assert await of(1) is await of(1)
    assert made == ["127.0.0.1:1"]


async def test_the_least_recently_used_connection_is_closed_first(made: list[str]) -> None:
    for number in range(connect._MAX_SHARED):
        await of(number)
    await of(0)
    await of(1000)
    assert len(connect._shared) == connect._MAX_SHARED
    made.clear()
    await of(0)
    await of(1000)
    assert made == []
    await of(1)
    assert made == ["127.0.0.1:1"]
