"""The Grafana dashboard and the Prometheus alerts, against the metrics that a real worker serves."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from assay.events import CATALOGUE, COUNTED
from command import read_until, wait_for
from prometheus import free_port, scrape
from temporal_script import Script
from timeouts import TIMEOUT

ROOT = Path(__file__).parent.parent.parent
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "assay-workers.json"
RUNBOOKS = ROOT / "docs" / "runbooks.md"

WORKER = """
local version = arg[3]
temporal.worker({ task_queue = arg[1], metrics = { prometheus = arg[2] }, max_cached_workflows = 2,
  workflow_limits = { cpu_seconds = 0.2 },
  workflows = {
    Works = function(ctx)
      ctx:execute_activity("works")
      ctx:execute_local_activity("works")
    end,
    Fails = function(ctx)
      local once = { retry_policy = { maximum_attempts = 1 } }
      pcall(ctx.execute_activity, ctx, "fails", nil, once)
      pcall(ctx.execute_local_activity, ctx, "fails", nil, once)
      error("no luck")
    end,
    Burns = function() while true do end end,
    Waits = function(ctx) ctx:sleep(600) end,
    Beats = function(ctx) ctx:execute_activity("beats", nil, { heartbeat_timeout = 1 }) end,
    Again = function(ctx, left) if left then ctx:continue_as_new() end end,
    Changes = function(ctx)
      if version == "new" then ctx:sleep(0.01) else ctx:execute_activity("works") end
      ctx:wait_signal("go")
    end,
  },
  activities = {
    works = function() return 1 end,
    fails = function() error("bad luck") end,
    beats = { auto_heartbeat = true, run = function() sleep(5) end },
  },
})
print("polling")
"""

CLIENT = """
local client = temporal.connect()
local function start(kind, input)
  return client:start_workflow({ task_queue = arg[1], workflow_type = kind, input = input })
end
local beats = start("Beats")
local ended = { start("Works"), start("Fails"), start("Again", true) }
start("Burns")
start("Unknown")
local waits = {}
for i = 1, 4 do waits[i] = start("Waits") end
for _, run in ipairs(ended) do pcall(client.get_result, client, run) end
for _, run in ipairs(waits) do client:cancel_workflow({ workflow_id = run.workflow_id }) end
for _, run in ipairs(waits) do pcall(client.get_result, client, run) end
sleep(1)
client:terminate_workflow({ workflow_id = beats.workflow_id }) -- so that its next heartbeat is refused
"""

SAMPLE = re.compile(r"^(\w+)\{([^}]*)\} (\S+)$", re.MULTILINE)
NAME = re.compile(r"\b(?:temporal|assay)_\w+")
LABELS = re.compile(r'(\w+)\s*=~?\s*"')
EVENTS = re.compile(r'\bevent=(~?)"([^"]*)"')


def rules() -> list[dict[str, Any]]:
    """The alerts."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def expressions() -> list[str]:
    """The queries of the alerts and of the dashboard."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [rule["expr"] for rule in rules()] + [
        target["expr"] for panel in panels for target in panel.get("targets", ())
    ]


def served(text: str) -> dict[str, set[str]]:
    """The metrics in a page of Prometheus, with the names of their labels."""
    found: dict[str, set[str]] = {}
    for name, labels, _ in SAMPLE.findall(text):
        found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found


def count(text: str, event: str) -> float:
    """The number of events of a kind in a worker's metrics."""
    values = [float(value) for name, labels, value in SAMPLE.findall(text)
              if name == "assay_worker_events" and f'event="{event}"' in labels]  # fmt: skip
    return sum(values) if values else -1


def is_served(address: str) -> bool:
    """Return true if the supervisor serves metrics; it starts when the worker reports the address."""
    try:
        scrape(address)
    except OSError:
        return False
    return True


