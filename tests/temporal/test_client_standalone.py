"""Standalone activities: started by a client, without a workflow."""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import Client

from temporal_script import Script

WORKER = """
local client = temporal.connect()
local worker = temporal.worker({ task_queue = arg[1], max_heartbeat_throttle_interval = 0.1, activities = {
  add = function(a, b) return a + (b or 1) end,
  info = function() return activity.info() end,
  fail = function() error({ type = "SOLD_OUT", message = "no more", details = { left = 0 } }) end,
  wait = function()
    while true do
      activity.heartbeat() -- raises an error once the activity is cancelled
      sleep(0.05)
    end
  end,
} })
local function with(options)
  options.task_queue, options.start_to_close_timeout = arg[1], 300
  return options
end
local function error_of(fn, ...)
  local ok, err = pcall(fn, client, ...)
  return ok and {} or { kind = err.kind, type = err.type, details = err.details, message = tostring(err) }
end
"""


def test_an_activity_returns_its_result_and_description(lua: Script, name: str) -> None:
    out = lua.value(
        WORKER
        + """
        local run = client:start_activity(with({ activity_type = "add", args = { 2, 3 }, activity_id = arg[1] }))
        local out = {
          run = run,
          result = client:get_activity_result({ activity_id = arg[1], run_id = run.run_id, timeout = 60 }),
          executed = client:execute_activity(with({ activity_type = "add", input = 41, summary = "add one" })),
          described = client:describe_activity(arg[1]),
          info = client:execute_activity(with({ activity_type = "info", priority = 3 })),
        }
        worker:shutdown()
        print(json.encode(out))
        """,
        name,
    )
    assert out["run"]["activity_id"] == name
    assert out["run"]["run_id"] != ""
    assert (out["result"], out["executed"]) == (5, 42)
    described, info = out["described"], out["info"]
    assert (described["activity_id"], described["activity_type"], described["status"]) == (name, "add", "COMPLETED")
    assert (described["task_queue"], described["attempt"]) == (name, 1)
    assert described["schedule_time"] <= described["close_time"]
    assert ("workflow_id" in info, "workflow_type" in info) == (False, False)
    assert (info["activity_type"], info["priority"]["priority_key"]) == ("info", 3)


def test_errors_have_a_kind(lua: Script, name: str) -> None:
    out = lua.value(
        WORKER
        + """
        local once = { maximum_attempts = 1 }
        local out = {}
        out.failed = error_of(client.execute_activity, with({ activity_type = "fail", retry_policy = once }))
        local options = with({ activity_type = "wait", activity_id = arg[1], heartbeat_timeout = 60 })
        client:start_activity(options)
        out.taken = error_of(client.start_activity, options)
        out.late = error_of(client.get_activity_result, { activity_id = arg[1], timeout = 0.1 })
        options.id_conflict_policy = "use_existing"
        out.existing = client:start_activity(options).activity_id
        repeat sleep(0.02) until client:describe_activity(arg[1]).attempt == 1
        client:cancel_activity({ activity_id = arg[1], reason = "not needed" })
        out.cancelled = error_of(client.get_activity_result, { activity_id = arg[1], timeout = 60 })
        client:start_activity(with({ activity_type = "wait", activity_id = arg[1] .. "-2" }))
        client:terminate_activity(arg[1] .. "-2")
        out.terminated = error_of(client.get_activity_result, { activity_id = arg[1] .. "-2", timeout = 60 })
        out.unknown = error_of(client.describe_activity, "missing")
        out.endless = error_of(client.start_activity, { task_queue = arg[1], activity_type = "add" })
        repeat
          sleep(0.05)
          local listed = client:list_activities({ query = "TaskQueue = '" .. arg[1] .. "'" })
        until #listed == 3
        worker:shutdown()
        print(json.encode(out))
        """,
        name,
    )
    assert out["failed"]["type"] == "SOLD_OUT"
    assert out["failed"]["details"] == {"left": 0}
    assert out["existing"] == name
    kinds = {case: error["kind"] for case, error in out.items() if case not in ("existing", "endless")}
    assert kinds == {
        "failed": "application",
        "taken": "already_started",
        "late": "timeout",
        "cancelled": "cancelled",
        "terminated": "terminated",
        "unknown": "not_found",
    }
    missing = "missing option 'start_to_close_timeout' (or 'schedule_to_close_timeout')"
    assert out["endless"]["message"] == f"client:start_activity: {missing}"


async def test_an_activity_started_by_another_sdk(lua: Script, name: str) -> None:
    client = await Client.connect(lua.address)
    handle = await client.start_activity(
        "add", 1, id=name, task_queue=name, start_to_close_timeout=timedelta(seconds=30)
    )
    result = lua.run(WORKER + "print(client:get_activity_result({ activity_id = arg[1] })) worker:shutdown()", name)
    assert (result.returncode, result.stdout) == (0, "2\n"), result.stderr
    assert await handle.result() == 2
