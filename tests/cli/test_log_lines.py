"""With `ASSAY_LOG=json` every log line of assay is JSON with an event."""

from __future__ import annotations

import json

import pytest

from command import Command

SCRIPTS = {
    "script.failed": "error('no')",
    "script.task_failed": "async.spawn(function() error('no') end) sleep(0.05)",
    "http.handler_failed": """
      http.serve(0, { GET = { ["/"] = function() error("no") end } }, { on_listen = function(port)
        http.get("http://127.0.0.1:" .. port .. "/")
        os.exit(0)
      end })
    """,
}


@pytest.mark.parametrize("event", SCRIPTS)
def test_events_of_assay_are_logged_as_json(assay: Command, event: str) -> None:
    assay.environment["ASSAY_LOG"] = "json"
    result = assay.run("exec", "-e", SCRIPTS[event])
    [line] = map(json.loads, result.stderr.splitlines())
    assert (line["event"], line["level"]) == (event, "error")
    assert line["code"].startswith("ASSAY")
    assert "no" in line["message"]


def test_a_file_that_is_missing(assay: Command) -> None:
    assay.environment["ASSAY_LOG"] = "json"
    result = assay.run("run", "missing.lua")
    assert (result.returncode, json.loads(result.stderr)["code"]) == (1, "ASSAY1001")


def test_a_script_logs_no_event(assay: Command) -> None:
    assay.environment["ASSAY_LOG"] = "json"
    line = json.loads(assay.run("exec", "-e", "log.warn('mine')").stderr)
    assert set(line) == {"time", "level", "message"}
