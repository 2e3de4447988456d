"""The global `activity`, cancellation, completion from outside, and limits: activities on a real server."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from subprocess import Popen, TimeoutExpired
from typing import Any

import pytest

from command import read_until, wait_for
from temporal_script import Script

ONCE = "{ heartbeat_timeout = 24, retry_policy = { maximum_attempts = 1 } }"
"""Options of an activity that fails for good when a heartbeat is late; one comes by itself every 8 seconds."""

PRELUDE = """
local client = temporal.connect()
local function start(workflow_type, input, workflow_id)
  return client:start_workflow({ task_queue = arg[1], workflow_type = workflow_type, input = input,
    workflow_id = workflow_id }).workflow_id
end
local function result(workflow_id)
  return client:get_result({ workflow_id = workflow_id, timeout = 100 })
end
local function run(...)
  return result(start(...))
end
local function wait_for(condition)
  while not condition() do sleep(0.02) end
end
-- Whether the server has heard of a workflow's activity since it began.
local function has_heartbeat(workflow_id)
  local found = client:describe_workflow(workflow_id).pending_activities[1]
  return found and found.last_heartbeat_time and found.last_heartbeat_time > found.last_started_time
end
"""


def pending(lua: Script, workflow_id: str) -> Any:
    """Describe the activity that a workflow waits for; {} when there is none."""
    activities = lua.cli("workflow", "describe", "--workflow-id", workflow_id).get("pendingActivities")
    return activities[0] if activities else {}


def is_started(lua: Script, workflow_id: str) -> bool:
    """Tell whether a worker has the activity that a workflow waits for."""
    return bool(pending(lua, workflow_id).get("state") == "PENDING_ACTIVITY_STATE_STARTED")


@contextmanager
def working(lua: Script, text: str, *arguments: str) -> Iterator[Popen[str]]:
    """Run a worker's script in a process of its own."""
    with lua.command.started(lua.command.script(text, "worker.lua"), *arguments) as process:
        yield process


# What `activity` tells --------------------------------------------------------------------------------------


def test_info(lua: Script, name: str) -> None:
    value = lua.value(
        PRELUDE
        + """
        local worker = temporal.worker({ task_queue = arg[1],
          activities = { tell = function()
            return { info = activity.info(), now = time(), cancelled = activity.is_cancelled(),
              no_details = activity.heartbeat_details() == nil }
          end },
          workflows = { Tell = function(ctx)
            local bare = ctx:execute_activity("tell")
            local full = ctx:execute_activity("tell", nil,
              { start_to_close_timeout = 200, schedule_to_close_timeout = 300.5, heartbeat_timeout = 100 })
            return { bare = bare, full = full, run_id = ctx:workflow_info().run_id }
          end },
        })
        local told = run("Tell", nil, arg[1])
        worker:shutdown()
        print(json.encode(told))
        """,
        name,
    )
    info = value["full"]["info"]
    begun = value["full"]["now"]
    assert {key: info.pop(key) for key in ("scheduled_time", "current_attempt_scheduled_time", "started_time")} == {
        "scheduled_time": pytest.approx(begun, abs=60),
        "current_attempt_scheduled_time": pytest.approx(begun, abs=60),
        "started_time": pytest.approx(begun, abs=60),
    }
    assert len(info.pop("task_token")) > 40
    assert info == {
        "workflow_id": name,
        "run_id": value["run_id"],
        "workflow_type": "Tell",
        "namespace": "default",
        "activity_id": "2",
        "activity_type": "tell",
        "attempt": 1,
        "task_queue": name,
        "is_local": False,
        "start_to_close_timeout": 200,
        "schedule_to_close_timeout": 300.5,
        "heartbeat_timeout": 100,
        "priority": {},
        "retry_policy": {
            "initial_interval": 1,
            "backoff_coefficient": 2,
            "maximum_interval": 100,
            "maximum_attempts": 0,
        },
    }
    assert "heartbeat_timeout" not in value["bare"]["info"]
    assert value["full"]["cancelled"] is False
    assert value["full"]["no_details"] is True


