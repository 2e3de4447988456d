"""Updates, queries with conditions, and activities completed from outside, against workers of the Python SDK."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from temporal_script import Script


@workflow.defn(sandboxed=False)
class Counter:
    """Sums the values of its updates."""

    def __init__(self) -> None:
        self.total = 0
        self.done = False
        self.released = False

    @workflow.run
    async def run(self, start: int = 0) -> int:
        self.total += start
        await workflow.wait_condition(lambda: self.done)
        return self.total

    @workflow.update
    async def add(self, *numbers: Any) -> dict[str, Any]:
        if numbers == ("fail",):
            raise ApplicationError("no such number", {"got": "fail"}, type="NO_NUMBER")
        self.total += sum(numbers)
        return {"total": self.total, "none": None, "list": []}

    @add.validator
    def check(self, *numbers: Any) -> None:
        if not numbers:
            raise ApplicationError("nothing to add", type="EMPTY")

    @workflow.update
    async def slow(self) -> int:
        await workflow.wait_condition(lambda: self.released)
        return self.total

    @workflow.signal
    def release(self) -> None:
        self.released = True

    @workflow.signal
    def finish(self) -> None:
        self.done = True

    @workflow.query
    def now(self, *arguments: Any) -> list[Any]:
        return [self.total, *arguments]


@workflow.defn(sandboxed=False)
class Call:
    """Waits for an activity that its worker leaves open."""

    @workflow.run
    async def run(self) -> Any:
        return await workflow.execute_activity(
            "later",
            start_to_close_timeout=timedelta(seconds=300),
            heartbeat_timeout=timedelta(seconds=300),
            retry_policy=RetryPolicy(maximum_attempts=1),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            activity_id="later",
        )


@activity.defn
async def later() -> None:
    activity.raise_complete_async()


@asynccontextmanager
async def python_worker(lua: Script, queue: str) -> AsyncIterator[Client]:
    client = await Client.connect(lua.address)
    worker = Worker(
        client,
        task_queue=queue,
        workflows=[Counter, Call],
        activities=[later],
        graceful_shutdown_timeout=timedelta(0),
    )
    async with worker:
        yield client


PREPARE = """
local name = arg[1]
local client = temporal.connect()
local function try(method, options)
  local ok, a, b = pcall(client[method], client, options)
  if ok then return { a == nil and json.null or a, b } end
  return { error = tostring(a), kind = a.kind, type = a.type, details = a.details, status = a.status }
