"""Random numbers: the same on every replay, and the script's draws do not change the ids that the engine generates."""

from __future__ import annotations

import uuid

import pytest

from engine import jobs
from engine.driver import Drive, result

DRAWS = {
    "ctx:uuid": "ctx:uuid()",
    "ctx:uuid7": "ctx:uuid7()",
    "ctx:random": "ctx:random(10)",
    "math.random": "math.random(100)",
    "math.randomseed": "math.randomseed()",
    "crypto.uuid": "crypto.uuid()",
    "crypto.random": "crypto.random(16)",
}


def child_ids(drive: Drive, draw: str) -> list[str]:
    """Return the ids of two children that a workflow starts after it has drawn a number."""
    driver = drive(f"""
    return function(ctx)
      {draw}
      ctx:start_child_workflow("Child")
      ctx:wait_signal("go")
      {draw}
      ctx:start_child_workflow("Child")
      ctx:wait_signal("never")
    end
    """)
    commands = driver.start() + driver.send(jobs.signal("go"))
    return [command["start_child_workflow_execution"]["workflow_id"] for command in commands]


@pytest.mark.parametrize("draw", list(DRAWS.values()), ids=DRAWS)
def test_ids_of_children_do_not_shift(drive: Drive, draw: str) -> None:
    assert child_ids(drive, draw) == child_ids(drive, "")


def test_ids_of_children_differ(drive: Drive) -> None:
    assert len(set(child_ids(drive, ""))) == 2


def test_ids_of_children_shift_no_random_numbers(drive: Drive) -> None:
    drawn = []
    for start in ("", 'ctx:start_child_workflow("Child")'):
        driver = drive(f"return function(ctx) {start} return {{ ctx:uuid(), math.random(1000000) }} end")
        ended, *_ = driver.start()
        drawn.append(result([ended]))
    assert drawn[0] == drawn[1]


def test_other_seeds_give_other_numbers_and_ids(drive: Drive) -> None:
    source = "return function(ctx) ctx:start_child_workflow('C') return { ctx:uuid(), math.random(1000000) } end"
    one, other = drive(source).start(), drive(source).start(randomness_seed=jobs.SEED + 1)
    ids = {commands[-1]["start_child_workflow_execution"]["workflow_id"] for commands in (one, other)}
    assert len(ids) == 2
    results = [commands[0]["complete_workflow_execution"]["result"] for commands in (one, other)]
    assert results[0][0] != results[1][0]
    assert results[0][1] != results[1][1]


def test_the_numbers_of_math_do_not_depend_on_when_they_are_first_drawn(drive: Drive) -> None:
    first = drive("return function(ctx) local n = math.random(1000000) return { n, ctx:random(1000000) } end")
    last = drive("return function(ctx) local n = ctx:random(1000000) return { math.random(1000000), n } end")
    assert result(first.start()) == result(last.start())


def test_a_condition_and_a_query_draw_nothing_from_the_run(drive: Drive) -> None:
    source = """
    return function(ctx)
      ctx:register_query("q", function() math.random() return true end)
      ctx:wait_signal("go")
      return math.random(1000000)
    end
    """
    asked, plain = drive(source), drive(source)
    for driver in (asked, plain):
        driver.start()
    asked.send(jobs.query("q"))
    assert result(asked.send(jobs.signal("go"))) == result(plain.send(jobs.signal("go")))


def test_a_reset_gives_other_ids(drive: Drive) -> None:
    source = """
    return function(ctx)
      ctx:start_child_workflow("C")
      ctx:wait_signal("go")
      ctx:start_child_workflow("C")
      ctx:wait_signal("never")
    end
    """
    ids = []
    for given in ([jobs.signal("go")], [jobs.new_seed(7), jobs.signal("go")]):
        driver = drive(source)
        driver.start()
        ids.append(driver.send(*given)[0]["start_child_workflow_execution"]["workflow_id"])
    assert ids[0] != ids[1]


@pytest.mark.parametrize("draw", ["crypto.random(8)", "crypto.uuid()", "math.random(1, 1000000)"])
def test_random_numbers_of_a_query_do_not_change_those_of_the_run(drive: Drive, draw: str) -> None:
    driver = drive(f"""
    return function(ctx)
      ctx:register_query("q", function() local _ = {draw} end)
      ctx:register_update("u", function() end, {{ validator = function() local _ = {draw} end }})
      ctx:wait_signal("go")
      return {{ ctx:uuid(), crypto.uuid(), math.random(1, 1000000) }}
    end
    """)
    driver.start()
    driver.send(jobs.query("q"))
    driver.send(jobs.update("u"))
    driver.send(jobs.signal("go"))  # `drive` compares the result with a replay, which has no query and no validator


def test_uuid7_draws_a_new_id_of_version_7_at_each_call(drive: Drive) -> None:
    driver = drive("return function(ctx) return { ctx:uuid7(), ctx:uuid7() } end")
    first, second = result(driver.start())
    assert first != second
    assert uuid.UUID(first).version == uuid.UUID(second).version == 7