def test_outside_of_an_activity(lua: Script, name: str) -> None:
    value = lua.value(
        PRELUDE
        + """
        local names = { "heartbeat", "heartbeat_details", "info", "is_cancelled", "complete_async" }
        local function ask(count)
          local out = {}
          for i = 1, count or #names do
            local ok, err = pcall(activity[names[i]])
            out[i] = ok or err
          end
          return out
        end
        local over, left_behind
        local worker = temporal.worker({ task_queue = arg[1],
          activities = {
            live = function()
              local spawned = async.spawn(ask, 4):await()[1] -- not complete_async, which would leave it open
              async.spawn(function()
                wait_for(function() return over end)
                left_behind = ask()
              end)
              return { spawned, pcall(activity.heartbeat, print) }
            end,
          },
          workflows = { Ask = function(ctx)
            return { in_workflow = ask(), in_side_effect = ctx:side_effect(function() return ask() end),
              in_activity = ctx:execute_activity("live", nil, { retry_policy = { maximum_attempts = 1 } }) }
          end },
        })
        local out = run("Ask")
        over = true
        wait_for(function() return left_behind end)
        worker:shutdown()
        out.outside, out.left_behind = ask(), left_behind
        print(json.encode(out))
        """,
        name,
    )
    names = [f"activity.{function}: " for function in ("heartbeat", "heartbeat_details", "info", "is_cancelled")]
    names.append("activity.complete_async: ")
    assert value["outside"] == [name + "not in an activity" for name in names]
    assert value["left_behind"] == [name + "the activity has ended" for name in names]
    for text in value["in_workflow"] + value["in_side_effect"]:
        assert text.endswith(": not allowed in a workflow: workflow code cannot do I/O; use an activity")
    spawned, *bad = value["in_activity"]
    assert spawned == [True] * 4
    assert bad == [False, "activity.heartbeat: bad argument 'details' (not JSON-serializable: a function)"]


# Heartbeats -------------------------------------------------------------------------------------------------


def test_details_reach_the_next_attempts(lua: Script, name: str) -> None:
    value = lua.value(
        PRELUDE
        + """
        local found = {}
        local worker = temporal.worker({ task_queue = arg[1],
          activities = { step = function()
            local attempt = activity.info().attempt
            local details = activity.heartbeat_details()
            found[attempt] = details == nil and "none" or details
            if attempt == 1 then
              for i = 1, 500 do
                activity.heartbeat({ i = i, float = 1.0, empty = json.empty_array, long = 9007199254740993 })
              end
            elseif attempt == 2 then
              -- without details of its own
            elseif attempt == 3 then
              activity.heartbeat()
            elseif attempt == 4 then
              activity.heartbeat(false)
              activity.heartbeat()
            elseif attempt == 5 then
              activity.heartbeat(json.null)
            else
              return found
            end
            error("again")
          end },
          workflows = { Step = function(ctx)
            return ctx:execute_activity("step", nil,
              { heartbeat_timeout = 60, retry_policy = { initial_interval = 0.01 } })
          end },
        })
        local out = run("Step")
        worker:shutdown()
        print(json.encode(out))
        """,
        name,
    )
    last = {"i": 500, "float": 1.0, "empty": [], "long": 9007199254740993}
    assert repr(value[1]["float"]) == "1.0"
    assert value == ["none", last, last, last, False, "none"]


def test_heartbeats_in_the_background_repeat_the_details(lua: Script, name: str) -> None:
    value = lua.value(
        PRELUDE
        + """
        local has_slept = false
        local worker = temporal.worker({ task_queue = arg[1],
          activities = { step = { auto_heartbeat = true, run = function()
            -- a late heartbeat costs no more than one more attempt
            local details = activity.heartbeat_details()
            if details == nil then
              activity.heartbeat("far")
            elseif not has_slept then
              has_slept = true
              sleep(1.5)
            else
              return details
            end
            error("again")
          end } },
          workflows = { Step = function(ctx)
            return ctx:execute_activity("step", nil,
              { heartbeat_timeout = 2, retry_policy = { initial_interval = 0.01 } })
          end },
        })
        local out = run("Step")
        worker:shutdown()
        print(json.encode(out))
        """,
        name,
    )
    assert value == "far"


