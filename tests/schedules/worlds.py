"""Simulated worlds of workflows given as Lua source."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from temporalio.api.common.v1 import Payload

from assay.lua.values import Json
from assay.simulation.choices import Choices
from assay.simulation.plan import Activity, Message, Plan
from assay.simulation.world import World
from assay.temporal.data import payloads
from assay.temporal.workflow.settings import Definition
from engine.driver import make_settings, snapshot


def activity(function: Callable[..., Any] = lambda *_arguments: None, **fields: Any) -> Activity:
    """Return an activity whose function gets and gives plain values."""

    def run(arguments: Sequence[Json], _attempt: int) -> Json | None:
        result = function(*map(payloads.to_python, arguments))
        return None if result is None else Json.of(result)

    return Activity(run, **fields)


def signal(name: str, *inputs: Any, **fields: Any) -> Message:
    """Return a signal that may come."""
    return Message("signal", name, [Json.of(value) for value in inputs] or (None,), **fields)


def update(name: str, *inputs: Any, **fields: Any) -> Message:
    """Return an update that may come."""
    return Message("update", name, [Json.of(value) for value in inputs] or (None,), **fields)


def make_plan(source: str, *arguments: Any, others: Mapping[str, str] | None = None, **fields: Any) -> Plan:
    """Return the plan of the workflow function that a chunk returns; `others` are its children, by type."""
    definitions = {name: Definition(name, snapshot(text)) for name, text in (others or {}).items()}
    return Plan(
        definitions={"W": Definition("W", snapshot(source)), **definitions},
        settings=make_settings(),
        workflow_type="W",
        arguments=[Json.of(argument) for argument in arguments],
        **{"activities": {"act": activity(lambda value=None: value)}, **fields},
    )


def run(plan: Plan, schedule: Mapping[str, Any] | None = None, *, seed: int | None = None, horizon: int = 20) -> World:
    """Run a plan under a schedule, or one from a seed; raises what is wrong with it."""
    world = World(plan, Choices(schedule, None if seed is None else random.Random(seed)), horizon)
    world.run()
    return world


def value(outcome: Any) -> Any:
    """Return the value of a result."""
    return payloads.read_python(outcome) if isinstance(outcome, Payload) else outcome
