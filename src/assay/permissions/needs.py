"""Rights that calls of builtins need, as their declarations state them.

    @library.function(needs=reads("source") + writes("target"))

`Permissions.admit` checks them before the builtin runs.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Right = Literal["net", "read", "write", "env", "run", "db", "temporal"]

RIGHTS: dict[Right, str] = {
    "net": "connect to hosts, and listen",
    "read": "read files",
    "write": "write files",
    "env": "read and set environment variables",
    "run": "run programs",
    "db": "connect to database servers",
    "temporal": "connect to Temporal servers",
}
"""Rights and their descriptions."""


class Need(NamedTuple):
    """A right that a call needs.

    `argument` is the parameter with the target: a URL, a path, a variable. For a path, `how` may be "link" (the link
    itself, not its target); for a variable, "set". Without an argument, `how` is "any" (the policy must grant part of
    the right), "all" (it must grant the right without a list) or "in_builtin" (the builtin itself checks the policy,
    because only it knows the target).
    """

    right: Right
    argument: str | None = None
    how: Literal["any", "all", "in_builtin", "link", "set"] = "any"


Needs = tuple[Need, ...]

NOTHING: Needs = ()
"""For functions that only compute, or use a connection that was checked when it was opened."""

NET_URL: Needs = (Need("net", "url"),)
LISTEN: Needs = (Need("net", how="in_builtin"),)
RUN: Needs = (Need("run", how="in_builtin"),)
PROCESSES: Needs = (Need("run", how="all"),)
ENV: Needs = (Need("env", "key"),)
ENV_SET: Needs = (Need("env", "key", "set"),)
ENV_ALL: Needs = (Need("env", how="all"),)
DATABASE: Needs = (Need("db", how="in_builtin"),)
TEMPORAL: Needs = (Need("temporal", how="in_builtin"),)
GLOB: Needs = (Need("read", how="in_builtin"),)
TEMPDIR: Needs = (Need("write", how="in_builtin"),)
TEMPORAL_URL: Needs = (Need("temporal", "url"),)


def reads(argument: str, *, link: bool = False) -> Needs:
    """Return the need to read the file at a path, or with `link` the link itself."""
    return (Need("read", argument, "link" if link else "any"),)


def writes(argument: str, *, link: bool = False) -> Needs:
    """Return the need to write the file at a path, or with `link` to replace or remove the link itself."""
    return (Need("write", argument, "link" if link else "any"),)


def flags(needs: Needs) -> list[str]:
    """Return the command-line options that grant the needs, without their lists."""
    return list(dict.fromkeys(f"--allow-{need.right}" for need in needs))
