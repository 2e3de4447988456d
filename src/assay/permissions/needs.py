"""What the declaration of a builtin states: the rights that a call needs.

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
"""The rights, and what each allows."""


class Need(NamedTuple):
    """A right that a call needs.

    `argument` is the parameter that names what it is needed for: a URL, a path, a variable. Without one, `how` is "any"
    (the policy has to grant something of the right), "all" (it has to grant the right without a list) or "asked" (the
    builtin asks the policy itself, because only it knows what for). A path may be that of a "link" itself, and a
    variable one to "set".
    """

    right: Right
    argument: str | None = None
    how: Literal["any", "all", "asked", "link", "set"] = "any"


Needs = tuple[Need, ...]

NOTHING: Needs = ()
"""For what only computes, and for what acts on a connection whose opening was checked."""

NET_URL: Needs = (Need("net", "url"),)
LISTEN: Needs = (Need("net", how="asked"),)
RUN: Needs = (Need("run", how="asked"),)
PROCESSES: Needs = (Need("run", how="all"),)
ENV: Needs = (Need("env", "key"),)
ENV_SET: Needs = (Need("env", "key", "set"),)
ENV_ALL: Needs = (Need("env", how="all"),)
DATABASE: Needs = (Need("db", how="asked"),)
TEMPORAL: Needs = (Need("temporal", how="asked"),)
GLOB: Needs = (Need("read", how="asked"),)
TEMPDIR: Needs = (Need("write", how="asked"),)
TEMPORAL_URL: Needs = (Need("temporal", "url"),)


def reads(argument: str, *, link: bool = False) -> Needs:
    """The need of a call that reads what a path leads to, or the link that it names."""
    return (Need("read", argument, "link" if link else "any"),)


def writes(argument: str, *, link: bool = False) -> Needs:
    """The need of a call that writes what a path leads to, or replaces or removes the link that it names."""
    return (Need("write", argument, "link" if link else "any"),)


def flags(needs: Needs) -> list[str]:
    """The options of the command line that grant what is needed, without their lists."""
    return list(dict.fromkeys(f"--allow-{need.right}" for need in needs))
