"""The search for a failing schedule."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from assay.simulation.choices import Choices, Schedule
from assay.simulation.core import Watch
from assay.simulation.coverage import Coverage
from assay.simulation.plan import Plan
from assay.simulation.shrink import shrink
from assay.simulation.violation import Violation
from assay.simulation.world import World

Check = Callable[[World], None]
"""Checks a world that has ended. Raises Violation."""

_MAX_STALE = 1000
"""Number of schedules without new coverage after which the search ends."""
_MAX_INTERESTING = 200
_MAX_HORIZON = 80


@dataclass
class FailingSchedule:
    """A failing schedule that a search has found.

    Attributes:
        number: Its number in the search, counted from 1.
        schedule: The schedule, after shrinking.
        original_size: Number of its choices before shrinking.
        violation: The violation.
        world: The world at the end of the schedule.
    """

    number: int
    schedule: Schedule
    original_size: int
    violation: Violation
    world: World


@dataclass
class Report:
    """The result of a search.

    Attributes:
        count: Number of schedules that ran.
        coverage: Their coverage.
        interesting: Schedules with new coverage.
        failing: The failing schedule, if one was found.
        has_stopped_early: The search ended early because the last schedules had no new coverage.
    """

    count: int = 0
    coverage: Coverage = field(default_factory=Coverage)
    interesting: list[Schedule] = field(default_factory=list)
    failing: FailingSchedule | None = None
    has_stopped_early: bool = False


class Explorer:
    """Runs the schedules of a plan."""

    def __init__(self, plan: Plan, check: Check) -> None:
        self._plan = plan
        self._check = check
        self._horizon = 0
        self._interesting: list[Schedule] = []

    def run(self, choices: Choices, watch: Watch | None = None) -> tuple[World, Violation | None]:
        """Run one schedule; return its world and the violation, if any. Raises Unsupported."""
        world = World(self._plan, choices, self._horizon, watch)
        try:
            world.run()
            self._check(world)
        except Violation as violation:
            return world, violation
        return world, None

    def repeat(
        self, schedule: Mapping[str, str | int | float], watch: Watch | None = None
    ) -> tuple[World, Violation | None]:
        """Run a recorded schedule."""
        return self.run(Choices(schedule), watch)

    def search(self, count: int, seed: int) -> Report:
        """Run up to `count` schedules until one fails. The first one has only default choices."""
        report = Report(interesting=self._interesting)
        last_new = 0
        for number in range(1, count + 1):
            source = random.Random(f"{seed} {number}")
            choices = Choices() if number == 1 else self._choices(source)
            world, violation = self.run(choices)
            report.count = number
            self._horizon = min(_MAX_HORIZON, max(self._horizon, world.trace.moments))
            is_new = report.coverage.add(world.trace.labels)
            if violation is not None:
                report.failing = self._shrink(number, choices.deviations, violation)
                return report
            if is_new:
                last_new = number
                self._interesting.append(choices.deviations)
                if len(self._interesting) > _MAX_INTERESTING:
                    self._interesting.pop(source.randrange(_MAX_INTERESTING))
            elif number - last_new >= _MAX_STALE:
                report.has_stopped_early = number < count
                break
        return report

    def _choices(self, source: random.Random) -> Choices:
        """Return the choices of the next schedule: random, or a mutation of an interesting schedule."""
        if len(self._interesting) < 2 or source.random() < 0.5:
            return Choices(None, source)
        chosen = dict(source.choice(self._interesting))
        for name in list(chosen):
            mutation = source.random()
            if mutation < 0.2:
                del chosen[name]
            elif mutation < 0.4 and isinstance(chosen[name], int):
                chosen[name] = max(0, int(chosen[name]) + source.choice((-2, -1, 1, 2)))
        return Choices(chosen, source)

    def _shrink(self, number: int, schedule: Schedule, violation: Violation) -> FailingSchedule:
        """Shrink a failing schedule."""
        latest = violation

        def fails(candidate: Schedule) -> Schedule | None:
            nonlocal latest
            choices = Choices(candidate)
            _, candidate_violation = self.run(choices)
            if candidate_violation is None or candidate_violation.key != violation.key:
                return None
            latest = candidate_violation
            return choices.deviations

        small = shrink(schedule, fails)
        world, again = self.repeat(small)
        return FailingSchedule(number, small, len(schedule), again or latest, world)
