"""Results, lists, counts, histories and resets on a real server; the results are compared with the Temporal CLI."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

from temporalio import workflow
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Worker

from replay import definitions, replay
from temporal_script import Script

SCRIPT = """
local name = arg[1]
local client = temporal.connect()
local function try(fn, ...)
  local ok, err = pcall(fn, ...)
  if ok then return err == nil and json.null or err end
  return { error = tostring(err), kind = err.kind, details = err.details, run_id = err.run_id }
end
"""


def test_the_ends_of_workflows(lua: Script, name: str) -> None:
    value = lua.value(
        SCRIPT
        + """
        local function start(id, options)
          options = options or {}
          options.task_queue, options.workflow_type, options.workflow_id = name, "Nobody", id
          return client:start_workflow(options).run_id
        end
        local out = {}
        local first = start(name .. "-ended")
        client:terminate_workflow({ workflow_id = name .. "-ended", run_id = first, reason = "enough",
          details = { code = 7 } })
        start(name .. "-ended")
        client:terminate_workflow(name .. "-ended")
        out.ended = try(client.get_result, client, { workflow_id = name .. "-ended", run_id = first })
        out.latest = try(client.get_result, client, { workflow_id = name .. "-ended" })
        start(name .. "-late", { run_timeout = 1 })
        out.late = try(client.get_result, client, { workflow_id = name .. "-late", timeout = 60 })
        start(name .. "-open")
        out.open = try(client.get_result, client, { workflow_id = name .. "-open", timeout = 0.2 })
        client:cancel_workflow({ workflow_id = name .. "-open", reason = "too slow" })
        out.wrong_run = try(client.cancel_workflow, client, { workflow_id = name .. "-open", run_id = first })
        out.no_run = try(client.terminate_workflow, client, { workflow_id = name .. "-open", run_id = "nonsense" })
        out.executed = try(client.execute_workflow, client, { task_queue = name, workflow_type = "Nobody",
          workflow_id = name .. "-executed", run_timeout = 1 })
        print(json.encode(out))
        """,
        name,
    )
    ended = f"workflow '{name}-ended' was terminated"
    assert value["ended"] == {"error": f"{ended}: enough", "kind": "terminated", "details": {"code": 7}}
    assert value["latest"]["kind"] == "terminated"
    assert value["latest"]["error"].startswith(ended)  # the server gives a reason where a client gives none
    assert value["late"] == {"error": f"workflow '{name}-late' timed out", "kind": "timeout"}
    assert value["executed"] == {"error": f"workflow '{name}-executed' timed out", "kind": "timeout"}
    assert value["open"]["kind"] == "timeout"
    assert f"client:get_result: timed out after 0.2 s: workflow '{name}-open' has not ended" in value["open"]["error"]
    assert value["wrong_run"]["kind"] == "not_found"
    assert value["no_run"]["kind"] == "rpc"
    events = lua.cli("workflow", "show", "--workflow-id", f"{name}-open")["events"]
    attributes = events[-1]["workflowExecutionCancelRequestedEventAttributes"]
    assert attributes["cause"] == "too slow"


@workflow.defn(sandboxed=False)
class Chain:
    """Continues as new until its number is 0."""

    @workflow.run
    async def run(self, number: int) -> str:
        if number > 0:
            workflow.continue_as_new(number - 1)
        return "the end"


@workflow.defn(sandboxed=False)
class Parent:
    """Starts a child that never runs."""

    @workflow.run
    async def run(self, child: str) -> None:
        await workflow.start_child_workflow("Nobody", id=child, task_queue="nobody")
        await workflow.wait_condition(lambda: False)


async def test_runs_that_follow_each_other_and_children(lua: Script, name: str) -> None:
    client = await Client.connect(lua.address)
    async with Worker(client, task_queue=name, workflows=[Chain, Parent], graceful_shutdown_timeout=timedelta(0)):
        value = await asyncio.to_thread(
            lua.value,
            SCRIPT
            + """
            local start = { task_queue = name, workflow_type = "Chain", workflow_id = name, input = 2 }
            local run = client:start_workflow(start)
            local out = { followed = client:get_result({ workflow_id = name, run_id = run.run_id }) }
            local first_run = { workflow_id = name, run_id = run.run_id, follow_runs = false }
            out.first_run = try(client.get_result, client, first_run)
            out.status = client:describe_workflow({ workflow_id = name, run_id = run.run_id }).status
            out.is_latest = client:describe_workflow(run.workflow_id).run_id == run.run_id
            start.workflow_id = nil
            out.executed = client:execute_workflow(start)
            local child = name .. "-child"
            local parent = client:start_workflow({ task_queue = name, workflow_type = "Parent", input = child })
            local described
            repeat
              local ok, found = pcall(client.describe_workflow, client, child)
              described = ok and found
            until described
            out.parent = { workflow_id = described.parent_id, run_id = described.parent_run_id }
            out.expected_parent = parent
            client:terminate_workflow(parent.workflow_id)
            print(json.encode(out))
            """,
            name,
        )
    assert value["followed"] == value["executed"] == "the end"
    assert value["first_run"]["error"] == "client:get_result: the workflow continued as new"
    assert value["first_run"]["run_id"]
    assert (value["status"], value["is_latest"]) == ("CONTINUED_AS_NEW", False)
    assert value["parent"] == value["expected_parent"]


def test_lists_and_counts(lua: Script, name: str) -> None:
    value = lua.value(
        SCRIPT
        + """
        for i = 1, 7 do
          client:start_workflow({ task_queue = name, workflow_type = i % 2 == 0 and "Even" or "Odd",
            workflow_id = name .. "-" .. i, memo = { number = i } })
        end
        client:terminate_workflow(name .. "-1")
        local query = "TaskQueue = '" .. name .. "'"
        local running = query .. " AND ExecutionStatus = 'Running'"
        while client:count_workflows({ query = query }) < 7 or client:count_workflows({ query = running }) > 6 do
          sleep(0.05)
        end
        local function ids(found)
          local out = {}
          for i, row in ipairs(found) do out[i] = row.workflow_id end
          return out
        end
        local streamed, memos = {}, {}
        for row in client:each_workflow({ query = query, page_size = 2 }) do
          streamed[#streamed + 1] = row
          memos[#memos + 1] = row.memo.number
        end
        local co = coroutine.wrap(function()
          for row in temporal.each_workflow({ query = query, page_size = 3 }) do coroutine.yield(row.workflow_id) end
        end)
        local limited = {}
        for row in client:each_workflow({ query = query, limit = 3 }) do limited[#limited + 1] = row.workflow_id end
        local pages = client:each_workflow({ query = query, limit = 1 })
        pages()
        print(json.encode({
          listed = ids(client:list_workflows({ query = query })), streamed = ids(streamed), memos = memos,
          limited = limited, limited_list = #client:list_workflows({ query = query, limit = 4, page_size = 3 }),
          yielded = { co(), co() }, after = pages() == nil and pages() == nil,
          none = client:list_workflows({ query = query .. " AND WorkflowType = 'Neither'" }),
          count = { client:count_workflows({ query = query }) },
          groups = { client:count_workflows({ query = query .. " GROUP BY ExecutionStatus" }) },
          no_groups = { client:count_workflows({ query = "WorkflowId = 'x'  group  BY ExecutionStatus" }) },
          all = client:count_workflows() >= 7,
          row = client:list_workflows({ query = query .. " AND WorkflowId = '" .. name .. "-1'" })[1],
          errors = {
            try(client.list_workflows, client, { query = "nonsense =" }),
            try(client:each_workflow({ query = "nonsense =" })),
            try(client.count_workflows, client, { query = "nonsense =" }),
          },
          bad = {
            select(2, pcall(client.list_workflows, client, { limit = 0 })),
            select(2, pcall(client.each_workflow, client, { page_size = -1 })),
          },
        }))
        """,
        name,
    )
    listed = lua.cli("workflow", "list", "--query", f"TaskQueue = '{name}'")
    expected = [item["execution"]["workflowId"] for item in listed]
    assert value["listed"] == value["streamed"] == expected
    assert value["memos"] == [int(item.rpartition("-")[2]) for item in expected]
    assert value["limited"] == expected[:3]
    assert value["limited_list"] == 4
    assert value["yielded"] == expected[:2]
    assert value["after"] is True
    assert value["none"] == []
    assert value["count"] == [7]
    total, groups = value["groups"]
    assert total == 7
    assert sorted((group["values"], group["count"]) for group in groups) == [(["Running"], 6), (["Terminated"], 1)]
    assert value["no_groups"] == [0, []]
    assert value["all"] is True
    witness = next(item for item in listed if item["execution"]["workflowId"] == f"{name}-1")
    row = value["row"]
    assert (row["run_id"], row["status"], row["workflow_type"]) == (
        witness["execution"]["runId"],
        "TERMINATED",
        "Odd",
    )
    assert (row["task_queue"], row["memo"]) == (name, {"number": 1})
    assert row["close_time"] >= row["start_time"]
    for error, method in zip(value["errors"], ("list_workflows", "each_workflow", "count_workflows"), strict=True):
        assert error["kind"] == "rpc"
        assert error["error"].startswith(f"client:{method}: invalid query")
    assert "client:list_workflows: bad option 'limit' (positive integer expected, got 0)" in value["bad"][0]
    assert "client:each_workflow: bad option 'page_size' (positive integer expected, got -1)" in value["bad"][1]


WORKER = """
local worker = temporal.worker({
  task_queue = arg[1] or "replay",
  activities = { add = function(number) return number + 1 end },
  workflows = {
    Sum = function(ctx, number)
      for _ = 1, 3 do number = ctx:execute_activity("add", number) end
      return number
    end,
  },
})
"""


async def test_a_fetched_history_is_the_clis_and_can_be_replayed(lua: Script, name: str) -> None:
    worker = lua.command.folder / "worker.lua"
    worker.write_text(WORKER, encoding="utf-8")
    value = await asyncio.to_thread(
        lua.value,
        WORKER
        + SCRIPT
        + """
        client:execute_workflow({ task_queue = name, workflow_type = "Sum", workflow_id = name, input = 1 })
        local history = client:fetch_history(name)
        local run_id = client:describe_workflow(name).run_id
        fs.write("fetched.json", json.encode(history))
        local same = json.encode(client:fetch_history({ workflow_id = name, run_id = run_id })) == json.encode(history)
        worker:shutdown()
        print(json.encode({ same, try(client.fetch_history, client, "nothing") }))
        """,
        name,
    )
    assert value == [
        True,
        {"error": "client:fetch_history: workflow not found for ID: nothing", "kind": "not_found"},
    ]
    path = lua.command.folder / "fetched.json"
    fetched = WorkflowHistory.from_json(name, path.read_text(encoding="utf-8"))
    shown = WorkflowHistory.from_json(name, lua.cli("workflow", "show", "--workflow-id", name))
    assert fetched == shown
    assert len(fetched.events) > 15
    workflows, settings = await asyncio.to_thread(definitions, worker)
    assert await replay(workflows, settings, [path]) == []


def test_a_reset_starts_again_from_an_event(lua: Script, name: str) -> None:
    value = lua.value(
        WORKER
        + SCRIPT
        + """
        client:execute_workflow({ task_queue = name, workflow_type = "Sum", workflow_id = name, input = 1 })
        local first = client:describe_workflow(name).run_id
        local event
        for _, found in ipairs(client:fetch_history(name).events) do
          if found.eventType == "EVENT_TYPE_WORKFLOW_TASK_COMPLETED" then
            event = found.eventId
            break
          end
        end
        local reset = client:reset_workflow({ workflow_id = name, run_id = first, event_id = tonumber(event),
          reason = "once more" })
        local again = client:get_result({ workflow_id = name, run_id = reset.run_id })
        local out = {
          run_id = reset.run_id,
          again = again,
          missing = try(client.reset_workflow, client, { workflow_id = "none", event_id = 3 }),
          beyond = try(client.reset_workflow, client, { workflow_id = name, event_id = 100 }),
          zero = select(2, pcall(client.reset_workflow, client, { workflow_id = name, event_id = 0 })),
          without = select(2, pcall(client.reset_workflow, client, { workflow_id = name })),
        }
        worker:shutdown()
        print(json.encode(out))
        """,
        name,
    )
    run_id = value["run_id"]
    assert value["again"] == 4
    assert value["missing"]["kind"] == "not_found"
    assert value["beyond"]["kind"] == "rpc"
    assert "client:reset_workflow: bad option 'event_id' (positive event id expected, got 0)" in value["zero"]
    assert "client:reset_workflow: missing option 'event_id'" in value["without"]
    shown = lua.cli("workflow", "show", "--workflow-id", name, "--run-id", run_id)
    assert "once more" in json.dumps(shown)
    described = lua.cli("workflow", "describe", "--workflow-id", name)["workflowExecutionInfo"]
    assert described["execution"]["runId"] == run_id
