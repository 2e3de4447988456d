"""Runs with slow activations: a worker runs their next ones on another thread, so that other runs do not wait."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from temporalio.bridge.proto.workflow_activation import WorkflowActivation, WorkflowActivationJob

from assay.temporal.workflow import runs
from engine import jobs
from engine.driver import Driver, make_settings

WAITS = """return function(ctx)
  while true do ctx:wait_signal("go") end
end
"""


class Pace:
    """The runs of a worker, with activations that count as slow or as quick."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runs = runs.Runs([Driver(WAITS).definition], make_settings())
        self._monkeypatch = monkeypatch

    def activate(self, run_id: str, job: WorkflowActivationJob, *, is_slow: bool) -> None:
        """Activate a run."""
        self._monkeypatch.setattr(runs, "SLOW", -1 if is_slow else 3600)
        completion = self.runs.activate(WorkflowActivation(run_id=run_id, jobs=[job]))
        assert completion.HasField("successful")

    def may_be_slow(self, run_id: str, job: WorkflowActivationJob) -> bool:
        """Return true if the next activation of a run may be slow."""
        return self.runs.is_slow(WorkflowActivation(run_id=run_id, jobs=[job]))


@pytest.fixture
def pace(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pace]:
    """The runs of a worker."""
    made = Pace(monkeypatch)
    yield made
    made.runs.close()


def test_a_run_may_be_slow_after_a_slow_activation(pace: Pace) -> None:
    pace.activate("slow", jobs.initialize(), is_slow=True)
    pace.activate("quick", jobs.initialize(), is_slow=False)
    assert pace.may_be_slow("slow", jobs.signal("go"))
    assert not pace.may_be_slow("quick", jobs.signal("go"))


def test_a_run_is_quick_again_after_a_quick_activation(pace: Pace) -> None:
    pace.activate("run", jobs.initialize(), is_slow=True)
    pace.activate("run", jobs.signal("go"), is_slow=False)
    assert not pace.may_be_slow("run", jobs.signal("go"))


def test_a_new_run_may_be_slow_if_one_of_its_type_was(pace: Pace) -> None:
    assert not pace.may_be_slow("new", jobs.initialize())
    pace.activate("old", jobs.initialize(), is_slow=True)
    assert pace.may_be_slow("new", jobs.initialize())
    assert not pace.may_be_slow("new", jobs.initialize(workflow_type="Other"))


def test_a_type_is_quick_again_after_many_quick_activations(pace: Pace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "QUICK_IN_A_ROW", 3)
    pace.activate("run", jobs.initialize(), is_slow=True)
    seen = []
    for _ in range(3):
        pace.activate("run", jobs.signal("go"), is_slow=False)
        seen.append(pace.may_be_slow("new", jobs.initialize()))
    assert seen == [True, True, False]
