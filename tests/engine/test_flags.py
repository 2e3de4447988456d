"""Behavior flags and patches: the record in a history of the code that wrote it."""

from __future__ import annotations

import pytest
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.common import VersioningBehavior

from assay.temporal.workflow.run.flags import CURRENT, FIRST_RELEASE, UnknownFlagError
from assay.temporal.workflow.runs import Runs
from assay.temporal.workflow.settings import Definition
from engine import jobs
from engine.driver import Drive, Driver, make_settings, result, snapshot

SLEEPS = "return function(ctx) ctx:sleep(1) end"
PATCHED = "return function(ctx) local new = ctx:patched('p') ctx:sleep(1) return { new, ctx:patched('p') } end"


def test_the_first_task_records_the_flags_in_force(drive: Drive) -> None:
    driver = drive(SLEEPS)
    driver.start()
    driver.send(jobs.fire(1))
    first, second = (completion.successful.used_internal_flags for _, completion in driver.history)
    assert list(first) == sorted(CURRENT)
    assert list(second) == []


def test_a_replay_has_the_flags_of_its_history() -> None:
    driver = Driver(SLEEPS)
    driver.send(jobs.initialize(), is_replaying=True, available_internal_flags=[1, 3])
    assert driver.run is not None
    assert driver.run.flags.numbers() == [1, 3]
    driver.close()


def test_a_history_without_flags_has_those_of_the_first_release() -> None:
    driver = Driver(SLEEPS)
    driver.send(jobs.initialize(), is_replaying=True)
    assert driver.run is not None
    assert driver.run.flags.numbers() == sorted(FIRST_RELEASE)
    driver.close()


def test_the_flags_of_a_newer_release_are_refused() -> None:
    driver = Driver(SLEEPS)
    with pytest.raises(UnknownFlagError, match=r"recorded by a newer release of assay \(behavior flags 998, 999\)"):
        driver.send(jobs.initialize(), is_replaying=True, available_internal_flags=[1, 999, 998])


def test_flags_of_a_newer_release_fail_the_workflow_task() -> None:
    runs = Runs([Driver(SLEEPS).definition], make_settings())
    act = WorkflowActivation(
        run_id=jobs.RUN_ID, jobs=[jobs.initialize()], is_replaying=True, available_internal_flags=[999]
    )
    answer = runs.activate(act)
    assert "newer release" in answer.failed.failure.message
    assert len(runs) == 0


def test_the_first_task_records_where_runs_go_among_versions() -> None:
    driver = Driver(SLEEPS)
    driver.definition = Definition("W", snapshot(SLEEPS), VersioningBehavior.PINNED)
    driver.start()
    assert driver.history[0][1].successful.versioning_behavior == VersioningBehavior.PINNED.value
    driver.close()


# Patches ----------------------------------------------------------------------------------------------------------


def test_a_new_run_takes_the_new_path_and_records_it_once(drive: Drive) -> None:
    driver = drive(PATCHED)
    assert driver.start()[0] == {"set_patch_marker": {"patch_id": "p"}}
    assert driver.send(jobs.fire(1)) == [{"complete_workflow_execution": {"result": [True, True]}}]


def test_a_replay_of_an_older_run_takes_the_old_path_to_its_end(drive: Drive) -> None:
    driver = drive(PATCHED)
    driver.send(jobs.initialize(), is_replaying=True)
    assert driver.history[0][1].successful.commands[0].HasField("start_timer")
    # It is live now, but was decided when it was replayed.
    assert result(driver.send(jobs.fire(1))) == [False, False]


def test_a_replay_of_a_run_with_the_patch_takes_the_new_path(drive: Drive) -> None:
    driver = drive(PATCHED)
    commands = driver.send(jobs.has_patch("p"), jobs.initialize(), is_replaying=True)
    assert commands[0] == {"set_patch_marker": {"patch_id": "p"}}
    assert result(driver.send(jobs.fire(1))) == [True, True]


def test_an_older_run_that_reaches_a_patch_live_takes_the_new_path(drive: Drive) -> None:
    driver = drive("return function(ctx) ctx:sleep(1) return ctx:patched('p') end")
    driver.send(jobs.initialize(), is_replaying=True)
    assert result(driver.send(jobs.fire(1))) is True


def test_a_patch_that_comes_with_a_later_task(drive: Drive) -> None:
    driver = drive("return function(ctx) ctx:sleep(1) return ctx:patched('p') end")
    driver.send(jobs.initialize(), is_replaying=True)
    assert result(driver.send(jobs.has_patch("p"), jobs.fire(1), is_replaying=True)) is True


def test_patches_are_distinguished(drive: Drive) -> None:
    driver = drive("return function(ctx) return { ctx:patched('a'), ctx:patched('b') } end")
    assert result(driver.send(jobs.has_patch("b"), jobs.initialize(), is_replaying=True)) == [False, True]
