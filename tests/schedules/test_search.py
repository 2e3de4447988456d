"""The search for a failing schedule, and its shrinking."""

from __future__ import annotations

from assay.simulation.choices import Schedule
from assay.simulation.search import Explorer
from assay.simulation.shrink import shrink
from assay.simulation.world import World
from schedules.worlds import make_plan, signal, update, value


def nothing(_world: World) -> None:
    """Find nothing wrong."""


def test_a_schedule_is_made_small() -> None:
    given: Schedule = {**{f"event {number}": number for number in range(1, 30)}, "a": "x", "b": "y"}

    def fails(schedule: Schedule) -> Schedule | None:
        number = schedule.get("event 20", 0)
        return schedule if "a" in schedule and isinstance(number, int) and number > 3 else None

    assert shrink(given, fails) == {"event 20": 4, "a": "x"}


def test_a_signal_that_is_lost_is_found() -> None:
    source = """
    return function(ctx)
      local first = ctx:wait_signal("item", { timeout = 60 })
      ctx:execute_activity("act", first)
      return first
    end
    """
    report = Explorer(make_plan(source, messages=[signal("item", 1, max_count=2)]), nothing).search(200, seed=1)
    assert report.failing is not None
    assert report.failing.violation.kind == "lost"
    assert len(report.failing.schedule) <= 2


def test_a_search_is_the_same_again() -> None:
    plan = make_plan(
        'return function(ctx) return ctx:wait_signal("go", { timeout = 5 }) end',
        messages=[signal("go", 1, max_count=2)],
    )
    first, again = (Explorer(plan, nothing).search(100, seed=7) for _ in range(2))
    assert first.failing is not None
    assert again.failing is not None
    assert (first.failing.number, first.failing.schedule) == (again.failing.number, again.failing.schedule)


def test_a_search_ends_when_nothing_new_comes() -> None:
    report = Explorer(make_plan("return function() return 1 end"), nothing).search(3000, seed=1)
    assert report.has_stopped_early
    assert report.count < 3000


def test_pairs_of_events_are_seen_in_both_orders() -> None:
    source = """
    return function(ctx)
      local one, two = ctx:start_activity("act", 1), ctx:start_activity("other", 2)
      ctx:await_all({ one, two })
    end
    """
    plan = make_plan(source)
    plan = make_plan(source, activities={**plan.activities, "other": plan.activities["act"]})
    report = Explorer(plan, nothing).search(300, seed=1)
    assert ("activity act completed", "activity other completed") in report.coverage.seen_in_both_orders()


def test_updates_come_in_any_order() -> None:
    source = """
    return function(ctx)
      local order = {}
      ctx:register_update("add", function(value) order[#order + 1] = value end)
      ctx:wait_condition(function() return #order == 2 end)
      return order
    end
    """
    plan = make_plan(source, messages=[update("add", 1, min_count=1), update("add", 2, min_count=1)])
    seen = set()

    def note(world: World) -> None:
        seen.add(tuple(value(world.main_run.result)))

    Explorer(plan, note).search(200, seed=1)
    assert seen == {(1, 2), (2, 1)}
