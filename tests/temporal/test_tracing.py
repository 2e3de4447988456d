"""Traces of clients, workflows and activities, sent to an OpenTelemetry collector."""

from __future__ import annotations

import json

import pytest

from collector import collector
from temporal_script import Script

SCRIPT = """
local tracing = json.parse(arg[2] or "null")
if tracing == json.null then tracing = nil end
local worker = temporal.worker({ task_queue = arg[1] or "replay", tracing = tracing,
  activities = {
    start = function(queue)
      -- What an activity starts belongs to the trace too.
      local options = { task_queue = queue, workflow_type = "Inner", workflow_id = queue .. "-inner" }
      return temporal.connect({ tracing = tracing }):start_workflow(options).workflow_id
    end,
    work = function() return "worked" end,
  },
  workflows = {
    Outer = function(ctx, queue)
      return { ctx:execute_activity("start", queue), ctx:execute_child_workflow("Inner") }
    end,
    Inner = function(ctx) return ctx:execute_activity("work") end,
  },
})
local client = temporal.connect({ tracing = tracing })
client:start_workflow({ task_queue = arg[1], workflow_type = "Outer", workflow_id = arg[1], input = arg[1] })
local result = client:get_result({ workflow_id = arg[1] })
client:get_result({ workflow_id = arg[1] .. "-inner" })
worker:shutdown()
print(json.encode(result))
"""


def test_a_trace_from_the_client_to_the_last_activity(lua: Script, name: str) -> None:
    with collector() as found:
        lua.command.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = found.url
        assert lua.value(SCRIPT, name) == [f"{name}-inner", "worked"]
        spans = found.spans()
        assert b"service.name" in found.requests[0][2]
        assert b"assay" in found.requests[0][2]
    assert len({span.trace_id for span in spans}) == 1
    by_id = {span.span_id: span for span in spans}
    parents = {(span.name, by_id[span.parent_span_id].name) for span in spans if span.parent_span_id}
    assert parents >= {
        ("RunWorkflow:Outer", "StartWorkflow:Outer"),
        ("StartActivity:start", "StartWorkflow:Outer"),
        ("RunActivity:start", "StartActivity:start"),
        ("StartWorkflow:Inner", "RunActivity:start"),
        ("RunWorkflow:Inner", "StartWorkflow:Inner"),
        ("RunWorkflow:Inner", "StartChildWorkflow:Inner"),
        ("RunActivity:work", "StartActivity:work"),
    }
    assert [span.name for span in spans if not span.parent_span_id] == ["StartWorkflow:Outer"]
    lua.replay(name)


@pytest.mark.parametrize(
    ("variables", "option", "sends"),
    [
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "URL/v1/traces"}, None, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "URL"}, False, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "URL", "OTEL_TRACES_EXPORTER": "none"}, None, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "URL", "OTEL_TRACES_EXPORTER": "none"}, True, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "URL", "OTEL_SDK_DISABLED": "true"}, None, False),
    ],
)
def test_settings_that_enable_traces(
    lua: Script, name: str, variables: dict[str, str], option: bool | None, sends: bool
) -> None:
    with collector() as found:
        for variable, text in variables.items():
            lua.command.environment[variable] = text.replace("URL", found.url)
        lua.value(SCRIPT, name, json.dumps(option))
        assert bool(found.spans()) is sends


def test_a_collector_that_is_not_there(lua: Script, name: str) -> None:
    lua.command.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:9"
    result = lua.run(SCRIPT, name)
    assert result.returncode == 0
    assert json.loads(result.stdout) == [f"{name}-inner", "worked"]
    assert "the collector did not accept the last spans within 5 s" in result.stderr
    assert "Traceback" not in result.stderr
