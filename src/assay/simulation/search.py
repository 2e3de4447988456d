"""The search for a schedule that fails."""

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
"""Looks at a world that has ended. Raises Violation."""

_MAX_STALE = 1000
"""Schedules without anything new after which the search ends."""
_MAX_KEPT = 200
_MAX_HORIZON = 80


@dataclass
class Found:
    """A schedule that fails.

    Attributes:
        number: Which schedule of the search it was, counted from 1.
        schedule: Its events, the fewest that still fail.
        events: How many there were before it was made smaller.
        violation: What is wrong.
        world: The world at its end.
    """

    number: int
    schedule: Schedule
    events: int
    violation: Violation
    world: World


@dataclass
class Report:
    """The result of a search.

    Attributes:
        count: How many schedules were run.
        coverage: What they showed.
        interesting: Schedules that showed something new.
        found: The schedule that fails; None when none does.
        has_stopped_early: Nothing new had come for a long time.
    """

    count: int = 0
    coverage: Coverage = field(default_factory=Coverage)
    interesting: list[Schedule] = field(default_factory=list)
    found: Found | None = None
    has_stopped_early: bool = False


class Explorer:
    """Runs schedules of a plan."""

    def __init__(self, plan: Plan, check: Check) -> None:
        self._plan = plan
        self._check = check
        self._horizon = 0
        self._interesting: list[Schedule] = []

    def run(self, choices: Choices, watch: Watch | None = None) -> tuple[World, Violation | None]:
        """Run one schedule; returns its world and what is wrong. Raises Unsupported."""
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
        """Run a schedule exactly as it is recorded."""
        return self.run(Choices(schedule), watch)

    def search(self, count: int, seed: int) -> Report:
        """Run up to `count` schedules, the first of which goes the usual way, until one fails."""
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
                report.found = self._found(number, choices.taken, violation)
                return report
            if is_new:
                last_new = number
                self._interesting.append(choices.taken)
                if len(self._interesting) > _MAX_KEPT:
                    self._interesting.pop(source.randrange(_MAX_KEPT))
            elif number - last_new >= _MAX_STALE:
                report.has_stopped_early = number < count
                break
        return report

    def _choices(self, source: random.Random) -> Choices:
        """Return the choices of the next schedule: random ones, or those of one that showed something new, changed."""
        if len(self._interesting) < 2 or source.random() < 0.5:
            return Choices(None, source)
        chosen = dict(source.choice(self._interesting))
        for name in list(chosen):
            change = source.random()
            if change < 0.2:
                del chosen[name]
            elif change < 0.4 and isinstance(chosen[name], int):
                chosen[name] = max(0, int(chosen[name]) + source.choice((-2, -1, 1, 2)))
        return Choices(chosen, source)

    def _found(self, number: int, schedule: Schedule, violation: Violation) -> Found:
        """Make a schedule that fails as small as it can be."""
        latest = violation

        def fails(candidate: Schedule) -> Schedule | None:
            nonlocal latest
            choices = Choices(candidate)
            _, problem = self.run(choices)
            if problem is None or problem.key != violation.key:
                return None
            latest = problem
            return choices.taken

        small = shrink(schedule, fails)
        world, again = self.repeat(small)
        return Found(number, small, len(schedule), again or latest, world)