def test_a_killed_workers_details_reach_the_next_worker(lua: Script, name: str) -> None:
    worker = """
    temporal.worker({ task_queue = arg[1],
      activities = { count = function()
        local from = activity.heartbeat_details() or 0
        print("from " .. from)
        local i = from
        while not fs.exists(arg[2]) do
          i = i + 1
          activity.heartbeat(i)
          sleep(0.1)
        end
        return { from = from, attempt = activity.info().attempt }
      end },
      workflows = { Count = function(ctx)
        return ctx:execute_activity("count", nil,
          { heartbeat_timeout = 3, retry_policy = { initial_interval = 0.01 } })
      end },
    })
    """

    def reported() -> int:
        """What the server knows."""
        details = pending(lua, name).get("heartbeatDetails")
        return int(details[0]) if details else 0

    stop = lua.folder / "stop"
    with working(lua, worker, name, str(stop)) as process:
        lua.run(PRELUDE + 'start("Count", nil, arg[1])', name)
        read_until(process, "from 0")
        wait_for(lambda: reported() > 3)
        process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
        known = reported()
    stop.touch()
    with working(lua, worker, name, str(stop)) as process:
        value = lua.value(PRELUDE + "print(json.encode(result(arg[1])))", name)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert value["attempt"] > 1
    assert value["from"] >= known > 3


def test_heartbeats_while_another_activity_computes(lua: Script, name: str) -> None:
    worker = f"""
    local function until_stopped()
      while not fs.exists(arg[2]) do sleep(0.02) end
      return activity.info().attempt
    end
    temporal.worker({{ task_queue = arg[1], max_heartbeat_throttle_interval = 1,
      activities = {{
        first = {{ run = until_stopped, auto_heartbeat = true }},
        second = {{ run = until_stopped, auto_heartbeat = true }},
        compute = {{ auto_heartbeat = true, run = function()
          print("computing")
          sleep(0)
          while not fs.exists(arg[2]) do end
          return activity.info().attempt
        end }},
      }},
      workflows = {{
        Run = function(ctx, name)
          ctx:register_query("name", function() return name end)
          return ctx:execute_activity(name, nil, {ONCE})
        end,
        Quick = function(ctx) ctx:sleep(0.01) return "quick" end,
      }},
    }})
    """
    stop = lua.folder / "stop"
    with working(lua, worker, name, str(stop)) as process:
        value = lua.value(
            PRELUDE
            + """
            local runs = { start("Run", "first"), start("Run", "second"), start("Run", "compute") }
            local function computes()
              local found = client:describe_workflow(runs[3]).pending_activities[1]
              return found and found.state == "STARTED"
            end
            wait_for(computes)
            local asked, heard = {}, 0
            while heard < #runs do
              assert(run("Quick") == "quick")
              heard = 0
              for i, id in ipairs(runs) do
                asked[i] = client:query_workflow({ workflow_id = id, query_type = "name" })
                if has_heartbeat(id) then heard = heard + 1 end
              end
            end
            fs.write(arg[2], "")
            local attempts = {}
            for i, id in ipairs(runs) do attempts[i] = result(id) end
            print(json.encode({ asked = asked, attempts = attempts }))
            """,
            name,
            str(stop),
        )
        read_until(process, "computing")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert value["asked"] == ["first", "second", "compute"]
    assert value["attempts"] == [1, 1, 1]


# Cancellation -----------------------------------------------------------------------------------------------


