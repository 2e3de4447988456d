"""Descriptions of pending waits, for the stack trace of the Web UI and the screen of `assay dev`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from assay.temporal.data import times
from assay.temporal.workflow.sandbox.host import WorkflowHost

if TYPE_CHECKING:
    from assay.lua.declare import Function

STACK_QUERY = "__stack_trace"
"""Query of Temporal's tools, which returns a string."""
STATE_QUERY = "__assay_state"
"""Query of `assay dev`, which returns the result of `state`."""

MAX_WAITS = 50
"""Maximum number of waits that `state` returns."""

_POSITION = re.compile(r"^\s*([^\s\[][^\n]*?:\d+):", re.MULTILINE)


@dataclass
class Wait:
    """A pending wait of a task.

    Attributes:
        what: Description, such as "signal 'approve'", "activity 'fetch'" or "timer".
        until: Time at which the wait ends at the latest, in seconds since 1970-01-01 UTC.
        where: Line of the script, as file:line.
    """

    what: str
    until: float | None
    where: str


class Awaited(Protocol):
    """A future of a script."""

    title: str
    until: float | None

    def waits_for_others(self) -> bool:
        """Return true if the future has ended, or if the waits of another fiber cover it."""


def state(host: WorkflowHost, details: str) -> dict[str, Any]:
    """Return `waits`, up to `MAX_WAITS` pending waits of the run, and `details`, its current details."""
    waits = (wait for task in sorted(host.waits) for wait in _waits(host, task))
    return {
        "waits": [asdict(wait) for wait in islice(waits, MAX_WAITS)],
        "details": details,
    }


def stack(host: WorkflowHost) -> str:
    """Return the pending waits of the run as text, with the Lua traceback of each fiber."""
    parts = []
    for task in sorted(host.waits):
        waits = "; ".join(map(_text, _waits(host, task)))
        parts.append("\n".join(filter(None, (waits, host.traceback(task)))))
    return "\n\n".join(parts)


def _text(wait: Wait) -> str:
    until = None if wait.until is None else times.read(wait.until)
    return wait.what if until is None else f"{wait.what}, until {until:%Y-%m-%d %H:%M:%S} UTC"


def _waits(host: WorkflowHost, task: int) -> Iterator[Wait]:
    function, arguments, since = host.waits[task]
    position = _POSITION.search(host.traceback(task))
    for what, until in _describe(function, arguments, since):
        yield Wait(what, until, position[1] if position else "")


def _describe(function: Function, arguments: list[Any], since: float) -> Iterable[tuple[str, float | None]]:
    """Return descriptions and deadlines of a wait; none if the waits of other tasks cover it."""
    method = function.title.partition(":")[2]
    first = arguments[1] if len(arguments) > 1 else None
    match function.title:
        case "ctx:wait_signal":
            return [(f"signal '{first}'", _end(since, arguments[2]))]
        case "ctx:wait_condition":
            return [("condition", _end(since, arguments[2]))]
        case "ctx:sleep":
            return [("timer", since + arguments[1])]
        case "ctx:execute_activity" | "ctx:execute_local_activity" | "ctx:execute_child_workflow":
            return [(f"{method.removeprefix('execute_').replace('_', ' ')} '{first}'", None)]
        case "ctx:execute_nexus_operation":
            return [(f"operation '{arguments[1].operation}'", None)]
        case "future:get":
            return _of_futures([arguments[0]])
        case "ctx:await_all" | "ctx:await_any":
            end = _end(since, arguments[2])
            return [(what, _earlier(until, end)) for what, until in _of_futures(arguments[1])]
        case "ctx:with_timeout":
            return [("time limit", since + arguments[1])]
        case "ctx:shield":
            return ()
    return [(method.replace("_", " "), None)]


def _of_futures(futures: Iterable[Awaited]) -> list[tuple[str, float | None]]:
    waited_for = [future for future in futures if not future.waits_for_others()]
    return [(future.title.removeprefix("a "), future.until) for future in waited_for]


def _end(since: float, options: Any) -> float | None:
    return None if options is None or options.timeout is None else since + options.timeout


def _earlier(one: float | None, other: float | None) -> float | None:
    return min((time for time in (one, other) if time is not None), default=None)
