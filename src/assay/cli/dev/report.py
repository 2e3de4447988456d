"""What the process of a script reports to `assay dev` about its workers: one report a second, each a line of JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

_CONTROL = dict.fromkeys((*range(32), *range(127, 160)), "·")


def _printable(plain: dict[str, Any]) -> dict[str, Any]:
    """Names and messages without what a terminal would obey."""
    return {name: value.translate(_CONTROL) if isinstance(value, str) else value for name, value in plain.items()}


@dataclass
class Queue:
    """One worker: where it polls and what it registers."""

    task_queue: str
    workflows: list[str]
    activities: list[str]
    namespace: str = ""


@dataclass
class Wait:
    """One thing that a workflow waits for.

    Attributes:
        what: "signal 'approve'", "activity 'charge'", "timer".
        until: When the wait is over in any case, in seconds since 1970-01-01 UTC.
        where: The line of the script, as file:line.
        attempt: How often it has been tried, when that is more than once.
        again: When the next attempt is due, in seconds since 1970-01-01 UTC.
        note: What the server says of it: why the last attempt failed, or that it is in the queue.
    """

    what: str
    until: float | None = None
    where: str = ""
    attempt: int = 1
    again: float | None = None
    note: str = ""


@dataclass
class Run:
    """An open workflow; `details` are those that it has set, as text.

    `is_looked_at` is false for one of which only this much is known: there are many.
    """

    workflow_type: str
    workflow_id: str
    waits: list[Wait] = field(default_factory=list)
    details: str = ""
    run_id: str = ""
    namespace: str = ""
    is_looked_at: bool = True


@dataclass
class Finished:
    """A workflow that has completed or was cancelled: when, and its result as JSON; empty when it has none."""

    time: float
    workflow_type: str
    workflow_id: str
    run_id: str
    namespace: str
    result: str = ""


@dataclass
class Failure:
    """Something that failed: when, what, the line of the script, and the error's text."""

    time: float
    what: str
    where: str
    message: str


@dataclass
class Report:
    """What there is to show.

    Attributes:
        queues: The workers.
        runs: Some of the open workflows, the newest first.
        more: How many more there are.
        finished: The last workflows that have ended well, the newest first.
        failures: The last ones, the newest first.
        problem: Why there is nothing new of the workflows.
    """

    queues: list[Queue] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    more: int = 0
    finished: list[Finished] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    problem: str = ""

    def to_line(self) -> bytes:
        """The report as a line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Report:
        """Read a line of `to_line`."""
        plain: dict[str, Any] = json.loads(line, object_hook=_printable)
        plain["queues"] = [Queue(**queue) for queue in plain["queues"]]
        plain["finished"] = [Finished(**finished) for finished in plain["finished"]]
        plain["failures"] = [Failure(**failure) for failure in plain["failures"]]
        plain["runs"] = [Run(**run | {"waits": [Wait(**wait) for wait in run["waits"]]}) for run in plain["runs"]]
        return cls(**plain)