def test_cancellation_reaches_what_waits(lua: Script, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        value = lua.value(
            PRELUDE
            + """
            local begun, ended = {}, {}
            local function waits(how, fn)
              return { auto_heartbeat = true, run = function()
                begun[how] = true
                local ok, err = pcall(fn)
                ended[how] = { ok = ok, kind = err and err.kind, text = tostring(err),
                  cancelled = activity.is_cancelled() }
                if not ok then error(err, 0) end
                return "whole"
              end }
            end
            local function heartbeats() return select(2, pcall(activity.heartbeat)).kind end
            local activities = {
              sleeps = waits("sleeps", function() sleep(600) end),
              gets = waits("gets", function() http.get(arg[2]) end),
              awaits = waits("awaits", function() async.spawn(sleep, 2):await() sleep(600) end),
              cleans = waits("cleans", function()
                local ok, err = pcall(sleep, 600)
                local again = heartbeats()
                sleep(0.01) -- the cancellation does not come a second time
                sleep(0.01)
                ended.cleaned = { again, heartbeats() }
                error(err, 0)
              end),
              completes = waits("completes", function() pcall(sleep, 600) end),
              fails = waits("fails", function() if not pcall(sleep, 600) then error("UNCLEAN: no") end end),
              polls = waits("polls", function()
                while not activity.is_cancelled() do pcall(sleep, 0.02) end
                activity.heartbeat()
              end),
            }
            local worker = temporal.worker({ task_queue = arg[1], activities = activities,
              max_heartbeat_throttle_interval = 1,
              workflows = { Run = function(ctx, how)
                pcall(ctx.execute_activity, ctx, how, nil,
                  { heartbeat_timeout = 24, retry_policy = { maximum_attempts = 1 } })
                ctx:wait_signal("never") -- open, so that the end of the activity gets into its history
              end },
            })
            local function all(t)
              for how in pairs(activities) do
                if not t[how] then return false end
              end
              return true
            end
            for how in pairs(activities) do start("Run", how, arg[1] .. how) end
            wait_for(function() return all(begun) end)
            for how in pairs(activities) do client:cancel_workflow(arg[1] .. how) end
            wait_for(function() return all(ended) end)
            worker:shutdown()
            print(json.encode(ended))
            """,
            name,
            f"http://127.0.0.1:{silent.getsockname()[1]}/",
        )
    assert value.pop("cleaned") == ["cancelled", "cancelled"]
    assert value.pop("completes") == {"ok": True, "text": "nil", "cancelled": True}
    failed = value.pop("fails")
    assert "UNCLEAN: no" in failed["text"]
    assert value.pop("polls")["text"] == "activity.heartbeat: the activity was cancelled"
    cancelled = {"ok": False, "kind": "cancelled", "text": "cancelled", "cancelled": True}
    assert value == dict.fromkeys(("sleeps", "gets", "awaits", "cleans"), cancelled)

    def ends_with(how: str, end: str) -> bool:
        return end in lua.events(name + how)

    ends = dict.fromkeys(("sleeps", "gets", "awaits", "cleans", "polls"), "ACTIVITY_TASK_CANCELED")
    ends |= {"completes": "ACTIVITY_TASK_COMPLETED", "fails": "ACTIVITY_TASK_FAILED"}
    for how, end in ends.items():
        # The server keeps it back while a workflow task is out, which the worker may have left.
        wait_for(partial(ends_with, how, end))


def test_cancellation_reaches_an_activity_that_computes(lua: Script, name: str) -> None:
    worker = f"""
    temporal.worker({{ task_queue = arg[1], max_heartbeat_throttle_interval = 1,
      activities = {{
        compute = function()
          print("computing")
          sleep(0)
          local _, err = pcall(function() while true do activity.heartbeat() end end)
          sleep(0) -- what told the heartbeat does not come a second time
          print("heard " .. err.kind)
          sleep(0)
          error(err, 0)
        end,
        never = {{ run = function() print("never") end, auto_heartbeat = true }},
      }},
      workflows = {{
        Run = function(ctx, how)
          pcall(ctx.execute_activity, ctx, how, nil, {ONCE})
          ctx:wait_signal("never")
        end,
      }},
    }})
    """
    with working(lua, worker, name) as process:
        lua.run(PRELUDE + 'start("Run", "compute", arg[1])', name)
        read_until(process, "computing")
        lua.run(PRELUDE + 'start("Run", "never", arg[1] .. "2")', name)
        # The second activity is on the worker, but Lua is busy: a cancellation now means that it never begins.
        wait_for(lambda: is_started(lua, name + "2"))
        lua.run(PRELUDE + 'client:cancel_workflow(arg[1] .. "2")', name)
        wait_for(lambda: pending(lua, name + "2")["state"] == "PENDING_ACTIVITY_STATE_CANCEL_REQUESTED")
        last = pending(lua, name + "2").get("lastHeartbeatTime")
        # The answer to its next heartbeat tells the worker.
        wait_for(lambda: pending(lua, name + "2").get("lastHeartbeatTime") != last)
        lua.run(PRELUDE + "client:cancel_workflow(arg[1])", name)
        read_until(process, "heard cancelled")
        wait_for(lambda: "ACTIVITY_TASK_CANCELED" in lua.events(name))
        wait_for(lambda: "ACTIVITY_TASK_CANCELED" in lua.events(name + "2"))
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0
    assert "never" not in output


def test_a_timeout_cancels(lua: Script, name: str) -> None:
    value = lua.value(
        PRELUDE
        + """
        local heard
        local worker = temporal.worker({ task_queue = arg[1], max_heartbeat_throttle_interval = 1,
          activities = { late = { auto_heartbeat = true, run = function()
            activity.heartbeat("halfway")
            local ok, err = pcall(sleep, 600)
            heard = err.kind
            error(err, 0)
          end } },
          workflows = { Late = function(ctx)
            local ok, err = pcall(ctx.execute_activity, ctx, "late", nil, { start_to_close_timeout = 3,
              heartbeat_timeout = 4, retry_policy = { maximum_attempts = 1 } })
            return { kind = err.cause.kind, type = err.type }
          end },
        })
        local out = run("Late")
        wait_for(function() return heard end)
        worker:shutdown()
        out.heard = heard
        print(json.encode(out))
        """,
        name,
    )
    assert value == {"heard": "cancelled", "kind": "timeout", "type": "start_to_close"}


# Completion from outside ------------------------------------------------------------------------------------


def test_completion_from_outside(lua: Script, name: str) -> None:
    value = lua.value(
        PRELUDE
        + """
        local opened = {}
        local worker = temporal.worker({ task_queue = arg[1],
          activities = { open = function(input)
            local info = activity.info()
            activity.complete_async()
            opened[input] = { token = info.task_token, workflow_id = info.workflow_id, run_id = info.run_id,
              activity_id = info.activity_id, details = activity.heartbeat_details(), attempt = info.attempt }
            if input == "raises" then error("NO: it failed") end
            return "ignored"
          end },
          workflows = { Open = function(ctx, input)
            local ok, got = pcall(ctx.execute_activity, ctx, "open", input, { heartbeat_timeout = 300,
              retry_policy = { initial_interval = 0.01, non_retryable_errors = { "NO" } } })
            if ok then return { result = got } end
            return { kind = got.kind, type = got.type, message = got.cause.message, details = got.details }
          end },
        })
        local function open(input)
          local id = start("Open", input, arg[1] .. input)
          wait_for(function() return opened[input] end)
          return opened[input], id
        end
        local function refused(method, options)
          local ok, err = pcall(client[method], client, options)
          return { kind = err.kind, text = tostring(err) }
        end
        local out = {}

        local it, id = open("by token")
        client:heartbeat_activity({ task_token = it.token, details = { 1 } })
        client:complete_activity({ task_token = it.token, result = { float = 1.0, empty = json.empty_array } })
        out.by_token = result(id).result
        out.twice = refused("complete_activity", { task_token = it.token })

        it, id = open("by id")
        client:complete_activity({ workflow_id = it.workflow_id, activity_id = it.activity_id })
        out.by_id = result(id).result == nil

        it, id = open("by run")
        client:complete_activity({ workflow_id = it.workflow_id, run_id = it.run_id, activity_id = it.activity_id,
          result = false, rpc_timeout = 10 })
        out.by_run = result(id).result

        it, id = open("fails")
        client:heartbeat_activity({ task_token = it.token, details = "far" })
        client:fail_activity({ task_token = it.token })
        wait_for(function() return opened["fails"].attempt == 2 end)
        out.details_of_attempt_before = opened["fails"].details
        client:fail_activity({ workflow_id = it.workflow_id, activity_id = it.activity_id, message = "broken",
          type = "BROKEN", details = { 1.0, { x = json.empty_array } }, non_retryable = true })
        out.fails = result(id)

        it, id = open("fails by text")
        client:fail_activity({ task_token = it.token, message = "NO: never" })
        out.fails_by_text = result(id)

        out.raises = run("Open", "raises")

        it, id = open("cancelled")
        client:cancel_workflow(id)
        wait_for(function() return client:describe_workflow(id).status ~= "RUNNING" or
          not pcall(client.heartbeat_activity, client, { task_token = it.token }) end)
        out.closed = refused("heartbeat_activity", { task_token = it.token })

        out.unknown = refused("heartbeat_activity", { workflow_id = "no-such-workflow", activity_id = "1" })
        out.no_target = refused("complete_activity", { workflow_id = "w" })
        out.both = refused("fail_activity", { task_token = it.token, workflow_id = "w" })
        out.no_token = refused("complete_activity", { task_token = "?" })
        out.typo = refused("complete_activity", { task_token = it.token, reslt = 1 })
        worker:shutdown()
        print(json.encode(out))
        """,
        name,
    )
    assert repr(value["by_token"]) == repr({"empty": [], "float": 1.0})
    assert value["twice"]["kind"] == "not_found"
    assert value["by_id"] is True
    assert value["by_run"] is False
    assert value["details_of_attempt_before"] == "far"
    assert value["fails"] == {
        "kind": "activity",
        "type": "BROKEN",
        "message": "broken",
        "details": [1.0, {"x": []}],
    }
    assert value["fails_by_text"]["type"] == "NO"
    assert value["raises"]["type"] == "NO"
    assert value["unknown"]["kind"] == "not_found"
    texts = {key: value[key]["text"] for key in ("no_target", "both", "no_token", "typo")}
    assert texts == {
        "no_target": "client:complete_activity: missing option 'task_token' (or 'workflow_id' and 'activity_id')",
        "both": "client:fail_activity: bad option 'workflow_id' (mutually exclusive with 'task_token')",
        "no_token": "client:complete_activity: bad option 'task_token' "
        "(Base64 string of activity.info().task_token expected)",
        "typo": "client:complete_activity: unknown option 'reslt' (did you mean 'result'?)",
    }


def test_a_heartbeat_from_outside_hears_of_the_cancellation(lua: Script, name: str) -> None:
    value = lua.value(
        PRELUDE
        + """
        local token
        local worker = temporal.worker({ task_queue = arg[1],
          activities = { open = function()
            activity.complete_async()
            token = activity.info().task_token
          end },
          workflows = { Open = function(ctx)
            pcall(ctx.execute_activity, ctx, "open")
            ctx:wait_signal("never")
          end },
        })
        local id = start("Open")
        wait_for(function() return token end)
        client:heartbeat_activity({ task_token = token })
        client:cancel_workflow(id)
        local ok, err
        wait_for(function()
          ok, err = pcall(client.heartbeat_activity, client, { task_token = token })
          return not ok
        end)
        worker:shutdown()
        print(json.encode({ kind = err.kind, text = tostring(err) }))
        """,
        name,
    )
    assert value == {"kind": "cancelled", "text": "client:heartbeat_activity: the activity was cancelled"}


# Limits -----------------------------------------------------------------------------------------------------


def test_a_limit_per_activity(lua: Script, name: str) -> None:
    value = lua.value(
        PRELUDE
        + f"""
        local running, most, free, open = 0, 0, 0, false
        local worker = temporal.worker({{ task_queue = arg[1], max_concurrent_local_activities = 3,
          max_heartbeat_throttle_interval = 1,
          activities = {{
            narrow = {{ max_concurrent = 2, auto_heartbeat = true, run = function(input)
              running = running + 1
              most = math.max(most, running)
              wait_for(function() return open end)
              running = running - 1
              return input.n
            end }},
            wide = {{ auto_heartbeat = true, run = function()
              free = free + 1
              wait_for(function() return open end)
            end }},
          }},
          workflows = {{ Run = function(ctx, input)
            return ctx:execute_activity(input.name, input, {ONCE})
          end }},
        }})
        local runs = {{}}
        for n = 1, 5 do runs[n] = start("Run", {{ name = "narrow", n = n }}) end
        for _ = 1, 3 do runs[#runs + 1] = start("Run", {{ name = "wide" }}) end
        wait_for(function() return running == 2 and free == 3 end)
        for _, id in ipairs(runs) do -- also those that wait for their turn
          wait_for(function() return has_heartbeat(id) end)
        end
        local at_once = running
        open = true
        local results = {{}}
        for n = 1, 5 do results[n] = result(runs[n]) end
        worker:shutdown()
        print(json.encode({{ at_once = at_once, most = most, results = results, free = free }}))
        """,
        name,
    )
    assert value == {"at_once": 2, "most": 2, "results": [1, 2, 3, 4, 5], "free": 3}


def test_cancellation_while_it_waits_for_its_turn(lua: Script, name: str) -> None:
    worker = f"""
    temporal.worker({{ task_queue = arg[1], max_heartbeat_throttle_interval = 1,
      activities = {{ narrow = {{ max_concurrent = 1, auto_heartbeat = true, run = function(n)
        print("begun " .. n)
        while not fs.exists(arg[2]) do sleep(0.02) end
        return n
      end }} }},
      workflows = {{ Run = function(ctx, n)
        local ok, got = pcall(ctx.execute_activity, ctx, "narrow", n, {ONCE})
        if not ok then ctx:wait_signal("never") end
        return got
      end }},
    }})
    """
    stop = lua.folder / "stop"
    with working(lua, worker, name, str(stop)) as process:
        lua.run(PRELUDE + 'start("Run", 1, arg[1] .. 1)', name)
        read_until(process, "begun 1")
        lua.run(PRELUDE + 'start("Run", 2, arg[1] .. 2)', name)
        wait_for(lambda: is_started(lua, name + "2"))
        lua.run(PRELUDE + "client:cancel_workflow(arg[1] .. 2)", name)
        wait_for(lambda: "ACTIVITY_TASK_CANCELED" in lua.events(name + "2"))
        stop.touch()
        value = lua.value(PRELUDE + 'print(json.encode({ result(arg[1] .. 1), run("Run", 3) }))', name)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    assert value == [1, 3]
    assert output.split("\n") == ["begun 3", ""]


def test_bad_activities(lua: Script) -> None:
    value = lua.value(
        """
        local function noop() end
        local out = {}
        for i, activities in ipairs({
          { a = 1 }, { a = {} }, { a = { noop } }, { a = { run = "x" } }, { a = { run = noop, max_concurent = 1 } },
          { a = { run = noop, max_concurrent = 0 } }, { a = { run = noop, max_concurrent = 1.5 } },
          { __temporal_a = { run = noop } },
        }) do
          out[i] = select(2, pcall(temporal.worker, { task_queue = "q", activities = activities }))
        end
        out[#out + 1] = select(2, pcall(temporal.worker,
          { task_queue = "q", activities = { a = noop }, max_concurrent_local_activities = 0 }))
        print(json.encode(out))
        """
    )
    assert value == [
        "temporal.worker: " + text
        for text in (
            "bad option 'activities.a' (function or table expected, got number)",
            "missing option 'activities.a.run'",
            "bad option 'activities.a' (table of named options expected, got an array)",
            "bad option 'activities.a.run' (function expected, got string)",
            "unknown option 'activities.a.max_concurent' (did you mean 'max_concurrent'?)",
            "bad option 'activities.a.max_concurrent' (at least 1 expected, got 0)",
            "bad option 'activities.a.max_concurrent' (integer expected, got 1.5)",
            "bad option 'activities' (the name '__temporal_a' is reserved)",
            "bad option 'max_concurrent_local_activities' (at least 1 expected, got 0)",
        )
    ]


# Shutdown ---------------------------------------------------------------------------------------------------

WAITING_WORKER = """
temporal.worker({ task_queue = arg[1], graceful_shutdown_timeout = tonumber(arg[3]),
  activities = {
    wait = function(n)
      async.spawn(function()
        activity.wait_for_worker_shutdown()
        print("draining")
      end)
      print("begun")
      local ok, err = pcall(function()
        while not fs.exists(arg[2]) do sleep(0.02) end
      end)
      print(ok and "ended" or err.kind)
      if not ok then error(err, 0) end
      return n
    end,
    compute = function()
      print("computing")
      sleep(0)
      while true do end
    end,
  },
  workflows = { Run = function(ctx, input)
    return ctx:execute_activity(input.name, input.n, { retry_policy = { initial_interval = 3600 } })
  end },
})
"""


def test_sigterm_lets_running_activities_end(lua: Script, name: str) -> None:
    stop = lua.folder / "stop"
    with working(lua, WAITING_WORKER, name, str(stop), "60") as process:
        lua.run(PRELUDE + 'for n = 1, 3 do start("Run", { name = "wait", n = n }, arg[1] .. n) end', name)
        for _ in range(3):
            read_until(process, "begun")
        process.send_signal(signal.SIGTERM)
        for _ in range(3):
            read_until(process, "draining")
        # A worker that drains takes nothing new.
        lua.run(PRELUDE + 'start("Run", { name = "wait", n = 4 }, arg[1] .. 4)', name)
        assert process.poll() is None
        stop.touch()
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0
    assert output.split() == ["ended"] * 3
    for n in (1, 2, 3):
        assert "ACTIVITY_TASK_COMPLETED" in lua.events(f"{name}{n}")
    assert "ACTIVITY_TASK_SCHEDULED" not in lua.events(f"{name}4")


def test_the_end_of_the_graceful_timeout_cancels(lua: Script, name: str) -> None:
    with working(lua, WAITING_WORKER, name, str(lua.folder / "stop"), "0.5") as process:
        lua.run(PRELUDE + 'start("Run", { name = "wait" }, arg[1])', name)
        read_until(process, "begun")
        process.send_signal(signal.SIGTERM)
        read_until(process, "cancelled")
        assert process.wait(60) == 0
    # It failed for the server, which tries it again on another worker; it did not just time out.
    again = pending(lua, name)
    assert (again["state"], int(again["attempt"])) == ("PENDING_ACTIVITY_STATE_SCHEDULED", 2)


@pytest.mark.parametrize("activity", ["wait", "compute"])
def test_a_second_signal_ends_at_once(lua: Script, name: str, activity: str) -> None:
    with working(lua, WAITING_WORKER, name, str(lua.folder / "stop"), "600") as process:
        lua.run(PRELUDE + 'start("Run", { name = arg[2] }, arg[1])', name, activity)
        read_until(process, {"wait": "begun", "compute": "computing"}[activity])
        process.send_signal(signal.SIGTERM)
        with pytest.raises(TimeoutExpired):
            process.wait(1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM


def test_shutdown_from_the_script(lua: Script, name: str) -> None:
    value = lua.value(
        PRELUDE
        + """
        local begun, out = false, {}
        local worker = temporal.worker({ task_queue = arg[1], graceful_shutdown_timeout = 60,
          activities = { slow = function()
            begun = true
            wait_for(function() return out.asked end)
            sleep(0.5)
            out.ended = true
            return "whole"
          end },
          workflows = { Slow = function(ctx) return ctx:execute_activity("slow") end },
        })
        start("Slow", nil, arg[1])
        wait_for(function() return begun end)
        out.running = worker:is_running()
        local shutdown = async.spawn(function()
          worker:shutdown()
          return out.ended
        end)
        wait_for(function() return not worker:is_running() end)
        out.asked = true
        out.ended_before = shutdown:await()[1]
        worker:wait()
        print(json.encode(out))
        """,
        name,
    )
    assert value == {"running": True, "asked": True, "ended": True, "ended_before": True}
    assert "ACTIVITY_TASK_COMPLETED" in lua.events(name)
