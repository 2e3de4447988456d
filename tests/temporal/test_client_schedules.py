"""Schedules on a real server; the results are compared with the Temporal CLI."""

from __future__ import annotations

import base64
import json
from typing import Any

from temporal_script import Script

SCRIPT = """
local name = arg[1]
local client = temporal.connect()
local schedules = client.schedules
local function try(method, options)
  local ok, err = pcall(schedules[method], schedules, options)
  if ok then return "ok" end
  return { error = tostring(err), kind = type(err) == "table" and err.kind or nil }
end
local action = { task_queue = name, workflow_type = "Nobody" }
"""


def shown(lua: Script, schedule: str) -> dict[str, Any]:
    """A schedule as the CLI shows it."""
    found: dict[str, Any] = lua.cli("schedule", "describe", "--schedule-id", schedule)
    return found


def test_everything_that_a_schedule_can_have(lua: Script, name: str) -> None:
    value = lua.value(
        SCRIPT
        + """
        schedules:create({
          id = name,
          spec = {
            intervals = { 3600, { every = 7200, offset = 60 } },
            calendars = { { hour = "9-17/2", minute = { 0, 30 }, day_of_week = "mon-fri", comment = "work" },
              { second = 5, month = "jan,mar-may", day_of_month = 1, year = 2035, hour = "*/6" } },
            skip = { { hour = "12" } },
            timezone = "Europe/Berlin", start_at = "2026-01-01T00:00:00Z", end_at = 2082758400, jitter = 1.5,
          },
          action = { task_queue = name, workflow_type = "Report", workflow_id = name .. "-report", args = { 1, "two" },
            execution_timeout = 100, run_timeout = 50, task_timeout = 5, retry_policy = { maximum_attempts = 3 },
            memo = { of = "the action" }, static_summary = "Short", static_details = "Long",
            priority = { priority_key = 4 } },
          overlap = "buffer_one", catchup_window = 120, pause_on_failure = true, paused = true, note = "not yet",
          limited_actions = 5, memo = { of = "the schedule" }, rpc_timeout = 30,
        })
        print(json.encode(schedules:get(name)))
        """,
        name,
    )
    schedule = shown(lua, name)["schedule"]
    spec = schedule["spec"]
    assert [(item["interval"], item.get("phase", "0s")) for item in spec["interval"]] == [
        ("3600s", "0s"),
        ("7200s", "60s"),
    ]
    work, rare = spec["structuredCalendar"]
    assert work["comment"] == "work"
    assert work["hour"] == [{"start": 9, "end": 17, "step": 2}]
    assert [item.get("start", 0) for item in work["minute"]] == [0, 30]
    assert work["dayOfWeek"] == [{"start": 1, "end": 5, "step": 1}]
    assert [(item["start"], item.get("end", item["start"])) for item in rare["month"]] == [(1, 1), (3, 5)]
    assert rare["year"][0]["start"] == 2035
    assert rare["hour"] == [{"end": 23, "step": 6}]
    assert spec["excludeStructuredCalendar"][0]["hour"][0]["start"] == 12
    assert (spec["timezoneName"], spec["jitter"]) == ("Europe/Berlin", "1.500s")
    assert (spec["startTime"], spec["endTime"]) == ("2026-01-01T00:00:00Z", "2036-01-01T00:00:00Z")
    start = schedule["action"]["startWorkflow"]
    assert (start["workflowId"], start["workflowType"]["name"]) == (f"{name}-report", "Report")
    assert start["taskQueue"]["name"] == name
    assert (start["workflowExecutionTimeout"], start["workflowRunTimeout"]) == ("100s", "50s")
    assert start["workflowTaskTimeout"] == "5s"
    assert start["retryPolicy"]["maximumAttempts"] == 3
    assert start["priority"]["priorityKey"] == 4
    texts = json.dumps(start)
    for word in ("two", "the action", "Short", "Long"):
        assert word in texts or base64.b64encode(json.dumps(word).encode()).decode() in texts
    policies, state = schedule["policies"], schedule["state"]
    assert policies["overlapPolicy"] == "SCHEDULE_OVERLAP_POLICY_BUFFER_ONE"
    assert (policies["catchupWindow"], policies["pauseOnFailure"]) == ("120s", True)
    assert (state["notes"], state["paused"]) == ("not yet", True)
    assert (state["limitedActions"], int(state["remainingActions"])) == (True, 5)

    assert value["spec"] == {
        "intervals": [{"every": 3600.0}, {"every": 7200.0, "offset": 60.0}],
        "calendars": [
            {
                "second": "0",
                "minute": "0,30",
                "hour": "9-17/2",
                "day_of_month": "*",
                "month": "*",
                "year": "*",
                "day_of_week": "1-5",
                "comment": "work",
            },
            {
                "second": "5",
                "minute": "0",
                "hour": "*/6",
                "day_of_month": "1",
                "month": "1,3-5",
                "year": "2035",
                "day_of_week": "*",
            },
        ],
        "skip": [
            {
                "second": "0",
                "minute": "0",
                "hour": "12",
                "day_of_month": "*",
                "month": "*",
                "year": "*",
                "day_of_week": "*",
            }
        ],
        "timezone": "Europe/Berlin",
        "start_at": 1767225600.0,
        "end_at": 2082758400.0,
        "jitter": 1.5,
    }
    policy = value["action"].pop("retry_policy")
    assert policy["maximum_attempts"] == 3
    assert value["action"] == {
        "task_queue": name,
        "workflow_type": "Report",
        "workflow_id": f"{name}-report",
        "args": [1, "two"],
        "execution_timeout": 100.0,
        "run_timeout": 50.0,
        "task_timeout": 5.0,
        "memo": {"of": "the action"},
    }
    assert (value["overlap"], value["catchup_window"], value["pause_on_failure"]) == ("buffer_one", 120.0, True)
    assert (value["paused"], value["note"], value["limited_actions"]) == (True, "not yet", 5)
    assert value["memo"] == {"of": "the schedule"}
    assert (value["num_actions"], value["recent_actions"], value["running"]) == (0, [], [])


