"""Fixtures for tests of `http` and `ws`."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

import aiohttp
import pytest
import trustme

from timeouts import TIMEOUT
from web_peers import Peer, Script, listening


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    """Scripts on the event loop of the test."""
    made = Script()
    yield made
    await made.host.close()


@pytest.fixture
async def peer(script: Script) -> AsyncIterator[Peer]:
    """A server that records requests and answers them with 200."""
    async with listening(Peer()) as made:
        yield made
        await script.host.close()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority that is not trusted by default."""
    return trustme.CA()


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """TLS of a server at 127.0.0.1 with a certificate of `authority`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture
async def web() -> AsyncIterator[aiohttp.ClientSession]:
    """A client that is independent of the one under test."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session
