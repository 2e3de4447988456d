"""Calls of the HTTP API's client that read from a real server; the results agree with the Temporal CLI."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import time
from typing import Any, NamedTuple

import pytest

from rest_client import NOT_FOUND, Rest
from temporal_script import Script
from timeouts import TIMEOUT


async def test_a_server_is_healthy(rest: Rest) -> None:
    assert await rest("return c:health()") is True


async def test_the_system_information_is_that_of_the_server(rest: Rest) -> None:
    assert await rest("return c:system_info()") == await rest.cli("operator", "cluster", "system")


# Namespaces -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["c.namespaces:list()", "c:namespaces()"])
async def test_namespaces_are_listed(rest: Rest, call: str) -> None:
    assert await rest(f"return {call}") == {"namespaces": await rest.cli("operator", "namespace", "list")}


@pytest.mark.parametrize("call", ["c.namespaces:get(...)", "c:namespace(...)"])
async def test_a_namespace_is_described(rest: Rest, call: str) -> None:
    described = await rest.cli("operator", "namespace", "describe", "default")
    assert await rest(f"return {call}", "default") == described


async def test_namespaces_are_listed_in_pages(rest: Rest, name: str) -> None:
    await rest.cli_text("operator", "namespace", "create", "--namespace", name)
    listed = await rest.cli("operator", "namespace", "list")
    pages = await rest(
        """
        local first = c.namespaces:list({ page_size = 1 })
        local others = c.namespaces:list({ next_page_token = first.next_page_token })
        return { first = first.namespaces, others = others.namespaces, last_token = others.next_page_token }
        """
    )
    assert pages == {"first": listed[:1], "others": listed[1:]}


async def test_a_call_may_name_another_namespace(rest: Rest, name: str) -> None:
    await rest.cli_text("operator", "namespace", "create", "--namespace", name)
    deadline = time.monotonic() + TIMEOUT
    while True:  # a new namespace is known everywhere only after a moment
        try:
            await rest.start("elsewhere", "--namespace", name)
            break
        except subprocess.CalledProcessError:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
    seen = await rest(
        """
        local there = { namespace = ... }
        return {
          is_running = c.workflows:is_running("elsewhere", there),
          workflow_id = c:workflow("elsewhere", nil, there).workflowExecutionInfo.execution.workflowId,
          event_count = #c.workflows:history("elsewhere", nil, there).events,
          is_in_default_namespace = pcall(c.workflows.get, c.workflows, "elsewhere"),
        }
        """,
        name,
    )
    assert seen == {
        "is_running": True,
        "workflow_id": "elsewhere",
        "event_count": 2,
        "is_in_default_namespace": False,
    }


# Lists of workflows ---------------------------------------------------------------------------------------------


async def start_three(rest: Rest, name: str) -> str:
    """Start three workflows; returns the query that finds them."""
    for index in range(3):
        await rest.start(f"{name}-{index}")
    query = f"WorkflowId STARTS_WITH '{name}'"
    await rest.until(lambda found: len(found) == 3, "return c.workflows:search(...).executions", query)
    return query


async def test_workflows_are_found_by_a_query(rest: Rest, name: str) -> None:
    query = await start_three(rest, name)
    found = {"executions": await rest.cli("workflow", "list", "--query", query)}
    for call in (
        "c.workflows:list({ query = ... })",
        "c:workflows({ query = ... })",
        "c.workflows:search(...)",
        "c:search(...)",
    ):
        assert await rest(f"return {call}", query) == found, call


async def test_workflows_are_listed_in_pages(rest: Rest, name: str) -> None:
    query = await start_three(rest, name)
    pages = await rest(
        """
        local query = ...
        local first = c.workflows:list({ query = query, page_size = 2 })
        local second = c:workflows({ query = query, page_size = 2, next_page_token = first.next_page_token })
        return { lengths = { #first.executions, #second.executions }, last_token = second.next_page_token }
        """,
        query,
    )
    assert pages == {"lengths": [2, 1]}


@pytest.mark.parametrize(("size", "count"), [("1", 1), ("2.0", 2)])
async def test_a_search_has_a_page_size(rest: Rest, name: str, size: str, count: int) -> None:
    query = await start_three(rest, name)
    assert await rest(f"return #c:search(..., {{ page_size = {size} }}).executions", query) == count
    assert await rest(f"return #c.workflows:search(..., {{ page_size = {size} }}).executions", query) == count


async def test_a_search_that_finds_nothing_is_an_empty_list(rest: Rest) -> None:
    assert await rest("""return c.workflows:search("WorkflowId = 'no such id'")""") == {"executions": []}


async def test_a_list_without_a_query_has_all_workflows(rest: Rest, name: str) -> None:
    await start_three(rest, name)
    assert await rest("return #c:workflows().executions") > 2


async def test_a_query_that_the_server_refuses_is_an_error(rest: Rest) -> None:
    error = await rest.error("c.workflows:search('Nonsense = 1')")
    assert (error["status"], error["code"]) == (400, 3)


# One workflow ---------------------------------------------------------------------------------------------------


class Runs(NamedTuple):
    """The ids of a run that was terminated and of a later one that is open."""

    first: str
    second: str


async def start_two_runs(rest: Rest, name: str) -> Runs:
    """Start a workflow twice; returns the run ids."""
    first = await rest.start(name)
    await rest.terminate(name, "--reason", "enough")
    return Runs(first, await rest.start(name))


async def test_a_workflow_is_described_by_its_latest_run(rest: Rest, name: str) -> None:
    runs = await start_two_runs(rest, name)
    described = await rest.describe(name)
    assert described["workflowExecutionInfo"]["execution"] == {"workflowId": name, "runId": runs.second}
    for call in ("c.workflows:get(...)", "c:workflow(...)"):
        assert await rest(f"return {call}", name) == described, call


async def test_a_run_is_described_by_its_id(rest: Rest, name: str) -> None:
    runs = await start_two_runs(rest, name)
    described = await rest.describe(name, "--run-id", runs.first)
    described.pop("closeEvent")  # the CLI adds it
    for call in ("c.workflows:get(arg[1], arg[2])", "c:workflow(arg[1], nil, { run_id = arg[2] })"):
        assert await rest(f"return {call}", name, runs.first) == described, call


async def test_a_history_is_that_of_the_latest_run(rest: Rest, name: str) -> None:
    await start_two_runs(rest, name)
    assert await rest("return c.workflows:history(...)", name) == await rest.history(name)


@pytest.mark.parametrize("call", ["(arg[1], arg[2])", "(arg[1], nil, { run_id = arg[2] })"])
async def test_a_history_of_a_run_is_found_by_its_id(rest: Rest, name: str, call: str) -> None:
    runs = await start_two_runs(rest, name)
    history = await rest(f"return c:workflow_history{call}", name, runs.first)
    assert len(history["events"]) == 3
    assert history == await rest.history(name, "--run-id", runs.first)


async def test_is_running_asks_for_the_latest_run_or_the_one_named(rest: Rest, name: str) -> None:
    runs = await start_two_runs(rest, name)
    seen = await rest(
        """
        local id, run = arg[1], { run_id = arg[2] }
        return { latest = c.workflows:is_running(id), alias = c:is_workflow_running(id),
          first = c.workflows:is_running(id, run) }
        """,
        name,
        runs.first,
    )
    assert seen == {"latest": True, "alias": True, "first": False}


async def test_a_history_is_read_in_pages(rest: Rest, name: str) -> None:
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
    events = (await rest.history(name))["events"]
    assert [event for page in value for event in page] == [dict(event) for event in _decoded(events)]


def _decoded(item: Any) -> Any:
    """Return a history of the CLI with its JSON payloads decoded."""
    if isinstance(item, list):
        return [_decoded(entry) for entry in item]
    if not isinstance(item, dict):
        return item
    if "payloads" in item:
        return [json.loads(base64.b64decode(payload["data"])) for payload in item["payloads"]]
    return {key: _decoded(entry) for key, entry in item.items()}


@pytest.fixture
def text() -> str:
    """JSON text that a decoder may easily change."""
    return (
        '{"big": 9007199254740993, "whole": 1.0, "none": [], "deep": {"payloads": [1], "metadata": {"encoding": "x"}}}'
    )


async def test_inputs_are_decoded_exactly(rest: Rest, name: str, text: str) -> None:
    await rest.start(name, "--input", text, "--input", "null")
    seen = await rest(
        """
        local started = c.workflows:history(arg[1]).events[1].workflowExecutionStartedEventAttributes
        local first = started.input[1]
        return { first = first, big = math.type(first.big), whole = math.type(first.whole),
          none = json.encode(first.none), count = #started.input, is_second_null = started.input[2] == json.null }
        """,
        name,
    )
    assert seen == {
        "first": json.loads(text),
        "big": "integer",
        "whole": "float",
        "none": "[]",
        "count": 2,
        "is_second_null": True,
    }


async def test_memos_are_decoded_exactly_whatever_their_names(rest: Rest, name: str, text: str) -> None:
    await rest.start(name, "--memo", f"payloads={text}", "--memo", "metadata=[1.5]")
    memo = await rest("return c.workflows:get(...).workflowExecutionInfo.memo.fields", name)
    assert memo["payloads"]["deep"] == json.loads(text)["deep"]
    assert memo["metadata"] == [1.5]


# Task queues and schedules --------------------------------------------------------------------------------------


def test_a_task_queue_has_the_pollers_of_each_type(lua: Script, rest: Rest, name: str) -> None:
    found = lua.value(
        """
        local worker = temporal.worker({ task_queue = arg[1], activities = { a = function() end },
          workflows = { W = function() end } })
        local c = require("assay.temporal").client(arg[2])
        local function poller(kind)
          local deadline = time() + 60
          while time() < deadline do
            local queue = c.task_queues:get(arg[1], { task_queue_type = kind })
            if #queue.pollers > 0 then return queue.pollers[1].identity end
            sleep(0.1)
          end
        end
        print(json.encode({
          workflow = poller("workflow"),
          activity = poller("activity"),
          by_full_name = poller("TASK_QUEUE_TYPE_ACTIVITY"),
          by_number = poller(2),
          alias = c:task_queue(arg[1]).pollers[1].identity,
        }))
        worker:shutdown()
        """,
        name,
        rest.url,
    )
    identities = {poller["identity"] for poller in lua.cli("task-queue", "describe", "--task-queue", name)["pollers"]}
    assert found.keys() == {"workflow", "activity", "by_full_name", "by_number", "alias"}
    assert set(found.values()) == identities


async def test_a_task_queue_that_is_not_used_has_no_pollers(rest: Rest) -> None:
    assert await rest('return c:task_queue("an idle queue").pollers') == []


SCHEDULED = ("--interval", "10h", "--type", "Nobody", "--task-queue", "nobody", "--input", '{"x": 1.0}')


async def test_schedules_are_listed_in_pages_too(rest: Rest, name: str) -> None:
    ids = {f"{name}-a", f"{name} ?b"}
    for schedule_id in ids:
        await rest.cli_text("schedule", "create", "--schedule-id", schedule_id, *SCHEDULED)

    async def look() -> tuple[dict[str, Any], bool]:
        """Return what is listed, and whether all lists agree."""
        witness = sorted(item["scheduleId"] for item in await rest.cli("schedule", "list"))
        seen = await rest(
            """
            local page = c.schedules:list({ maximum_page_size = 1 })
            local others = c.schedules:list({ next_page_token = page.next_page_token })
            return { all = c.schedules:list().schedules, alias = c:schedules().schedules,
              page_length = #page.schedules, other_length = #others.schedules }
            """
        )
        names = sorted(item["scheduleId"] for item in seen["all"])
        lengths = {"page_length": 1, "other_length": len(names) - 1}
        agree = ids <= set(names) and names == witness and seen == {"all": seen["all"], "alias": seen["all"], **lengths}
        return {**seen, "witness": witness}, agree

    deadline = time.monotonic() + TIMEOUT
    while not (seen := await look())[1]:  # lists lag behind, also with what other tests have made or deleted
        assert time.monotonic() < deadline, seen[0]
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("call", ["c.schedules:get(...)", "c:schedule(...)"])
@pytest.mark.parametrize("end", ["-a", " ?b"], ids=["plain id", "id with special characters"])
async def test_a_schedule_is_described(rest: Rest, name: str, call: str, end: str) -> None:
    schedule_id = name + end
    await rest.cli_text("schedule", "create", "--schedule-id", schedule_id, *SCHEDULED)
    described = await rest.cli("schedule", "describe", "--schedule-id", schedule_id)
    start = described["schedule"]["action"]["startWorkflow"]
    assert start["input"]["payloads"][0]["data"] == base64.b64encode(b'{"x": 1.0}').decode()
    start["input"] = [{"x": 1.0}]
    got = await rest(f"return {call}", schedule_id)
    assert got["schedule"] == described["schedule"]
    assert got["info"] == described["info"]


async def test_a_schedule_that_does_not_exist_is_an_error(rest: Rest) -> None:
    error = await rest.error("c.schedules:get('no such schedule')")
    assert {key: error[key] for key in NOT_FOUND} == NOT_FOUND