def test_the_result_of_get_creates_the_same_schedule(lua: Script, name: str) -> None:
    value = lua.value(
        SCRIPT
        + """
        schedules:create({ id = name, action = action, paused = true, spec = { cron = { "0 9 * * MON-FRI", "@daily" },
          intervals = { 60 }, calendars = { { hour = "7-20/3" } }, timezone = "America/New_York" } })
        local first = schedules:get(name)
        schedules:create({ id = name .. "-2", spec = first.spec, action = first.action, paused = true })
        local second = schedules:get(name .. "-2")
        print(json.encode({ first = first, second = second }))
        """,
        name,
    )
    first, second = value["first"], value["second"]
    assert first["spec"] == second["spec"]
    assert len(first["spec"]["calendars"]) == 3
    assert first["action"] == second["action"]
    assert shown(lua, name)["schedule"]["spec"] == shown(lua, f"{name}-2")["schedule"]["spec"]


def test_update_changes_only_the_given_fields(lua: Script, name: str) -> None:
    value = lua.value(
        SCRIPT
        + """
        schedules:create({ id = name, spec = { intervals = { 3600 * 24 * 365 } }, action = action, note = "first",
          overlap = "allow_all", limited_actions = 5 })
        local out = { first = schedules:get(name) }
        schedules:update({ id = name, note = "second", limited_actions = 0, catchup_window = 60 })
        repeat sleep(0.05) out.second = schedules:get(name) until out.second.note == "second"
        schedules:update({ id = name, spec = { intervals = { 60 } }, overlap = "skip", paused = true, note = "third",
          action = { task_queue = name, workflow_type = "Other", input = { 1 } } })
        repeat sleep(0.05) out.third = schedules:get(name) until out.third.note == "third"
        print(json.encode(out))
        """,
        name,
    )
    first, second, third = value["first"], value["second"], value["third"]
    assert (first["limited_actions"], second.get("limited_actions")) == (5, None)
    assert second["catchup_window"] == 60
    for field in ("spec", "action", "overlap", "paused"):
        assert first[field] == second[field]
    assert third["spec"] == {"intervals": [{"every": 60.0}]}
    assert (third["overlap"], third["paused"], third["catchup_window"]) == ("skip", True, 60)
    assert third["action"]["workflow_type"] == "Other"
    assert third["action"]["args"] == [[1]]
    witness = shown(lua, name)["schedule"]
    assert witness["action"]["startWorkflow"]["workflowType"]["name"] == "Other"
    assert witness["spec"]["interval"][0]["interval"] == "60s"