@contextmanager
def worker(lua: Script, name: str, version: str = "old") -> Iterator[str]:
    """A worker in a supervised process; yields the address of its metrics."""
    address = f"127.0.0.1:{free_port()}"
    script = lua.command.script(WORKER, "worker.lua")
    with lua.command.started("run", "--processes", "1", script, name, address, version) as process:
        read_until(process, "polling")
        wait_for(lambda: is_served(address))
        yield address
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=TIMEOUT)


def scrape_until(address: str, names: set[str]) -> str:
    """Scrape until all metrics are present, or the timeout expires."""
    deadline = time.monotonic() + TIMEOUT
    while not names <= served(text := scrape(address)).keys() and time.monotonic() < deadline:
        time.sleep(0.1)
    return text


@pytest.mark.parametrize("expression", expressions(), ids=lambda expression: NAME.findall(expression)[0])
def test_events_in_queries_are_in_the_catalogue(expression: str) -> None:
    for pattern, event in EVENTS.findall(expression):
        names = [known.name for known in COUNTED]
        found = [name for name in names if (re.fullmatch(event, name) if pattern else event == name)]
        assert found, event
        for alternative in re.findall(r"\w+", re.sub(r".*\((.*)\).*", r"\1", event)) if "(" in event else ():
            assert any(alternative in name for name in names), alternative


def test_each_metric_in_queries_is_served_with_its_labels(lua: Script, name: str) -> None:
    wanted = {metric for expression in expressions() for metric in NAME.findall(expression)}
    with worker(lua, name) as address:
        result = lua.run(CLIENT, name)
        assert result.returncode == 0, result.stderr
        text = scrape_until(address, wanted)
    found = served(text)
    assert wanted - found.keys() == set()
    for expression in expressions():
        labels = set(LABELS.findall(expression))
        for listed in re.findall(r"\bby \(([^)]*)\)", expression):
            labels.update(re.findall(r"\w+", listed))
        for metric in NAME.findall(expression):
            assert labels - {"le"} <= found[metric], metric
    for event in ("workflow.limit_reached", "workflow.failed", "workflow.not_registered", "activity.failed"):
        assert count(text, event) >= 1, event
    assert count(text, "workflow.nondeterminism") == 0


def test_each_event_is_counted_from_0(lua: Script, name: str) -> None:
    with worker(lua, name) as address:
        text = scrape_until(address, {"assay_worker_events"})
    assert {event.name: count(text, event.name) for event in COUNTED} == {event.name: 0 for event in COUNTED}


def test_a_mismatch_is_counted(lua: Script, name: str) -> None:
    start = (
        "temporal.connect():start_workflow({ task_queue = arg[1], workflow_type = 'Changes', workflow_id = arg[1] })"
    )
    with worker(lua, name):
        lua.run(start, name)
        wait_for(lambda: lua.events(name).count("WORKFLOW_TASK_COMPLETED") >= 2)
    with worker(lua, name, "new") as address:
        lua.run("temporal.connect():signal_workflow({ workflow_id = arg[1], signal_name = 'go' })", name)
        deadline = time.monotonic() + TIMEOUT
        while count(scrape(address), "workflow.nondeterminism") < 1:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_each_alert_links_to_its_section_of_the_runbooks(rule: dict[str, Any]) -> None:
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks.md#{rule['alert'].lower()}"
    assert f"\n## {rule['alert']}\n" in RUNBOOKS.read_text()
    assert rule["labels"]["severity"] in ("critical", "warning", "info")


def test_each_section_of_the_runbooks_belongs_to_an_alert() -> None:
    sections = re.findall(r"^## (Assay\w+)$", RUNBOOKS.read_text(), re.MULTILINE)
    assert sections == [rule["alert"] for rule in rules()]


def test_each_event_in_the_runbooks_is_in_the_catalogue() -> None:
    named = set(re.findall(r"ASSAY\d+", RUNBOOKS.read_text()))
    assert named <= CATALOGUE.keys()
