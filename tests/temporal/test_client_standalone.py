"""Activities without a workflow."""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import Client

from temporal_script import Script

WORKER = """
local client = temporal.connect()
local worker = temporal.worker({ task_queue = arg[1], max_heartbeat_throttle_interval = 0.1, activities = {
  add = function(a, b) return a + (b or 1) end,
  told = function() return activity.info() end,
  fail = function() error({ type = "SOLD_OUT", message = "no more", details = { left = 0 } }) end,
  wait = function()
    while true do
      activity.heartbeat() -- hears of a cancellation
      sleep(0.05)
    end
  end,
} })
local function with(options)
  options.task_queue, options.start_to_close_timeout = arg[1], 300
  return options
end
local function problem(fn, ...)
  local ok, err = pcall(fn, client, ...)
  return ok and "no problem" or { err.kind, err.type or "", err.details or "" }
end
"""


def test_results(lua: Script, name: str) -> None:
    out = lua.value(
        WORKER
        + """
        local run = client:start_activity(with({ activity_type = "add", args = { 2, 3 }, activity_id = arg[1] }))
        local out = {
          run.activity_id == arg[1] and #run.run_id > 0,
          client:get_activity_result({ activity_id = arg[1], run_id = run.run_id, timeout = 60 }),
          client:execute_activity(with({ activity_type = "add", input = 41, summary = "add one" })),
          client:describe_activity(arg[1]),
          client:execute_activity(with({ activity_type = "told", priority = 3 })),
        }
        worker:shutdown()
        print(json.encode(out))
        """,
        name,
    )
    started, five, forty_two, described, info = out
    assert (started, five, forty_two) == (True, 5, 42)
    assert (described["activity_id"], described["activity_type"], described["status"]) == (name, "add", "COMPLETED")
    assert (described["task_queue"], described["attempt"]) == (name, 1)
    assert described["schedule_time"] <= described["close_time"]
    assert ("workflow_id" in info, "workflow_type" in info) == (False, False)
    assert (info["activity_type"], info["priority"]["priority_key"]) == ("told", 3)


def test_failures_and_ends(lua: Script, name: str) -> None:
    out = lua.value(
        WORKER
        + """
        local once = { maximum_attempts = 1 }
        local out = { problem(client.execute_activity, with({ activity_type = "fail", retry_policy = once })) }
        local options = with({ activity_type = "wait", activity_id = arg[1], heartbeat_timeout = 60 })
        client:start_activity(options)
        out[2] = problem(client.start_activity, options)
        out[3] = problem(client.get_activity_result, { activity_id = arg[1], timeout = 0.1 })
        options.id_conflict_policy = "use_existing"
        out[4] = client:start_activity(options).activity_id
        repeat sleep(0.02) until client:describe_activity(arg[1]).attempt == 1
        client:cancel_activity({ activity_id = arg[1], reason = "not needed" })
        out[5] = problem(client.get_activity_result, { activity_id = arg[1], timeout = 60 })
        client:start_activity(with({ activity_type = "wait", activity_id = arg[1] .. "-2" }))
        client:terminate_activity(arg[1] .. "-2")
        out[6] = problem(client.get_activity_result, { activity_id = arg[1] .. "-2", timeout = 60 })
        out[7] = problem(client.describe_activity, "nobody")
        local ok, err = pcall(client.start_activity, client, { task_queue = arg[1], activity_type = "add" })
        out[8] = tostring(err)
        repeat
          sleep(0.05)
          local listed = client:list_activities({ query = "TaskQueue = '" .. arg[1] .. "'" })
        until #listed == 3
        worker:shutdown()
        print(json.encode(out))
        """,
        name,
    )
    failed, taken, late, existing, cancelled, terminated, unknown, endless = out
    missing = "missing option 'start_to_close_timeout' (or 'schedule_to_close_timeout')"
    assert endless == f"client:start_activity: {missing}"
    assert failed == ["application", "SOLD_OUT", {"left": 0}]
    assert (taken[0], late[0], existing) == ("already_started", "timeout", name)
    assert (cancelled[0], terminated[0], unknown[0]) == ("cancelled", "terminated", "not_found")


async def test_one_that_another_sdk_starts(lua: Script, name: str) -> None:
    client = await Client.connect(lua.address)
    handle = await client.start_activity(
        "add", 1, id=name, task_queue=name, start_to_close_timeout=timedelta(seconds=30)
    )
    result = lua.run(WORKER + "print(client:get_activity_result({ activity_id = arg[1] })) worker:shutdown()", name)
    assert (result.returncode, result.stdout) == (0, "2\n"), result.stderr
    assert await handle.result() == 2
