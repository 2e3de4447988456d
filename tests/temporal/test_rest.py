"""The client of the HTTP API on a real server, with the Temporal CLI as a witness."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from assay import LuaError, RestError, Runtime
from assay.errors import BuiltinError
from assay.lua.values import Json
from assay.temporal.dev_server.server import DevServer
from assay.temporal.rest import Client, ClientOptions, HistoryOptions, ListOptions, RunOptions, TaskQueueOptions
from command import Command
from temporal_script import Script

WAIT_TIMEOUT = 60.0


class Rest:
    """Lua code that finds a client in `c`, and the Temporal CLI."""

    def __init__(self, lua: Script, url: str) -> None:
        self.url = url
        self._lua = lua

    async def __call__(self, code: str, *arguments: Any) -> Any:
        """Run code in a runtime of its own; returns its first result."""
        async with Runtime() as lua:
            head = "local c = require('assay.temporal').client((...)) arg = { select(2, ...) }"
            return await lua.run(f"{head} return (function(...) {code}\nend)(table.unpack(arg))", self.url, *arguments)

    async def error(self, code: str, *arguments: Any) -> dict[str, Any]:
        """Run code that raises an error object; returns its fields."""
        with pytest.raises(LuaError) as caught:
            await self(code, *arguments)
        assert isinstance(caught.value.value, dict), caught.value
        return caught.value.value

    async def until(self, accept: Callable[[Any], object], code: str, *arguments: Any) -> Any:
        """Run code until its result is accepted: what was written appears in lists after a moment."""
        deadline = time.monotonic() + WAIT_TIMEOUT
        while not accept(result := await self(code, *arguments)):
            assert time.monotonic() < deadline, result
            await asyncio.sleep(0.1)
        return result

    async def cli(self, *arguments: str) -> Any:
        """Ask the Temporal CLI."""
        return await asyncio.to_thread(self._lua.cli, *arguments)

    async def start(self, workflow_id: str, *arguments: str) -> str:
        """Start a workflow that nobody runs; returns its run id."""
        target = ("--workflow-id", workflow_id, "--type", "Nobody", "--task-queue", "nobody")
        return str((await self.cli("workflow", "start", *target, *arguments))["runId"])

    async def terminate(self, workflow_id: str, *arguments: str) -> None:
        """Terminate a workflow."""
        lua, command = self._lua, ("workflow", "terminate", "--workflow-id", workflow_id, *arguments)
        await asyncio.to_thread(lua.cli_text, *command)


@pytest.fixture
def rest(lua: Script, temporal_dev_server: DevServer) -> Rest:
    """A client in Lua, of a real server."""
    return Rest(lua, temporal_dev_server.http_url)


async def test_health_and_system_information(rest: Rest) -> None:
    health, information = await rest("return {c:health(), c:system_info()}")
    assert health is True
    assert information == await rest.cli("operator", "cluster", "system")


async def test_namespaces(rest: Rest, name: str) -> None:
    await asyncio.to_thread(rest._lua.cli_text, "operator", "namespace", "create", "--namespace", name)
    listed = await rest.cli("operator", "namespace", "list")
    value = await rest(
        """
        local page = c.namespaces:list({ page_size = 1 })
        local rest = c.namespaces:list({ next_page_token = page.next_page_token })
        return { c.namespaces:list(), c:namespaces(), c.namespaces:get(arg[1]), c:namespace(arg[1]),
          #page.namespaces, page.namespaces[1].namespaceInfo.name, #rest.namespaces, rest.next_page_token == nil }
        """,
        name,
    )
    assert value[0] == value[1] == {"namespaces": listed}
    assert value[2] == value[3] == await rest.cli("operator", "namespace", "describe", name)
    assert value[4:] == [1, listed[0]["namespaceInfo"]["name"], len(listed) - 1, True]
    # A namespace for one call; a new one is known everywhere only after a moment.
    await asyncio.to_thread(rest._lua.cli_text, "operator", "namespace", "describe", name)
    deadline = time.monotonic() + WAIT_TIMEOUT
    while True:
        try:
            await rest.start("elsewhere", "--namespace", name)
            break
        except Exception:
            assert time.monotonic() < deadline
    value = await rest(
        """
        return { c.workflows:is_running("elsewhere", { namespace = arg[1] }),
          c:workflow("elsewhere", nil, { namespace = arg[1] }).workflowExecutionInfo.execution.workflowId,
          #c.workflows:history("elsewhere", nil, { namespace = arg[1] }).events,
          pcall(c.workflows.get, c.workflows, "elsewhere") }
        """,
        name,
    )
    assert value[:4] == [True, "elsewhere", 2, False]


async def test_lists_and_searches(rest: Rest, name: str) -> None:
    for index in range(3):
        await rest.start(f"{name}-{index}")
    query = f"WorkflowId STARTS_WITH '{name}'"
    await rest.until(lambda found: len(found) == 3, "return c.workflows:search(...).executions", query)
    witness = await rest.cli("workflow", "list", "--query", query)
    value = await rest(
        """
        local query = arg[1]
        local first = c.workflows:list({ query = query, page_size = 2 })
        local second = c:workflows({ query = query, page_size = 2, next_page_token = first.next_page_token })
        return {
          c.workflows:list({ query = query }), c:workflows({ query = query }),
          c.workflows:search(query), c:search(query),
          { #first.executions, #second.executions, second.next_page_token == nil },
          #c.workflows:search(query, { page_size = 1 }).executions, #c:search(query, { page_size = 2.0 }).executions,
          c.workflows:search("WorkflowId = 'nobody has this id'"), #c:workflows().executions > 2,
        }
        """,
        query,
    )
    assert value[0] == value[1] == value[2] == value[3] == {"executions": witness}
    assert value[4:] == [[2, 1, True], 1, 2, {"executions": []}, True]
    error = await rest.error("c.workflows:search('Nonsense = 1')")
    assert (error["status"], error["code"]) == (400, 3)


async def test_one_workflow_and_its_runs(rest: Rest, name: str) -> None:
    first = await rest.start(name)
    await rest.terminate(name, "--reason", "enough")
    second = await rest.start(name)
    value = await rest(
        """
        local id, run = arg[1], arg[2]
        return {
          c.workflows:get(id), c:workflow(id), c.workflows:get(id, run), c:workflow(id, nil, { run_id = run }),
          c.workflows:history(id), c:workflow_history(id, run), c:workflow_history(id, nil, { run_id = run }),
          { c.workflows:is_running(id), c:is_workflow_running(id), c.workflows:is_running(id, { run_id = run }) },
        }
        """,
        name,
        first,
    )
    witness = await rest.cli("workflow", "describe", "--workflow-id", name)
    assert value[0] == value[1] == witness
    assert witness["workflowExecutionInfo"]["execution"] == {"workflowId": name, "runId": second}
    witness = await rest.cli("workflow", "describe", "--workflow-id", name, "--run-id", first)
    witness.pop("closeEvent")  # the CLI's own
    assert value[2] == value[3] == witness
    assert value[4] == await rest.cli("workflow", "show", "--workflow-id", name)
    assert len(value[5]["events"]) == 3
    assert value[5] == value[6] == await rest.cli("workflow", "show", "--workflow-id", name, "--run-id", first)
    assert value[7] == [True, True, False]


async def test_pages_of_a_history(rest: Rest, name: str) -> None:
    await rest.start(name)
    value = await rest(
        """
        local id = arg[1]
        c.workflows:signal(id, "a")
        c.workflows:signal(id, "b")
        local pages, token = {}, nil
        repeat
          local page = c.workflows:history(id, nil, { maximum_page_size = 1, next_page_token = token })
          token = page.next_page_token
          pages[#pages + 1] = page.events
        until not token
        return pages
        """,
        name,
    )
    assert len(value) > 1
    events = (await rest.cli("workflow", "show", "--workflow-id", name))["events"]
    assert [event for page in value for event in page] == [dict(event) for event in _decoded(events)]


def _decoded(item: Any) -> Any:
    """A history as the CLI shows it, with its JSON payloads decoded."""
    if isinstance(item, list):
        return [_decoded(entry) for entry in item]
    if not isinstance(item, dict):
        return item
    if "payloads" in item:
        return [json.loads(base64.b64decode(payload["data"])) for payload in item["payloads"]]
    return {key: _decoded(entry) for key, entry in item.items()}


async def test_signals_arrive_exactly(rest: Rest, name: str) -> None:
    run = await rest.start(name)
    code = """
    local id, run = arg[1], arg[2]
    local value = { whole = 1.0, big = 9007199254740993, none = json.empty_array, hole = { 1, json.null }, text = "é/" }
    c.workflows:signal(id, "sub object", value)
    c:signal_workflow(id, "légacy?", value, { run_id = run })
    c.workflows:signal(id, "text", "plain", { run_id = run })
    c.workflows:signal(id, "false", false)
    c.workflows:signal(id, "nothing")
    """
    await rest(code, name, run)
    events = (await rest.cli("workflow", "show", "--workflow-id", name))["events"][2:]
    arrived = []
    for event in events:
        attributes = event["workflowExecutionSignaledEventAttributes"]
        payloads = attributes.get("input", {}).get("payloads", [])
        texts = [base64.b64decode(payload["data"]).decode() for payload in payloads]
        assert all(payload["metadata"] == {"encoding": "anNvbi9wbGFpbg=="} for payload in payloads)
        arrived.append((attributes["signalName"], *texts))
    text = '{"big":9007199254740993,"hole":[1,null],"none":[],"text":"é/","whole":1.0}'
    assert arrived == [
        ("sub object", text),
        ("légacy?", text),
        ("text", '"plain"'),
        ("false", "false"),
        ("nothing",),
    ]


async def test_payloads_are_decoded_exactly(rest: Rest, name: str) -> None:
    text = (
        '{"big": 9007199254740993, "whole": 1.0, "none": [], "deep": {"payloads": [1], "metadata": {"encoding": "x"}}}'
    )
    await rest.start(name, "--input", text, "--input", "null", "--memo", f"payloads={text}", "--memo", "metadata=[1.5]")
    value = await rest(
        """
        local started = c.workflows:history(arg[1]).events[1].workflowExecutionStartedEventAttributes
        local input = started.input[1]
        return { input, math.type(input.big), math.type(input.whole), json.encode(input.none), #started.input,
          started.input[2] == json.null, c.workflows:get(arg[1]).workflowExecutionInfo.memo.fields }
        """,
        name,
    )
    expected = json.loads(text)
    assert value[:6] == [expected, "integer", "float", "[]", 2, True]
    assert value[6]["payloads"]["deep"] == expected["deep"]
    assert value[6]["metadata"] == [1.5]


async def test_terminate_and_cancel(rest: Rest, name: str) -> None:
    ids = [f"{name}-{index}" for index in range(5)]
    runs = [await rest.start(workflow_id) for workflow_id in ids]
    await rest(
        """
        local ids, run = arg[1], arg[2]
        c.workflows:terminate(ids[1], "enough")
        c:terminate_workflow(ids[2], nil, { run_id = run })
        c:terminate_workflow(ids[3])
        c.workflows:cancel(ids[4])
        c:cancel_workflow(ids[5], { run_id = arg[3] })
        """,
        ids,
        runs[1],
        runs[4],
    )
    events = [(await rest.cli("workflow", "show", "--workflow-id", each))["events"][-1] for each in ids]
    kinds = [event["eventType"].removeprefix("EVENT_TYPE_WORKFLOW_EXECUTION_") for event in events]
    assert kinds == ["TERMINATED"] * 3 + ["CANCEL_REQUESTED"] * 2
    assert events[0]["workflowExecutionTerminatedEventAttributes"]["reason"] == "enough"


async def test_a_run_id_names_the_run(rest: Rest, name: str) -> None:
    first = await rest.start(name)
    await rest.terminate(name)
    await rest.start(name)
    for call in ("signal(id, 'x', nil, run)", "terminate(id, nil, run)"):
        error = await rest.error(f"local id, run = arg[1], {{ run_id = arg[2] }} c.workflows:{call}", name, first)
        assert (error["status"], error["code"], error["kind"]) == (404, 5, "not_found")
        assert "workflow execution already completed" in error["message"]
    assert await rest("return c:is_workflow_running(...)", name)


WORKER = """
local worker = temporal.worker({ task_queue = arg[1], activities = { a = function() end },
  workflows = { W = function() end } })
local c = require("assay.temporal").client(arg[2])
local function pollers(kind)
  local deadline = time() + 60
  while time() < deadline do
    local queue = c.task_queues:get(arg[1], { task_queue_type = kind })
    if #queue.pollers > 0 then return queue.pollers[1].identity end
    sleep(0.1)
  end
end
local found = {}
for i, kind in ipairs({ "workflow", "activity", "TASK_QUEUE_TYPE_ACTIVITY", 2 }) do
  found[i] = pollers(kind)
end
found[5] = c:task_queue(arg[1]).pollers[1].identity
found[6] = c:task_queue("an idle/queue" and "an idle queue").pollers
print(json.encode(found))
worker:shutdown()
"""


def test_task_queues(lua: Script, rest: Rest, name: str) -> None:
    *found, idle = lua.value(WORKER, name, rest.url)
    witness = lua.cli("task-queue", "describe", "--task-queue", name)["pollers"]
    assert set(found) == {poller["identity"] for poller in witness}
    assert len(found) == 5
    assert idle == []


async def test_schedules(rest: Rest, name: str) -> None:
    ids = [f"{name}-a", f"{name} ?b"]
    action = ("--interval", "10h", "--type", "Nobody", "--task-queue", "nobody")
    for schedule_id in ids:
        await asyncio.to_thread(
            rest._lua.cli_text, "schedule", "create", "--schedule-id", schedule_id, *action, "--input", '{"x": 1.0}'
        )

    async def lists() -> tuple[bool, list[Any]]:
        witness = {item["scheduleId"] for item in await rest.cli("schedule", "list")}
        listed, same, *lengths = await rest(
            """
            local page = c.schedules:list({ maximum_page_size = 1 })
            local rest = c.schedules:list({ next_page_token = page.next_page_token })
            return { c.schedules:list().schedules, c:schedules().schedules, #page.schedules, #rest.schedules }
            """
        )
        names = [item["scheduleId"] for item in listed]
        whole = set(ids) <= witness == set(names) and len(names) == len(witness)
        return whole and listed == same and lengths == [1, len(listed) - 1], [listed, same, lengths, witness]

    deadline = time.monotonic() + WAIT_TIMEOUT
    while not (seen := await lists())[0]:  # lists lag behind, also with what other tests have made or deleted
        assert time.monotonic() < deadline, seen
        await asyncio.sleep(0.1)
    value = await rest("return { c.schedules:get(arg[1]), c:schedule(arg[1]), c:schedule(arg[2]) }", *ids)
    for got, schedule_id in ((value[0], ids[0]), (value[1], ids[0]), (value[2], ids[1])):
        told = await rest.cli("schedule", "describe", "--schedule-id", schedule_id)
        start = told["schedule"]["action"]["startWorkflow"]
        assert start["input"]["payloads"][0]["data"] == base64.b64encode(b'{"x": 1.0}').decode()
        start["input"] = [{"x": 1.0}]
        assert (got["schedule"], got["info"]) == (told["schedule"], told["info"])
    error = await rest.error("c.schedules:get('no such schedule')")
    assert (error["status"], error["kind"]) == (404, "not_found")


async def test_errors_have_the_status_and_the_words_of_the_server(rest: Rest, name: str) -> None:
    await rest.start(name)
    await rest.terminate(name)
    for call, status, code, kind, text in (
        ("workflows:get('nobody')", 404, 5, "not_found", "workflow not found for ID: nobody (HTTP 404)"),
        ("workflows:is_running('nobody')", 404, 5, "not_found", "workflow not found for ID: nobody (HTTP 404)"),
        ("workflows:wait_complete('nobody', 5)", 404, 5, "not_found", "workflow not found for ID: nobody (HTTP 404)"),
        ("workflows:history('nobody')", 404, 5, "not_found", "workflow not found for ID: nobody (HTTP 404)"),
        ("workflows:get(arg[1], 'no-uuid')", 400, 3, "rpc", "Invalid RunId. (HTTP 400)"),
        ("workflows:signal(arg[1], 's')", 404, 5, "not_found", "workflow execution already completed (HTTP 404)"),
        ("namespaces:get('nowhere')", 404, 5, "not_found", "Namespace nowhere is not found. (HTTP 404)"),
        ("workflows:list({namespace = 'nowhere'})", 404, 5, "not_found", "Namespace nowhere is not found. (HTTP 404)"),
        ("task_queues:get('q', {task_queue_type = 'x'})", 400, 3, "rpc", None),
    ):
        error = await rest.error(f"c.{call}", name)
        assert (error["status"], error["code"], error["kind"]) == (status, code, kind), error
        title = f"c.{call.partition('(')[0]}: "
        assert error["message"] == title + text if text else error["message"].startswith(title)
    text = await rest("return select(2, pcall(c.workflow, c, 'nobody')) .. ''")
    assert text == "c:workflow: workflow not found for ID: nobody (HTTP 404)"


IDS = (
    ":",
    "a:b",
    "+",
    "%",
    "%2F",
    "?x=1",
    "#",
    " x ",
    "a b",
    "é–中",
    "'",
    '"',
    "\\",
    ".",
    "..",
    "...",
    "a;b",
    "~",
    "*{}[]",
)


async def test_ids_of_every_kind(rest: Rest, name: str) -> None:
    ids = [each if set(each) == {"."} else f"{name}{each}" for each in IDS]
    for workflow_id in ids:
        await rest.start(workflow_id, "--id-conflict-policy", "UseExisting")
    code = """
    local found = {}
    for i, id in ipairs(arg[1]) do
      c.workflows:signal(id, "s" .. id)
      local events = c.workflows:history(id).events
      c.workflows:terminate(id)
      found[i] = { c.workflows:get(id).workflowExecutionInfo.execution.workflowId, c.workflows:is_running(id),
        events[1].workflowExecutionStartedEventAttributes.workflowId,
        events[#events].workflowExecutionSignaledEventAttributes.signalName,
        c.workflows:wait_complete(id, 30).workflowExecutionInfo.status }
    end
    return found
    """
    found = await rest(code, ids)
    status = "WORKFLOW_EXECUTION_STATUS_TERMINATED"
    assert found == [[each, False, each, f"s{each}", status] for each in ids]


async def test_an_id_with_a_slash_is_never_another_workflow(rest: Rest, name: str) -> None:
    await rest.start(name)
    slash = f"{name}/history"
    first = await rest.start(slash)
    await rest.terminate(slash)
    second = await rest.start(slash)
    quoted = f"{name}/it's"
    await rest.start(quoted)
    running, terminated = "WORKFLOW_EXECUTION_STATUS_RUNNING", "WORKFLOW_EXECUTION_STATUS_TERMINATED"
    await rest.until(
        lambda found: (
            [(run["execution"]["runId"], run["status"]) for run in found] == [(second, running), (first, terminated)]
        ),
        "return c:search(...).executions",
        f"WorkflowId = '{slash}'",
    )
    code = "return pcall(c.workflows.get, c.workflows, ...)"
    await rest.until(bool, code, quoted)
    value = await rest(
        """
        local slash, run, quoted = arg[1], arg[2], arg[3]
        local function of(workflow)
          local info = workflow.workflowExecutionInfo
          return { info.execution.workflowId, info.execution.runId, info.status }
        end
        return { of(c.workflows:get(slash)), of(c:workflow(slash, run)), c.workflows:is_running(slash),
          c.workflows:is_running(slash, { run_id = run }), of(c.workflows:wait_complete(slash, 5, { run_id = run })),
          c.workflows:is_running(quoted) }
        """,
        slash,
        first,
        quoted,
    )
    assert value[:2] == [[slash, second, running], [slash, first, terminated]]
    assert value[2:] == [True, False, [slash, first, terminated], True]
    for call in ("history(id)", "signal(id, 'x')", "terminate(id)", "cancel(id)"):
        ok, text = await rest(f"local id = arg[1] return {{pcall(function() c.workflows:{call} end)}}", slash)
        assert not ok
        assert f"bad argument 'workflow_id' (the HTTP API cannot address '{slash}'" in text
    error = await rest.error("c.workflows:get(...)", f"{name}/nobody")
    assert (error["status"], error["code"], error["kind"]) == (404, 5, "not_found")
    events = (await rest.cli("workflow", "show", "--workflow-id", name))["events"]
    assert len(events) == 2, "the other workflow is untouched"


async def test_names_that_no_path_can_have(rest: Rest) -> None:
    for call, problem in {
        "workflows:get('')": "bad argument 'workflow_id' (expected a non-empty string)",
        "workflows:get('a/b\\\\')": "bad argument 'workflow_id' (the HTTP API cannot find 'a/b\\', which has a slash",
        "workflows:get('a/b', '\"')": "bad argument 'run_id' (the HTTP API cannot find '\"'",
        "workflows:get('\\xff')": "bad argument 'workflow_id' (expected a UTF-8 string, got invalid UTF-8)",
        "workflows:get()": "bad argument 'workflow_id' (string expected, got nil)",
        "workflows:get('x', {})": "bad argument 'run_id' (string expected, got table)",
        "workflows:signal('x', 'a/b')": "bad argument 'signal_name' (the HTTP API cannot address 'a/b'",
        "workflows:signal('x', '')": "bad argument 'signal_name' (expected a non-empty string)",
        "workflows:signal('x', 's', 0/0)": "bad argument 'input' (not JSON-serializable:",
        "workflows:signal('x', 's', {a = print})": "bad argument 'input' (not JSON-serializable:",
        "workflows:list({page_size = 1.5})": "bad option 'page_size' (integer expected, got 1.5)",
        "workflows:list({page_siz = 1})": "unknown option 'page_siz' (did you mean 'page_size'?)",
        "workflows:list({namespace = 'a/b'})": "bad option 'namespace' (the HTTP API cannot address 'a/b'",
        "workflows:list({namespace = ''})": "bad option 'namespace' (expected a non-empty string)",
        "workflows:wait_complete('x')": "bad argument 'timeout_secs' (number expected, got nil)",
        "workflows:wait_complete('x', -1)": "bad argument 'timeout_secs' (non-negative number expected, got -1)",
        "workflows:wait_complete('x', 0/0)": "bad argument 'timeout_secs' (non-negative number expected, got ",
        "namespaces:get('a/b')": "bad argument 'name' (the HTTP API cannot address 'a/b'",
        "schedules:get('a/b')": "bad argument 'schedule_id' (the HTTP API cannot address 'a/b'",
        "task_queues:get('a/b')": "bad argument 'name' (the HTTP API cannot address 'a/b'",
    }.items():
        ok, text = await rest(f"return {{pcall(function() return c.{call} end)}}")
        assert not ok
        assert f"c.{call.partition('(')[0]}: {problem}" in text
    for call in ("c.workflows()", "c.workflows({})", "c.namespaces(c.workflows)"):
        ok, text = await rest(f"return {{pcall(function() return {call} end)}}")
        assert not ok
        assert "must be called with a colon, as a method of assay.temporal.Client" in text


async def test_wait_complete_notices_the_end(rest: Rest, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.temporal.rest.transport import Transport

    requests, polling = [], asyncio.Event()
    send = Transport._request

    async def count(self: Transport, method: str, path: str, *rest: Any) -> Any:
        requests.append(path)
        if len(requests) == 2:
            polling.set()
        return await send(self, method, path, *rest)

    monkeypatch.setattr(Transport, "_request", count)
    await rest.start(name)
    code = "return c:wait_workflow_complete(arg[1], 120).workflowExecutionInfo.status"
    waiting = asyncio.ensure_future(rest(code, name))
    await asyncio.wait_for(polling.wait(), WAIT_TIMEOUT)
    await rest.cli("workflow", "describe", "--workflow-id", name)
    assert len(requests) == 2, "a long poll is under way"
    await rest.terminate(name)
    ended = time.monotonic()
    assert await waiting == "WORKFLOW_EXECUTION_STATUS_TERMINATED"
    assert time.monotonic() - ended < 15  # the long poll alone would go on for 20 s
    assert len(requests) == 3
    assert await rest("return c.workflows:wait_complete(arg[1], 0).workflowExecutionInfo.status", name)


async def test_wait_complete_follows_the_workflow_and_not_another_run_than_the_one_named(rest: Rest, name: str) -> None:
    first = await rest.start(name)
    code = """
    local named = async.spawn(function() return c.workflows:wait_complete(arg[1], 60, { run_id = arg[2] }) end)
    local any = async.spawn(function() return c.workflows:wait_complete(arg[1], 60) end)
    local function run(task) return task:await()[1].workflowExecutionInfo.execution.runId end
    local first = run(named)
    c.workflows:terminate(arg[1])
    return { first, run(any) }
    """
    waiting = asyncio.ensure_future(rest(code, name, first))
    second = await rest.start(name, "--id-conflict-policy", "TerminateExisting")
    assert await waiting == [first, second]


async def test_wait_complete_ends_in_time_and_suspends_only_its_coroutine(rest: Rest, name: str) -> None:
    await rest.start(name)
    await rest.start(f"{name}/")
    await rest.until(bool, "return pcall(c.workflow, c, ...)", f"{name}/")
    started = time.monotonic()
    value = await rest(
        """
        local ticks = 0
        local waiting = {}
        for i = 1, 5 do
          waiting[i] = async.spawn(function()
            local ok, err = pcall(c.workflows.wait_complete, c.workflows, arg[1] .. (i > 3 and "/" or ""), 1)
            return { ok, err.kind, tostring(err) }
          end)
        end
        async.spawn(function() while true do ticks = ticks + 1 sleep(0.01) end end)
        for i = 1, 5 do waiting[i] = waiting[i]:await()[1] end
        return { waiting, ticks }
        """,
        name,
    )
    elapsed = time.monotonic() - started
    texts = [
        f"c.workflows:wait_complete: timed out after 1 s: workflow '{name}{end}' has not ended" for end in ("", "/")
    ]
    assert value[0] == [[False, "timeout", texts[index > 2]] for index in range(5)]
    assert value[1] > 2
    assert 1 <= elapsed < 15  # the long poll alone would go on for 20 s


async def test_the_grpc_port_is_named(lua: Script, name: str) -> None:
    rest = Rest(lua, f"http://{lua.address}")
    assert await rest("return c:health()") is False
    error = await rest.error("c:system_info()")
    assert error["kind"] == "protocol"
    assert "; if this is the server's gRPC port" in error["message"]  # it may also close the connection at once


def test_the_example_of_the_reference(lua: Script, rest: Rest, name: str) -> None:
    lua.cli("workflow", "start", "--workflow-id", name, "--type", "Nobody", "--task-queue", "nobody")
    script = """
    local temporal = require("assay.temporal")
    local c = temporal.client(arg[1], {namespace = "default"})
    local id = arg[2]

    local running = c.workflows:is_running(id)
    if running then
      c.workflows:signal(id, "approve", {approved = true})
    end

    local running = c:is_workflow_running(id)
    if running then
      c:signal_workflow(id, "approve", {approved = true})
    end
    async.spawn(function() c.workflows:wait_complete(id, 600) end)
    if arg[3] then os.exit(3) end
    error("ended in the middle")
    """
    result = lua.run(script, rest.url, name)
    assert (result.returncode, result.stdout) == (1, "")
    assert "Unclosed" not in result.stderr
    assert result.stderr.splitlines()[0].endswith("script.lua:17: ended in the middle")
    result = lua.run(script, rest.url, name, "exit")
    assert (result.returncode, result.stdout, result.stderr) == (3, "", "")
    assert lua.events(name)[2:] == ["WORKFLOW_EXECUTION_SIGNALED"] * 4


def test_workflow_code_is_refused_and_pointed_to_an_activity(lua: Script, rest: Rest, name: str) -> None:
    value = lua.value(
        """
        local name, url = arg[1], arg[2]
        local outside = require("assay.temporal")
        local c = outside.client(url)
        local workflows = c.workflows
        local function problem(fn)
          local ok, err = pcall(fn)
          return tostring(err)
        end
        local worker = temporal.worker({ task_queue = name,
          activities = { watch = function(id) return c.workflows:is_running(id) end },
          workflows = { W = function(ctx)
            return { problem(function() require("assay.temporal").client("http://127.0.0.1:1") end),
              problem(function() outside.client("http://127.0.0.1:1") end),
              problem(function() c:health() end), problem(function() workflows:list() end),
              ctx:execute_activity("watch", name) }
          end } })
        local client = temporal.connect()
        client:start_workflow({ task_queue = name, workflow_type = "W", workflow_id = name })
        print(json.encode(client:get_result({ workflow_id = name })))
        worker:shutdown()
        """,
        name,
        rest.url,
    )
    assert "assay.temporal.client: not allowed in a workflow: workflow code cannot do I/O; use an activity" in value[0]
    assert "'assay.temporal' is a builtin, which cannot be used in a workflow: use it in an activity" in value[1]
    assert "'c' is an assay.temporal.Client, which cannot be used in a workflow: use it in an activity" in value[2]
    assert "'workflows' is an assay.temporal.Workflows, which cannot be used in a workflow" in value[3]
    assert value[4] is True


def test_the_sdk_is_not_imported(assay: Command, temporal_dev_server: DevServer, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        """
import asyncio, sys
from assay import Runtime

async def main():
    async with Runtime() as lua:
        await lua.run("local rest = require('assay.temporal')")
        assert "aiohttp" not in sys.modules
        await lua.run("assert(require('assay.temporal').client(...):health())", sys.argv[1])

asyncio.run(main())
assert "temporalio" not in sys.modules
print("fine")
""",
        encoding="utf-8",
    )
    with assay.started(temporal_dev_server.http_url, program=("-W", "error", str(program))) as process:
        assert process.communicate(timeout=WAIT_TIMEOUT) == ("fine\n", "")


class TestPython:
    async def test_the_client(self, rest: Rest, name: str) -> None:
        run = await rest.start(name)
        async with Client(rest.url, ClientOptions(namespace="default", timeout=20)) as client:
            assert await client.health()
            assert (await client.system_info())["serverVersion"]
            await client.workflows.signal(name, "go", Json.of({"x": 1.0}), RunOptions(run_id=run))
            history = await client.workflows.history(name, options=HistoryOptions(maximum_page_size=100))
            assert history.events[-1]["workflowExecutionSignaledEventAttributes"]["input"] == [{"x": 1.0}]
            assert history.next_page_token is None
            assert (await client.task_queues.get(name, TaskQueueOptions(task_queue_type="activity")))["pollers"] == []
            assert asdict(await client.workflows.list(ListOptions(query="WorkflowId = 'nobody'"))) == {
                "executions": [],
                "next_page_token": None,
            }
            await client.workflows.terminate(name, "done")
            ended = await client.workflows.wait_complete(name, 30)
            assert ended["workflowExecutionInfo"]["status"] == "WORKFLOW_EXECUTION_STATUS_TERMINATED"
        assert await client.health(), "a closed client opens again"
        await client.close()

    async def test_its_errors(self, rest: Rest, name: str) -> None:
        async with Client(rest.url) as client:
            with pytest.raises(RestError, match=r"^workflow not found for ID: nobody \(HTTP 404\)$") as caught:
                await client.workflows.get("nobody")
            error = caught.value
            assert (error.status, error.code, error.kind, error.message) == (404, 5, "not_found", str(error))
            with pytest.raises(BuiltinError, match="bad argument 'workflow_id'"):
                await client.workflows.cancel("a/b")
            await rest.start(name)
            with pytest.raises(RestError, match="timed out after 0 s"):
                await client.workflows.wait_complete(name, 0)