def test_a_schedule_acts(lua: Script, name: str) -> None:
    value = lua.value(
        SCRIPT
        + """
        local function wait(done)
          local found
          repeat
            sleep(0.05)
            found = schedules:get(name)
          until done(found)
          return found
        end
        local function actions(count)
          return function(found) return found.num_actions == count end
        end
        schedules:create({ id = name, action = action, trigger_immediately = true,
          spec = { calendars = { { hour = 3, day_of_month = "1-3", month = "jan" } } } })
        -- The ids of two runs that start in one second would be the same, and then the second one does not start.
        local function next_second(found)
          local last = found.recent_actions[#found.recent_actions].started_at
          while os.time() <= math.floor(last) do sleep(0.05) end
          return found
        end
        local out = { first = next_second(wait(actions(1))) }
        temporal.schedules:trigger({ id = name, overlap = "allow_all" })
        out.second = next_second(wait(actions(2)))
        schedules:pause({ id = name, note = "a break" })
        out.paused = wait(function(found) return found.paused end)
        schedules:trigger({ id = name, overlap = "allow_all" })
        out.third = wait(actions(3))
        schedules:unpause(name)
        out.unpaused = wait(function(found) return not found.paused end)
        schedules:backfill({ id = name, start_at = "2026-01-01T00:00:00Z", end_at = 1767225600 + 3 * 86400,
          overlap = "allow_all" })
        out.backfilled = wait(actions(6))
        local listed
        repeat
          sleep(0.1)
          listed = nil
          for _, row in ipairs(schedules:list({ page_size = 100 })) do
            if row.id == name then listed = row end
          end
        until listed and #listed.recent_actions > 0 and not listed.paused
        out.listed = listed
        out.limited = #schedules:list({ limit = 1 })
        schedules:delete(name)
        out.get_deleted = try("get", name)
        out.delete_deleted = try("delete", { id = name })
        print(json.encode(out))
        """,
        name,
    )
    first, paused, unpaused, listed = value["first"], value["paused"], value["unpaused"], value["listed"]
    assert first["recent_actions"][0]["workflow_id"].startswith(f"{name}-20")
    assert first["running"][0]["workflow_id"] == first["recent_actions"][0]["workflow_id"]
    assert value["second"]["num_actions"] == 2
    assert (paused["paused"], paused["note"]) == (True, "a break")
    assert len(value["third"]["recent_actions"]) == 3
    assert (unpaused["paused"], unpaused["note"]) == (False, "unpaused by a client")
    assert len(unpaused["next_action_times"]) > 0
    ids = [action["workflow_id"] for action in value["backfilled"]["recent_actions"]]
    assert [item for item in ids if "2026-01-0" in item] == [f"{name}-2026-01-0{day}T03:00:00Z" for day in (1, 2, 3)]
    assert (listed["workflow_type"], listed["paused"]) == ("Nobody", False)
    assert listed["spec"]["calendars"][0]["hour"] == "3"
    assert value["limited"] == 1
    for method in ("get", "delete"):
        problem = f"client.schedules:{method}: there is no schedule {name}"
        assert value[f"{method}_deleted"] == {"error": problem, "kind": "not_found"}
    workflow = lua.cli("workflow", "describe", "--workflow-id", first["recent_actions"][0]["workflow_id"])
    assert workflow["workflowExecutionInfo"]["taskQueue"] == name


def test_a_change_right_after_another_one_undoes_nothing(lua: Script, name: str) -> None:
    value = lua.value(
        SCRIPT
        + """
        local tasks = {}
        for i = 1, 60 do
          tasks[i] = async.spawn(function()
            local id = name .. "-" .. i
            schedules:create({ id = id, action = action, spec = { cron = "5 5 * * *" } })
            schedules:pause(id)
            schedules:trigger(id)
            local paused = schedules:get(id).paused
            schedules:delete(id)
            return paused
          end)
        end
        print(json.encode(async.all(tasks)))
        """,
        name,
    )
    assert value == [[True]] * 60


