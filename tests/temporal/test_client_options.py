"""Options of the client's calls that the other tests of the client do not use."""

from __future__ import annotations

import json

import pytest

from temporal_script import Script

WORKER = """
local client = temporal.connect()
local worker = temporal.worker({
  task_queue = arg[1],
  workflows = {
    Waits = function(ctx) return ctx:wait_signal("go") end,
    Parent = function(ctx)
      ctx:execute_child_workflow("Waits", nil, { workflow_id = ctx:workflow_info().task_queue .. "-child" })
    end,
    Open = function(ctx) return ctx:execute_activity("open", nil, { retry_policy = { maximum_attempts = 2 } }) end,
  },
  activities = { open = function()
    local before = activity.heartbeat_details()
    if before then return before end
    token = activity.info().task_token
    activity.complete_async()
  end },
})
local out = {}
local function start(workflow_type, options)
  options = options or {}
  options.task_queue, options.workflow_type = arg[1], workflow_type
  return client:start_workflow(options)
end
local function finish()
  worker:shutdown()
  print(json.encode(out))
end
"""


def test_an_eager_start_is_accepted_by_a_local_worker(lua: Script, name: str) -> None:
    out = lua.value(
        WORKER
        + """
        local run = start("Waits", { request_eager_start = true, start_signal = nil })
        client:signal_workflow({ workflow_id = run.workflow_id, signal_name = "go", input = "gone" })
        out = { workflow_id = run.workflow_id, result = client:get_result(run) }
        finish()
        """,
        name,
    )
    assert out["result"] == "gone"
    started = lua.cli("workflow", "show", "--workflow-id", out["workflow_id"])["events"][0]
    assert started["workflowExecutionStartedEventAttributes"]["eagerExecutionAccepted"] is True


def test_first_execution_run_id_protects_other_runs(lua: Script, name: str) -> None:
    out = lua.value(
        WORKER
        + """
        local run = start("Waits")
        local id, other = run.workflow_id, "00000000-0000-0000-0000-000000000000"
        local _, cancel = pcall(client.cancel_workflow, client, { workflow_id = id, first_execution_run_id = other })
        local _, kill = pcall(client.terminate_workflow, client, { workflow_id = id, first_execution_run_id = other })
        out = { cancel = cancel.kind, terminate = kill.kind, before = client:describe_workflow(id).status }
        client:terminate_workflow({ workflow_id = id, first_execution_run_id = run.run_id })
        out.after = client:describe_workflow(id).status
        finish()
        """,
        name,
    )
    assert out == {"cancel": "not_found", "terminate": "not_found", "before": "RUNNING", "after": "TERMINATED"}


def test_a_history_filtered_for_the_close_event(lua: Script, name: str) -> None:
    events = lua.value(
        WORKER
        + """
        local run = start("Waits", { start_signal = { name = "go", input = 1 } })
        client:get_result({ workflow_id = run.workflow_id })
        out = client:fetch_history({ workflow_id = run.workflow_id, event_filter_type = "close_event" }).events
        finish()
        """,
        name,
    )
    assert [event["eventType"] for event in events] == ["EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED"]


def test_a_description_has_the_root_workflow(lua: Script, name: str) -> None:
    out = lua.value(
        WORKER
        + """
        local run = start("Parent")
        local child = arg[1] .. "-child"
        local signal = { workflow_id = child, signal_name = "go" }
        while not pcall(client.signal_workflow, client, signal) do sleep(0.02) end
        client:get_result({ workflow_id = run.workflow_id })
        out = { run = run, child = client:describe_workflow(child), parent = client:describe_workflow(run.workflow_id) }
        finish()
        """,
        name,
    )
    run, child, parent = out["run"], out["child"], out["parent"]
    assert (child["root_id"], child["root_run_id"]) == (run["workflow_id"], run["run_id"])
    assert parent["root_id"] == run["workflow_id"]


def test_a_failed_attempt_passes_its_heartbeat_details_on(lua: Script, name: str) -> None:
    assert lua.value(
        WORKER
        + """
            local run = start("Open")
            while not token do sleep(0.02) end
            local failure = { task_token = token, message = "half done", last_heartbeat_details = { at = 5 } }
            while not pcall(client.fail_activity, client, failure) do sleep(0.02) end
            out = client:get_result({ workflow_id = run.workflow_id })
            finish()
            """,
        name,
    ) == {"at": 5}


def test_a_schedule_is_created_with_a_backfill(lua: Script, name: str) -> None:
    count = lua.value(
        """
        local client = temporal.connect()
        client.schedules:create({
          id = arg[1],
          spec = { intervals = { { every = 3600 } } },
          action = { task_queue = arg[1], workflow_type = "Nobody" },
          paused = true,
          backfill = { { start_at = "2026-01-01T00:30:00Z", end_at = "2026-01-01T03:30:00Z", overlap = "allow_all" } },
        })
        local schedule
        repeat
          sleep(0.05)
          schedule = client.schedules:get(arg[1])
        until schedule.num_actions == 3
        client.schedules:delete(arg[1])
        print(schedule.num_actions)
        """,
        name,
    )
    assert count == 3


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (
            'start_workflow({ task_queue = "q", workflow_type = "T", versioning_override = "pinned" })',
            'client:start_workflow: bad option \'versioning_override\' (one of "auto_upgrade" expected, got "pinned")',
        ),
        (
            'start_workflow({ task_queue = "q", workflow_type = "T", versioning_override = { name = "d" } })',
            "client:start_workflow: missing option 'versioning_override.build_id'",
        ),
        (
            'cancel_workflow({ workflow_id = "w", rpc_metadata = { ["X Y"] = "1" } })',
            "client:cancel_workflow: bad option 'rpc_metadata' (invalid header name 'X Y'",
        ),
        (
            'describe_workflow({ workflow_id = "w", rpc_metadata = { x = {} } })',
            "client:describe_workflow: bad option 'rpc_metadata.x' (string expected, got table)",
        ),
        (
            'fetch_history({ workflow_id = "w", event_filter_type = "all" })',
            'client:fetch_history: bad option \'event_filter_type\' (one of "all_event", "close_event" expected, ',
        ),
    ],
)
def test_invalid_options_are_refused(lua: Script, call: str, problem: str) -> None:
    message = lua.value(f"local c = temporal.connect() print(json.encode(select(2, pcall(function() c:{call} end))))")
    assert problem in json.dumps(message).replace('\\"', '"')
