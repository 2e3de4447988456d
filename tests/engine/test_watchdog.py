"""The log of activations that take long in real time, which is not limited."""

from __future__ import annotations

import logging

import pytest
from temporalio.bridge.proto.workflow_activation import WorkflowActivation

from assay.temporal.workflow import runs
from engine import jobs
from engine.driver import Driver, make_settings

WAITS = """return function(ctx)
  ctx:sleep(1)
  ctx:wait_signal("go")
end
"""
ENDS = "return function() return 1 end"


def activate(source: str, threshold: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start a run under a watchdog."""
    monkeypatch.setattr(runs, "WATCHDOG", threshold)
    made = runs.Runs([Driver(source).definition], make_settings())
    completion = made.activate(WorkflowActivation(run_id=jobs.RUN_ID, jobs=[jobs.initialize()]))
    assert completion.HasField("successful")
    made.close()


def test_a_long_activation_is_logged_with_its_line(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with caplog.at_level(logging.WARNING):
        activate(WAITS, 0, monkeypatch)
    (record,) = caplog.records
    first, *traceback = record.message.splitlines()
    assert first.startswith("workflow 'W' (the-workflow): an activation took ")
    assert " s (" in first
    assert first.endswith(" s of CPU)")
    assert "workflow.lua:2:" in "".join(traceback)


def test_a_long_activation_that_ends_the_run_is_logged_without_a_line(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with caplog.at_level(logging.WARNING):
        activate(ENDS, 0, monkeypatch)
    (record,) = caplog.records
    assert record.message.endswith(" s of CPU)")


def test_no_other_activation_is_logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    with caplog.at_level(logging.DEBUG):
        activate(WAITS, 3600, monkeypatch)
    assert not caplog.records
