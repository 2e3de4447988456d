"""The limit for a run's log output per second."""

from __future__ import annotations

import pytest

from assay.temporal.workflow.sandbox import output
from temporal_script import Script

NOTICE = "a workflow run logs more than 1000 lines or 1 MiB per second: dropping its output for the rest of this second"


def test_a_run_that_logs_in_a_loop_is_cut(lua: Script, name: str) -> None:
    result = lua.run(
        """
        local worker = temporal.worker({ task_queue = arg[1], workflow_limits = { cpu_seconds = 1.5 }, workflows = {
          Loud = function()
            for i = 1, 3000 do log.info("line", { i = i }) end
            for _ = 1, 3000 do print("printed") end
          end,
          Long = function() for _ = 1, 30 do log.info(("x"):rep(100000)) end end,
          Quiet = function() log.info("a quiet line") print("a quiet word") end,
        } })
        local client = temporal.connect()
        for _, workflow_type in ipairs({ "Loud", "Long", "Quiet" }) do
          client:execute_workflow({ task_queue = arg[1], workflow_type = workflow_type })
        end
        worker:shutdown()
        """,
        name,
    )
    assert result.returncode == 0, result.stderr
    lines = result.stderr.splitlines()
    seconds = sum(NOTICE in line for line in lines)  # of both runs; a machine that stands still makes it more
    assert seconds >= 2
    assert 1000 <= sum(" line i=" in line for line in lines) + result.stdout.count("printed\n") <= 1000 * seconds
    assert 5 <= sum("x" * 100000 in line for line in lines) <= 11 * seconds
    assert sum("a quiet line" in line for line in lines) == result.stdout.count("a quiet word") == 1


def test_the_limit_is_for_one_second(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    limit = output.OutputLimit()
    assert all(limit.admits(1) for _ in range(output.MAX_LINES))
    assert not limit.admits(1)
    assert not limit.admits(1)
    assert capsys.readouterr().err.count(f"{NOTICE} [ASSAY2018]") == 1
    now = 1.0
    assert limit.admits(output.MAX_BYTES)
    assert not limit.admits(1)
    assert capsys.readouterr().err.count(NOTICE) == 1
    now = 2.5
    assert not limit.admits(output.MAX_BYTES + 1)
