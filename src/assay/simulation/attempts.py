"""Outcomes of one attempt of an activity: the possible ones, the choice, and its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure

from assay.errors import LuaError
from assay.lua.values import Json
from assay.simulation.choices import Choices
from assay.simulation.plan import Activity
from assay.temporal.data import failures, payloads

ENDS = "ends"
LOST = "runs, but its answer is lost"
HANGS = "hangs"

MAX_FAULTS = 3
"""Faults of one call that are injected."""

_STEPS = 7


@dataclass
class Call:
    """An attempt of an activity.

    Attributes:
        activity: Its name.
        input: What it got.
        attempt: Counted from 1.
        at: Seconds since the start of the world.
        outcome: "completed", "failed", "lost" or "timed out"; empty while it runs.
        number: Which call of this activity it is, counted from 1.
        after_cancel: The workflow had heard of a cancel request when it asked for the activity.
    """

    activity: str
    input: Json
    attempt: int
    at: float
    outcome: str = ""
    number: int = 0
    after_cancel: bool = False


def durations(activity: Activity, limit: float) -> list[float]:
    """Return how long an attempt may take: a few lengths, the shortest first."""
    longest = min(limit * 0.9, activity.longest if activity.longest is not None else 60.0)
    shortest = min(activity.shortest, longest)
    if longest <= shortest:
        return [shortest]
    if shortest <= 0:
        return [round(longest * step / _STEPS, 3) for step in range(_STEPS + 1)]
    ratio = longest / shortest
    return [round(float(shortest * ratio ** (step / _STEPS)), 3) for step in range(_STEPS + 1)]


def choose_outcome(choices: Choices, title: str, activity: Activity, faults: int, *, may_fault: bool) -> str:
    """Choose how an attempt ends: `ENDS`, `LOST`, `HANGS`, or "fails: " with the number of a failure.

    `may_fault`: another attempt follows.
    """
    options = [ENDS]
    if faults < MAX_FAULTS:
        options += [f"fails: {failure.message}" for failure in activity.failures]
        if activity.transient and may_fault:
            options += ["fails", LOST, HANGS]
        elif activity.times_out:
            options += [LOST, HANGS]
    return choices.pick(title, options, "faults")


def injected(activity: Activity, outcome: str) -> Failure:
    """Return the failure that an outcome names."""
    for failure in activity.failures:
        if outcome == f"fails: {failure.message}":
            return failure
    return failures.application("simulated failure", "SimulatedFailure")


def run(activity: Activity, input: Sequence[Payload], attempt: int) -> Payload | Failure:
    """Run the activity's function; returns its result or its failure."""
    arguments = [payloads.from_payload(payload) or Json(b"null") for payload in input]
    try:
        return payloads.to_payload(activity.run(arguments, attempt))
    except LuaError as error:
        return failures.of_lua_error(error)
