"""The checks of each run: unfinished handlers, unreceived signals, unawaited failures, and its replay."""

from __future__ import annotations

from dataclasses import replace

from assay.simulation.core import Core
from assay.simulation.execution import Execution
from assay.simulation.plan import Plan
from assay.simulation.violation import Violation
from assay.temporal.workflow.sandbox.host import OTHER_HASH_SEED

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
        violations.append(Violation("lost", f"{name} ended without receiving signal '{signal}' ({count})"))
    violations += [
        Violation("unawaited", f"{name} ended with an unawaited failure of {future.title}: {future.failure_text()}")
        for future in run.unawaited
    ]
    return violations


def check_replay(execution: Execution, plan: Plan) -> None:
    """Replay a run with another hash seed, to find code that depends on the order of hash tables. Raises Violation."""
    if not execution.tasks:
        return
    settings = replace(plan.settings, hash_seed=OTHER_HASH_SEED)
    core = Core(plan.definitions[execution.start.workflow_type], settings, execution.start.run_id)
    core.flags = execution.core.flags
    try:
        core.replay(execution.tasks)
    finally:
        core.evict()
