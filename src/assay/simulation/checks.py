"""The checks of each run at its end: unfinished handlers, unreceived signals, unawaited failures."""

from __future__ import annotations

from assay.simulation.execution import Execution
from assay.simulation.violation import Violation

_ENDED_BY_SERVER = frozenset({"terminated", "timed out"})


def check_end(execution: Execution) -> list[Violation]:
    """Return the violations of a run that has ended."""
    run = execution.core.run
    if run is None or execution.status in _ENDED_BY_SERVER:
        return []
    name = f"workflow '{execution.start.workflow_type}'"
    violations = []
    for title, count in run.mailbox.unfinished().items():
        violations.append(Violation("unfinished", f"{name} ended while a handler of {title} was running ({count})"))
    for signal, count in run.mailbox.unreceived().items():
        violations.append(Violation("lost", f"{name} ended without taking signal '{signal}' ({count})"))
    violations += [
        Violation("unawaited", f"{name} ended with an unawaited failure of {future.title}: {future.failure_text()}")
        for future in run.unawaited
    ]
    return violations
