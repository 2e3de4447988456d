"""Reports of a script's process to `assay dev` about its workers, as JSON lines."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

_CONTROL = dict.fromkeys((*range(32), *range(127, 160)), "·")


def _printable(plain: dict[str, Any]) -> dict[str, Any]:
    """Replace control characters, which could control the terminal."""
    return {name: value.translate(_CONTROL) if isinstance(value, str) else value for name, value in plain.items()}


@dataclass
class Queue:
    """Task queue of a worker, with the names of its workflows and activities."""

    task_queue: str
    workflows: list[str]
    activities: list[str]
    namespace: str = ""


@dataclass
class Wait:
    """Something that a workflow waits for.

    Attributes:
        what: Kind and name, such as "signal 'approve'", "activity 'charge'" or "timer".
        until: Deadline of the wait, in seconds since 1970-01-01 UTC.
        where: Line of the script, as file:line.
        attempt: Number of the current attempt.
        next_attempt: Time of the next attempt, in seconds since 1970-01-01 UTC.
        note: Message of the last failure, or "in the queue".
    """

    what: str
    until: float | None = None
    where: str = ""
    attempt: int = 1
    next_attempt: float | None = None
    note: str = ""


@dataclass
class Run:
    """An open workflow.

    Attributes:
        workflow_type: Workflow type.
        workflow_id: Workflow id.
        waits: What the workflow waits for.
        details: Current details that the workflow has set, as plain text.
        run_id: Run id.
        namespace: Namespace.
        is_described: True if waits and details were fetched. If there are many workflows, only some are described.
    """

    workflow_type: str
    workflow_id: str
    waits: list[Wait] = field(default_factory=list)
    details: str = ""
    run_id: str = ""
    namespace: str = ""
    is_described: bool = True


@dataclass
class Finished:
    """A workflow that completed or was cancelled: time, ids and result as JSON, or an empty string."""

    time: float
    workflow_type: str
    workflow_id: str
    run_id: str
    namespace: str
    result: str = ""


@dataclass
class Failure:
    """A failure: time, the workflow and the step that failed, the line of the script, and the error message."""

    time: float
    what: str
    where: str
    message: str


@dataclass
class Report:
    """State of the workers and workflows of a script.

    Attributes:
        queues: Task queues of the workers.
        runs: Open workflows, newest first; not all if there are many.
        more: Number of further open workflows.
        finished: Workflows that recently completed or were cancelled, newest first.
        failures: Most recent failures, newest first.
        problem: Reason why the workflows could not be fetched, or an empty string.
    """

    queues: list[Queue] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    more: int = 0
    finished: list[Finished] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    problem: str = ""

    def to_line(self) -> bytes:
        """Return the report as a JSON line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Report:
        """Parse a line from `to_line`."""
        plain: dict[str, Any] = json.loads(line, object_hook=_printable)
        plain["queues"] = [Queue(**queue) for queue in plain["queues"]]
        plain["finished"] = [Finished(**finished) for finished in plain["finished"]]
        plain["failures"] = [Failure(**failure) for failure in plain["failures"]]
        plain["runs"] = [Run(**run | {"waits": [Wait(**wait) for wait in run["waits"]]}) for run in plain["runs"]]
        return cls(**plain)
