"""The checks of every run at its end: unfinished handlers, signals that were not taken, unawaited failures."""

from __future__ import annotations

from assay.simulation.execution import Execution
from assay.simulation.violation import Violation

_NOT_BY_ITSELF = frozenset({"terminated", "timed out"})


def check_end(execution: Execution) -> list[Violation]:
    """Return what is wrong with how a run has ended."""
    run = execution.core.run
    if run is None or execution.status in _NOT_BY_ITSELF:
        return []
    name = f"workflow '{execution.start.workflow_type}'"
    found = []
    for title, count in run.mailbox.unfinished().items():
        found.append(Violation("unfinished", f"{name} ended while a handler of {title} was running ({count})"))
    for signal, count in run.mailbox.unreceived().items():
        found.append(Violation("lost", f"{name} ended without taking signal '{signal}' ({count})"))
    found += [
        Violation("unawaited", f"{name} ended with an unawaited failure of {future.title}: {future.failure_text()}")
        for future in run.unawaited
    ]
    return found
