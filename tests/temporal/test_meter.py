"""Custom metrics of scripts, from workflows and activities."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from temporalio.client import WorkflowQueryFailedError

from collector import collector
from command import wait_for
from prometheus import free_port, scrape
from temporal_script import Script
from workflow_session import Session, worker

SCRIPT = """
temporal.worker({
  task_queue = arg[1] or "replay",
  metrics = arg[2] and json.parse(arg[2]) or nil,
  max_cached_workflows = 0, -- so that each workflow task replays
  activities = {
    work = function(region)
      local meter = activity.metric_meter():with_additional_attributes({ region = region })
      meter:create_counter("work_done"):add(3)
      meter:create_gauge("queue_depth"):set(2.5, { deep = true })
      async.all({ async.spawn(function() meter:create_counter("work_done"):add(4) end) })
      return region
    end,
  },
  workflows = {
    Measures = function(ctx)
      local meter = ctx:metric_meter()
      local counter = meter:create_counter("orders", { description = "What was ordered", unit = "orders" })
      counter:add(2, { kind = "book", rush = true, size = 3 })
      counter:add(1)
      ctx:execute_activity("work", "eu")
      ctx:execute_local_activity("work", "us")
      meter:create_histogram("sizes"):record(0.25)
      meter:create_histogram_timedelta("durations"):record(0.25)
      ctx:register_query("count", function() counter:add(1) end)
      ctx:wait_signal("end")
      counter:add(1)
      return "done"
    end,
    Wrong = function(ctx)
      local meter = ctx:metric_meter()
      local counter, gauge = meter:create_counter("fine"), meter:create_gauge("also_fine")
      local function problem(fn, ...) return select(2, pcall(fn, ...)) end
      return {
        problem(meter.create_counter, meter, "no name"), problem(meter.create_histogram, meter, ""),
        problem(meter.create_gauge, meter, "a", { help = "?" }), problem(counter.add, counter, -1),
        problem(counter.add, counter, 0.5), problem(gauge.set, gauge, 0 / 0), problem(gauge.set, gauge, 1, { a = {} }),
        problem(gauge.set, gauge, 1, { ["a b"] = 1 }), problem(meter.with_additional_attributes, meter, 5),
        problem(ctx.wait_condition, ctx, function() counter:add(1) return true end),
      }
    end,
  },
})
print("polling")
"""


def values(text: str, metric: str) -> dict[str, float]:
    """The values of a metric on a page for Prometheus, by the labels that the script has set."""
    found = {}
    for labels, value in re.findall(rf"^{metric}\{{(.*)\}} (.*)$", text, re.MULTILINE):
        own = sorted(re.findall(r'(\w+)="([^"]*)"', labels))
        known = ("namespace", "task_queue", "service_name", "workflow_type", "activity_type")
        found[",".join(f"{name}={text}" for name, text in own if name not in known)] = float(value)
    return found


async def measured(session: Session) -> None:
    """Run the workflow that measures, with a replay at each of its tasks."""
    handle = await session.start("Measures")
    await session.until(handle, "WORKFLOW_TASK_COMPLETED", 2)
    with pytest.raises(WorkflowQueryFailedError, match="counter:add: not allowed in a query handler or a validator"):
        await handle.query("count")
    await handle.signal("end")
    assert await session.end(handle) == "done"


async def test_metrics_in_prometheus(lua: Script, name: str) -> None:
    address = f"127.0.0.1:{free_port()}"
    buckets = {"sizes": [0.1, 1.0], "durations": [0.2, 0.3]}
    options = {"prometheus": address, "global_tags": {"team": "red"}, "durations_as_seconds": True}
    async with worker(
        lua, name, SCRIPT, json.dumps({**options, "histogram_bucket_overrides": buckets, "metric_prefix": "mine_"})
    ) as session:
        await measured(session)
        # The core counts a completed workflow when the server has answered, which may be after its client knows.
        await asyncio.to_thread(wait_for, lambda: "mine_workflow_completed{" in scrape(address))
        text = await asyncio.to_thread(scrape, address)
    assert values(text, "orders") == {"team=red": 2, "kind=book,rush=true,size=3,team=red": 2}
    assert values(text, "work_done") == {"region=eu,team=red": 7, "region=us,team=red": 7}
    assert values(text, "queue_depth") == {"deep=true,region=eu,team=red": 2.5, "deep=true,region=us,team=red": 2.5}
    assert values(text, "sizes_bucket") == {"le=0.1,team=red": 0, "le=1,team=red": 1, "le=+Inf,team=red": 1}
    assert values(text, "durations_bucket") == {"le=0.2,team=red": 0, "le=0.3,team=red": 1, "le=+Inf,team=red": 1}
    assert "# HELP orders What was ordered" in text
    (line,) = re.findall(r'^orders\{.*kind="book".*$', text, re.MULTILINE)
    assert {f'task_queue="{name}"', 'namespace="default"', 'workflow_type="Measures"'} <= set(
        re.findall(r'\w+="[^"]*"', line)
    )
    assert 'activity_type="work"' in text
    assert values(text, "mine_workflow_completed") == {"team=red": 1}


async def test_without_an_endpoint_nothing_is_recorded(lua: Script, name: str) -> None:
    async with worker(lua, name, SCRIPT) as session:
        await measured(session)


async def test_metrics_in_a_collector(lua: Script, name: str) -> None:
    with collector() as found:
        async with worker(lua, name, SCRIPT, json.dumps({"otlp": found.url})) as session:
            await measured(session)
            wanted = {"orders", "work_done", "queue_depth", "sizes", "durations"}
            await asyncio.to_thread(wait_for, lambda: wanted <= found.metrics())


async def test_invalid_metrics_are_refused(lua: Script, name: str) -> None:
    async with worker(lua, name, SCRIPT) as session:
        problems = await session.run("Wrong")
    expected = "a name of letters, digits and underscores that does not start with a digit expected"
    assert problems == [
        f"meter:create_counter: bad argument 'name' ({expected}, got 'no name')",
        "meter:create_histogram: bad argument 'name' (expected a non-empty string)",
        "meter:create_gauge: unknown option 'help' (known: description, unit)",
        "counter:add: bad argument 'value' (a non-negative integer expected, got -1)",
        "counter:add: bad argument 'value' (integer expected, got number)",
        "gauge:set: bad argument 'value' (a non-negative number expected, got nan)",
        "gauge:set: bad argument 'attributes.a' (a string, number or boolean expected, got table)",
        f"gauge:set: bad argument 'attributes' ({expected}, got 'a b')",
        "meter:with_additional_attributes: bad argument 'attributes' (table expected, got number)",
        "worker.lua:39: counter:add: not allowed in a wait_condition predicate: predicates must be read-only",
    ]


def test_options_of_the_other_endpoint(lua: Script) -> None:
    for metrics, problem in (
        (
            '{ otlp = "http://localhost", unit_suffix = true }',
            "bad option 'metrics.unit_suffix' (only valid with 'prometheus')",
        ),
        ('{ prometheus = "127.0.0.1:1", headers = {} }', "bad option 'metrics.headers' (only valid with 'otlp')"),
    ):
        result = lua.run(f'temporal.worker({{ task_queue = "q", dynamic_workflow = print, metrics = {metrics} }})')
        assert f"temporal.worker: {problem}" in result.stderr