HOUR = "bad option 'spec.calendars.1.hour' (0 to 23 expected"
INVALID = [
    ("spec = { calendars = { { hour = 24 } } }", HOUR),
    ('spec = { calendars = { { hour = "9-" } } }', HOUR),
    ('spec = { calendars = { { hour = "5-3" } } }', HOUR),
    ('spec = { calendars = { { hour = "*/0" } } }', HOUR),
    ('spec = { calendars = { { hour = "mon" } } }', HOUR),
    ('spec = { calendars = { { hour = "" } } }', HOUR),
    ('spec = { calendars = { { hour = "*-5" } } }', HOUR),
    (
        "spec = { calendars = { { hour = 1.5 } } }",
        "bad option 'spec.calendars.1.hour' (integer expected, got 1.5)",
    ),
    (
        'spec = { calendars = { { hour = {}, day_of_week = "someday" } } }',
        "bad option 'spec.calendars.1.day_of_week' (0 to 6 expected",
    ),
    (
        "spec = { calendars = { { hours = 1 } } }",
        "unknown option 'spec.calendars.1.hours' (did you mean 'hour'?)",
    ),
    ("spec = { intervals = { 0.5 } }", "bad option 'every' (at least 1 second expected, got 0.5)"),
    ("spec = { intervals = { { offset = 5 } } }", "missing option 'spec.intervals.1.every'"),
    ('spec = { cron = "nonsense" }', "Invalid schedule spec: "),
    ('spec = { timezone = "Nowhere/Town" }', "Invalid schedule spec: unknown time zone Nowhere/Town"),
    (
        'spec = { start_at = "tomorrow" }',
        "bad option 'spec.start_at' (seconds since 1970-01-01 UTC, or ISO 8601 text with a zone expected, "
        'got "tomorrow")',
    ),
    ("spec = { end_at = {} }", "bad option 'spec.end_at' (number or string expected, got table)"),
    ('overlap = "sometimes"', "bad option 'overlap' (one of \"skip\", "),
    ("limited_actions = -1", "bad option 'limited_actions' (non-negative integer expected, got -1)"),
    (
        'action = { task_queue = name, workflow_type = "W", start_delay = 3 }',
        "unknown option 'action.start_delay'",
    ),
    (
        "action = { task_queue = name, workflow_type = 7 }",
        "bad option 'action.workflow_type' (string expected, got number)",
    ),
    (
        'action = { task_queue = name, workflow_type = "W", search_attributes = { NoSuchName = 1 } }',
        "unknown search attribute 'NoSuchName'",
    ),
    ('id = ""', "bad option 'id' (expected a non-empty string)"),
    ("id = 7", "bad option 'id' (string expected, got number)"),
]
"""Options of `create` that are invalid, and the error."""


def test_invalid_options_are_refused(lua: Script, name: str) -> None:
    calls = "\n".join(f"create({{ {options} }})" for options, _ in INVALID)
    errors = lua.value(
        f"""
        {SCRIPT}
        local errors = {{}}
        local function create(options)
          for key, item in pairs({{ id = name, spec = {{}}, action = action }}) do
            if options[key] == nil then options[key] = item end
          end
          errors[#errors + 1] = try("create", options).error
        end
        {calls}
        print(json.encode(errors))
        """,
        name,
    )
    for (options, expected), error in zip(INVALID, errors, strict=True):
        assert f"client.schedules:create: {expected}" in error, options


def test_invalid_calls_are_refused(lua: Script, name: str) -> None:
    value = lua.value(
        SCRIPT
        + """
        print(json.encode({
          without_spec = try("create", { id = name, action = action }),
          without_action = try("create", { id = name, spec = {} }),
          created = try("create", { id = name, spec = {}, action = action }),
          taken = try("create", { id = name, spec = {}, action = action }),
          update = try("update", { id = name .. "-none", note = "x" }),
          pause = try("pause", name .. "-none"),
          trigger = try("trigger", 7),
          backfill = try("backfill", { id = name, start_at = "x", end_at = 1 }),
        }))
        """,
        name,
    )
    assert "client.schedules:create: missing option 'spec'" in value["without_spec"]["error"]
    assert "client.schedules:create: missing option 'action'" in value["without_action"]["error"]
    assert value["created"] == "ok"
    assert value["taken"] == {
        "error": "client.schedules:create: a schedule with this id already exists",
        "kind": "already_started",
    }
    assert value["update"] == {
        "error": f"client.schedules:update: there is no schedule {name}-none",
        "kind": "not_found",
    }
    assert value["pause"]["kind"] == "not_found"
    trigger = "client.schedules:trigger: bad argument 'target' (string or table expected, got number)"
    assert trigger in value["trigger"]["error"]
    assert "client.schedules:backfill: bad option 'start_at'" in value["backfill"]["error"]