end
"""


async def test_updates(lua: Script, name: str) -> None:
    async with python_worker(lua, name):
        value = await asyncio.to_thread(
            lua.value,
            PREPARE
            + """
            client:start_workflow({ task_queue = name, workflow_type = "Counter", workflow_id = name, input = 1 })
            -- An update that comes with the first workflow task is answered before the workflow's first step.
            repeat until client:query_workflow({ workflow_id = name, query_type = "now" })[1] == 1
            local function update(options)
              options.workflow_id = name
              return try("update_workflow", options)
            end
            local out = {
              one = update({ update_name = "add", input = 2, update_id = "first" }),
              again = update({ update_name = "add", input = 2, update_id = "first" }),
              many = update({ update_name = "add", args = { 3, 4 } }),
              rejected = update({ update_name = "add" }),
              failed = update({ update_name = "add", input = "fail" }),
              unknown = update({ update_name = "subtract" }),
              wait_for = update({ update_name = "add", input = 2, wait_for = "admitted" }),
              accepted = update({ update_name = "slow", wait_for = "accepted", update_id = "slow" }),
            }
            client:signal_workflow({ workflow_id = name, signal_name = "release" })
            out.slow = update({ update_name = "slow", update_id = "slow" })
            out.query = try("query_workflow", { workflow_id = name, query_type = "now", args = { "a", { 1 } } })
            client:signal_workflow({ workflow_id = name, signal_name = "finish" })
            out.result = client:get_result({ workflow_id = name })
            out.rejected_query = try("query_workflow", { workflow_id = name, query_type = "now",
              reject_condition = "not_open" })
            out.allowed_query = try("query_workflow", { workflow_id = name, query_type = "now",
              reject_condition = "not_completed_cleanly" })
            out.late = update({ update_name = "add", input = 1 })
            print(json.encode(out))
            """,
            name,
        )
    assert value["one"] == [{"total": 3, "list": []}]
    assert value["again"] == value["one"]
    assert value["many"] == [{"total": 10, "list": []}]
    assert value["rejected"] == {"error": "nothing to add", "kind": "application", "type": "EMPTY"}
    failed = {"error": "no such number", "kind": "application", "type": "NO_NUMBER", "details": {"got": "fail"}}
    assert value["failed"] == failed
    assert "subtract" in value["unknown"]["error"]
    wait_for = 'bad option \'wait_for\' (one of "accepted", "completed" expected, got "admitted")'
    assert wait_for in value["wait_for"]["error"]
    accepted = value["accepted"][0]
    assert (accepted["update_id"], accepted["workflow_id"]) == ("slow", name)
    assert value["slow"] == [10]
    assert value["query"] == [[10, "a", [1]]]
    assert value["result"] == 10
    assert value["rejected_query"] == {
        "error": "client:query_workflow: the query was rejected, because the workflow is COMPLETED",
        "kind": "application",
        "type": "QueryRejected",
        "status": "COMPLETED",
    }
    assert value["allowed_query"] == [[10]]
    assert value["late"]["kind"] == "not_found"
    events = lua.events(name)
    assert events.count("WORKFLOW_EXECUTION_UPDATE_COMPLETED") == 4


async def test_update_with_start(lua: Script, name: str) -> None:
    async with python_worker(lua, name) as client:
        value = await asyncio.to_thread(
            lua.value,
            PREPARE
            + """
            local function add(number, conflict, update)
              return try("update_with_start", {
                update = update or { update_name = "add", input = number },
                start = { task_queue = name, workflow_type = "Counter", workflow_id = name, input = 100,
                  id_conflict_policy = conflict, memo = { by = "update" } } })
            end
            print(json.encode({
              first = add(1),
              second = add(2),
              refused = add(3, "fail"),
              third = add(4, "use_existing"),
              rejected = add(0, nil, { update_name = "add" }),
              accepted = add(0, nil, { update_name = "add", input = 5, wait_for = "accepted", update_id = "mine" }),
              unknown = try("update_with_start", { update = { update_name = "add" },
                start = { task_queue = name, workflow_type = "Counter", start_signal = { name = "x" } } }),
            }))
            """,
            name,
        )
        description = await client.get_workflow_handle(name).describe()
        await client.get_workflow_handle(name).terminate()
    run = {"workflow_id": name, "run_id": description.run_id}
    assert value["first"] == [{"total": 1, "list": []}, run]  # an update precedes the first step of the workflow
    assert value["second"] == [{"total": 103, "list": []}, run]
    assert value["refused"]["error"] == f"client:update_with_start: workflow '{name}' has already started"
    assert value["refused"]["kind"] == "already_started"
    assert value["third"] == [{"total": 107, "list": []}, run]
    assert value["rejected"]["error"] == "nothing to add"
    assert value["rejected"]["kind"] == "application"
    assert value["accepted"][0]["update_id"] == "mine"
    assert "unknown option 'start.start_signal'" in value["unknown"]["error"]
    assert await description.memo() == {"by": "update"}


async def test_a_cancelled_task_stops_waiting_for_an_update(lua: Script, name: str) -> None:
    async with python_worker(lua, name):
        value = await asyncio.to_thread(
            lua.value,
            PREPARE
            + """
            client:start_workflow({ task_queue = name, workflow_type = "Counter", workflow_id = name })
            local function accepted()
              return client:update_workflow({ workflow_id = name, update_name = "slow", update_id = "slow",
                wait_for = "accepted" })
            end
            local out = {}
            local task = async.spawn(function()
              local ok, err = pcall(client.update_workflow, client, { workflow_id = name, update_name = "slow",
                update_id = "slow" })
              out.in_task = err.kind
              error(err)
            end)
            accepted()
            task.cancel()
            local ok, err = pcall(task.await)
            client:terminate_workflow(name)
            out.awaited = err.kind
            print(json.encode(out))
            """,
            name,
        )
    assert value == {"in_task": "cancelled", "awaited": "cancelled"}


async def test_a_client_completes_fails_and_cancels_activities(lua: Script, name: str) -> None:
    async with python_worker(lua, name):
        value = await asyncio.to_thread(
            lua.value,
            PREPARE
            + """
            local function open(id)
              client:start_workflow({ task_queue = name, workflow_type = "Call", workflow_id = id })
              repeat
                sleep(0.02)
                local pending = client:describe_workflow(id).pending_activities[1]
              until pending and pending.state == "STARTED"
              return { workflow_id = id, activity_id = "later", rpc_timeout = 30 }
            end
            local function with(target, options)
              for key, item in pairs(target) do options[key] = item end
              return options
            end
            local function result(id)
              return try("get_result", { workflow_id = id })
            end

            local done = open(name .. "-done")
            client:heartbeat_activity(with(done, { details = { at = 3 } }))
            client:complete_activity(with(done, { result = { 1, { a = 2 } } }))

            local failed = open(name .. "-failed")
            client:fail_activity(with(failed, { message = "TOO_LATE: came too late", details = { 1 } }))

            local ended = open(name .. "-cancelled")
            local early = try("report_activity_cancelled", with(ended, {}))
            client:cancel_workflow({ workflow_id = name .. "-cancelled", reason = "enough" })
            local beat
            repeat
              sleep(0.02)
              beat = try("heartbeat_activity", with(ended, {}))
            until beat.error
            client:report_activity_cancelled(with(ended, { details = "left" }))

            print(json.encode({
              done = result(name .. "-done"),
              failed = result(name .. "-failed"),
              cancelled = result(name .. "-cancelled"),
              early = early,
              beat = beat,
              late = try("complete_activity", with(done, { result = 1 })),
            }))
            """,
            name,
        )
    failed = value["failed"]
    assert value["done"] == [[1, {"a": 2}]]
    assert (failed["kind"], failed["type"], failed["details"]) == ("activity", "TOO_LATE", [1])
    assert value["early"]["kind"] == "rpc"
    assert value["beat"] == {"error": "client:heartbeat_activity: the activity was cancelled", "kind": "cancelled"}
    assert value["cancelled"]["kind"] == "cancelled"
    assert value["late"]["kind"] == "not_found"
    events = lua.cli("workflow", "show", "--workflow-id", f"{name}-cancelled")["events"]
    event = next(event for event in events if event["eventType"] == "EVENT_TYPE_ACTIVITY_TASK_CANCELED")
    assert event["activityTaskCanceledEventAttributes"]["details"]["payloads"][0]["data"] == "ImxlZnQi"
    request = next(event for event in events if "CANCEL_REQUESTED" in event["eventType"])
    assert request["workflowExecutionCancelRequestedEventAttributes"]["cause"] == "enough"
