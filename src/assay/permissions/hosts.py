"""Hosts of a policy, and which hosts they cover."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from assay.permissions.paths import resolve

Address = IPv4Address | IPv6Address

_NAME = re.compile(r"[a-z0-9_.-]+")


class _Entry(NamedTuple):
    """A host name, `*.` and a domain, or a network; on one port or on all."""

    name: str
    network: IPv4Network | IPv6Network | None
    port: int | None


class Hosts:
    """Hosts: `host`, `host:port`, `*.domain`, an address or a network; and unix sockets by path."""

    def __init__(self, names: Iterable[str]) -> None:
        """Parse the entries. Raises ValueError for an invalid one."""
        given = list(names)
        self._sockets = [os.path.realpath(os.fsencode(name)) for name in given if name.startswith("/")]
        self._entries = [_parse(name) for name in given if not name.startswith("/")]

    def covers(self, host: str, port: int) -> bool:
        """Return true if a host is granted. The address that a name resolves to is checked by `covers_address`."""
        address = as_address(host)
        if address is not None:
            return self.covers_address(address, port)
        name = _plain(host)
        if not _NAME.fullmatch(name):  # inside a URL it could address another host
            return False
        entries = [entry for entry in self._entries if entry.port in (None, port)]
        if name == "localhost" and any(entry.network is not None and entry.network.is_loopback for entry in entries):
            return True
        return any(_matches(entry.name, name) for entry in entries if entry.network is None)

    def covers_address(self, address: Address, port: int) -> bool:
        """Return true if an address itself is granted; `localhost` grants the loopback addresses."""
        return any(
            address in entry.network if entry.network is not None else entry.name == "localhost" and address.is_loopback
            for entry in self._entries
            if entry.port in (None, port)
        )

    def covers_socket(self, path: str) -> bool:
        """Return true if a unix socket, or the folder that it is in, is granted."""
        real = resolve(os.fsencode(path))
        return any(real == named or real.startswith(named + b"/") for named in self._sockets)


def is_public(address: Address) -> bool:
    """Return true if an address is neither loopback, private, reserved nor multicast."""
    return address.is_global and not address.is_multicast and not address.is_reserved


@lru_cache(maxsize=1024)
def as_address(host: str) -> Address | None:
    """Return the address if `host` is one, or None for a name. An IPv4-mapped IPv6 address becomes IPv4."""
    try:
        address = ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def place(host: str, port: int) -> str:
    """Format a host and a port as an entry of a policy."""
    shown = host.strip("[]")
    return f"[{shown}]:{port}" if ":" in shown else f"{shown}:{port}"


def _matches(pattern: str, name: str) -> bool:
    return name.endswith(pattern[1:]) if pattern.startswith("*.") else name == pattern


def _plain(host: str) -> str:
    name = host.lower().removesuffix(".")
    with suppress(UnicodeError):  # an invalid host name matches nothing
        return name if name.isascii() else name.encode("idna").decode()
    return name


def _parse(text: str) -> _Entry:
    port = ""
    if text.startswith("[") and "]" in text:
        host, _, rest = text[1:].partition("]")
        network, colon, port = rest.partition(":")
        host += network
    elif text.count(":") > 1:
        host, colon = text, ""
    else:
        host, colon, port = text.partition(":")
    if colon and not (port.isdigit() and int(port) < 65536):
        raise ValueError(f"'{text}': the port must be a number up to 65535")
    number = int(port) if colon else None
    try:
        return _Entry("", ip_network(host), number)
    except ValueError:
        pass
    name = _plain(host)
    if not _NAME.fullmatch(name.removeprefix("*.")):
        raise ValueError(f"'{text}': host, host:port, *.domain, an address or a network such as 10.0.0.0/8 expected")
    return _Entry(name, None, number)
