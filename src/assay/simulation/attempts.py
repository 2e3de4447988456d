"""Attempts of activities: their possible behaviors, the choice of one, and its result."""

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

RETURNS = "returns"
LOST = "returns, but its result is lost"
HANGS = "hangs"

MAX_FAULTS = 3
"""Maximum number of faults that are injected into one call."""

_DURATION_STEPS = 7


@dataclass
class Call:
    """An attempt of an activity.

    Attributes:
        activity: Name of the activity.
        input: The input.
        attempt: Number of the attempt, counted from 1.
        at: Start time, in seconds since the start of the simulation.
        outcome: "completed", "failed", "lost" or "timed out"; empty while it runs.
        number: Number of the call among those of this activity, counted from 1.
        after_cancel: True if the workflow had received a cancellation request before it scheduled the activity.
    """

    activity: str
    input: Json
    attempt: int
    at: float
    outcome: str = ""
    number: int = 0
    after_cancel: bool = False


def durations(activity: Activity, timeout: float) -> list[float]:
    """Return possible durations of an attempt, in seconds, in ascending order."""
    longest = min(timeout * 0.9, activity.max_duration if activity.max_duration is not None else 60.0)
    shortest = min(activity.min_duration, longest)
    if longest <= shortest:
        return [shortest]
    if shortest <= 0:
        return [round(longest * step / _DURATION_STEPS, 3) for step in range(_DURATION_STEPS + 1)]
    ratio = longest / shortest
    return [round(float(shortest * ratio ** (step / _DURATION_STEPS)), 3) for step in range(_DURATION_STEPS + 1)]


def choose_behavior(choices: Choices, name: str, activity: Activity, faults: int, *, has_retry: bool) -> str:
    """Choose the behavior of an attempt: `RETURNS`, `LOST`, `HANGS`, "fails", or "fails: MESSAGE".

    Args:
        choices: The schedule.
        name: Name of the choice.
        activity: The activity.
        faults: Number of faults that earlier attempts of the call had.
        has_retry: True if another attempt would follow a failure.
    """
    options = [RETURNS]
    if faults < MAX_FAULTS:
        options += [f"fails: {failure.message}" for failure in activity.failures]
        if activity.transient and has_retry:
            options += ["fails", LOST, HANGS]
        elif activity.times_out:
            options += [LOST, HANGS]
    return choices.pick(name, options, "faults")


def choose_local_behavior(choices: Choices, name: str, activity: Activity, faults: int, *, has_retry: bool) -> str:
    """Choose the behavior of an attempt of a local activity, which neither hangs nor loses its result."""
    options = [RETURNS]
    if faults < MAX_FAULTS:
        options += [f"fails: {failure.message}" for failure in activity.failures]
        options += ["fails"] if activity.transient and has_retry else []
    return choices.pick(name, options, "faults")


def result(activity: Activity, input: Sequence[Payload], attempt: int, behavior: str) -> Payload | Failure:
    """Return the result of an attempt: that of the activity's function, or the failure that `behavior` injects."""
    return run(activity, input, attempt) if behavior == RETURNS else _injected_failure(activity, behavior)


def _injected_failure(activity: Activity, behavior: str) -> Failure:
    for failure in activity.failures:
        if behavior == f"fails: {failure.message}":
            return failure
    return failures.application("simulated failure", "SimulatedFailure")


def run(activity: Activity, input: Sequence[Payload], attempt: int) -> Payload | Failure:
    """Run the activity's function, and return its result or failure."""
    arguments = [payloads.from_payload(payload) or Json(b"null") for payload in input]
    try:
        return payloads.to_payload(activity.run(arguments, attempt))
    except LuaError as error:
        return failures.of_lua_error(error)
