"""Calls of the HTTP API's client that change or wait for workflows on a real server, from Lua and Python."""

from __future__ import annotations

import asyncio
import base64
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from assay import RestError
from assay.errors import BuiltinError
from assay.lua.values import Json
from assay.temporal.dev_server.server import DevServer
from assay.temporal.rest import Client, ClientOptions, HistoryOptions, ListOptions, RunOptions, TaskQueueOptions
from command import Command
from rest_client import Rest
from temporal_script import Script
from timeouts import TIMEOUT


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
    events = (await rest.history(name))["events"][2:]
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


async def test_a_workflow_is_terminated_with_a_reason(rest: Rest, name: str) -> None:
    await rest.start(name)
    await rest("c.workflows:terminate(..., 'enough')", name)
    last = (await rest.history(name))["events"][-1]
    assert last["workflowExecutionTerminatedEventAttributes"]["reason"] == "enough"


@pytest.mark.parametrize(
    ("call", "event"),
    [
        ("c:terminate_workflow(id)", "TERMINATED"),
        ("c:terminate_workflow(id, nil, { run_id = run })", "TERMINATED"),
        ("c.workflows:cancel(id)", "CANCEL_REQUESTED"),
        ("c:cancel_workflow(id, { run_id = run })", "CANCEL_REQUESTED"),
    ],
)
async def test_a_workflow_is_terminated_and_cancelled(rest: Rest, name: str, call: str, event: str) -> None:
    run = await rest.start(name)
    await rest(f"local id, run = arg[1], arg[2] {call}", name, run)
    last = (await rest.history(name))["events"][-1]
    assert last["eventType"] == f"EVENT_TYPE_WORKFLOW_EXECUTION_{event}"


async def test_a_call_with_a_run_id_leaves_later_runs_alone(rest: Rest, name: str) -> None:
    first = await rest.start(name)
    await rest.terminate(name)
    await rest.start(name)
    for call in ("signal(id, 'x', nil, run)", "terminate(id, nil, run)"):
        error = await rest.error(f"local id, run = arg[1], {{ run_id = arg[2] }} c.workflows:{call}", name, first)
        assert (error["status"], error["code"], error["kind"]) == (404, 5, "not_found")
        assert "workflow execution already completed" in error["message"]
    assert await rest("return c:is_workflow_running(...)", name)


# Waiting for the end ------------------------------------------------------------------------------------------


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
    await asyncio.wait_for(polling.wait(), TIMEOUT)
    await rest.cli("workflow", "describe", "--workflow-id", name)
    assert len(requests) == 2  # a long poll is under way
    await rest.terminate(name)
    ended = time.monotonic()
    assert await waiting == "WORKFLOW_EXECUTION_STATUS_TERMINATED"
    assert time.monotonic() - ended < 15  # the long poll alone would take 20 s
    assert len(requests) == 3
    assert await rest("return c.workflows:wait_complete(arg[1], 0).workflowExecutionInfo.status", name)


async def test_wait_complete_follows_the_chain_of_runs_unless_given_a_run_id(rest: Rest, name: str) -> None:
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
            return { ok = ok, kind = err.kind, message = tostring(err) }
          end)
        end
        async.spawn(function() while true do ticks = ticks + 1 sleep(0.01) end end)
        for i = 1, 5 do waiting[i] = waiting[i]:await()[1] end
        return { ends = waiting, ticks = ticks }
        """,
        name,
    )
    elapsed = time.monotonic() - started
    texts = [
        f"c.workflows:wait_complete: timed out after 1 s: workflow '{name}{end}' has not ended" for end in ("", "/")
    ]
    assert value["ends"] == [{"ok": False, "kind": "timeout", "message": texts[index > 2]} for index in range(5)]
    assert value["ticks"] > 2
    assert 1 <= elapsed < 15  # the long poll alone would take 20 s


# The client elsewhere -------------------------------------------------------------------------------------------


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
            return {
              required = problem(function() require("assay.temporal").client("http://127.0.0.1:1") end),
              library = problem(function() outside.client("http://127.0.0.1:1") end),
              client = problem(function() c:health() end),
              part_of_client = problem(function() workflows:list() end),
              in_activity = ctx:execute_activity("watch", name),
            }
          end } })
        local client = temporal.connect()
        client:start_workflow({ task_queue = name, workflow_type = "W", workflow_id = name })
        print(json.encode(client:get_result({ workflow_id = name })))
        worker:shutdown()
        """,
        name,
        rest.url,
    )
    assert (
        "assay.temporal.client: not allowed in a workflow: workflow code cannot do I/O; use an activity"
        in value["required"]
    )
    assert (
        "'assay.temporal' is a builtin, which cannot be used in a workflow: use it in an activity" in value["library"]
    )
    assert (
        "'c' is an assay.temporal.Client, which cannot be used in a workflow: use it in an activity" in value["client"]
    )
    assert "'workflows' is an assay.temporal.Workflows, which cannot be used in a workflow" in value["part_of_client"]
    assert value["in_activity"] is True


def test_the_client_does_not_import_the_sdk(assay: Command, temporal_dev_server: DevServer, tmp_path: Path) -> None:
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
        assert process.communicate(timeout=TIMEOUT) == ("fine\n", "")


class TestPython:
    async def test_a_client_reads_signals_and_waits(self, rest: Rest, name: str) -> None:
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
        assert await client.health()  # a closed client opens again
        await client.close()

    async def test_errors_of_the_server_and_of_arguments_are_raised(self, rest: Rest, name: str) -> None:
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
