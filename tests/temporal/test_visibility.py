"""The memo, search attributes and details of a workflow, and the information that it has about itself."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import Priority, RetryPolicy, SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from command import read_until, wait_for
from temporal_runs import run_until, until_history_has
from temporal_script import Script

ATTRIBUTES = {
    "AssayKeyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "AssayText": IndexedValueType.INDEXED_VALUE_TYPE_TEXT,
    "AssayInt": IndexedValueType.INDEXED_VALUE_TYPE_INT,
    "AssayDouble": IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE,
    "AssayBool": IndexedValueType.INDEXED_VALUE_TYPE_BOOL,
    "AssayTime": IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
    "AssayList": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
}


async def connect(lua: Script) -> Client:
    """Connect to the server, which knows the search attributes then."""
    client = await Client.connect(lua.address)
    request = AddSearchAttributesRequest(namespace="default", search_attributes=ATTRIBUTES)
    await client.operator_service.add_search_attributes(request)
    return client


def shown_attributes(description: dict[str, Any]) -> dict[str, tuple[str, Any]]:
    """The type and the value of each search attribute that the CLI shows."""
    fields = description["workflowExecutionInfo"]["searchAttributes"]["indexedFields"]
    return {
        name: (base64.b64decode(payload["metadata"]["type"]).decode(), json.loads(base64.b64decode(payload["data"])))
        for name, payload in fields.items()
        if name.startswith("Assay")
    }


SHOWS = """
temporal.worker({ task_queue = arg[1] or "replay", workflows = {
  Shows = function(ctx)
    ctx:upsert_search_attributes({
      AssayKeyword = "paid", AssayInt = 9007199254740993, AssayDouble = 2.0, AssayBool = false,
      AssayList = { "a", "b" }, AssayText = { type = "text", value = "several words" },
      AssayTime = { type = "datetime", value = 86400.5 },
    })
    ctx:upsert_memo({ exact = { 1, 1.0, 9007199254740993, json.null, {}, json.empty_array, "é" }, gone = "x" })
    ctx:sleep(0.01, { summary = "a nap" })
    local before = ctx:workflow_info().search_attributes
    ctx:upsert_search_attributes({
      AssayBool = json.null,
      AssayTime = { type = "datetime", value = "2026-01-01T00:00:00Z" },
    })
    ctx:upsert_memo({ gone = json.null })
    ctx:set_current_details("waiting for **go**")
    ctx:wait_signal("go")
    local info = ctx:workflow_info()
    return { before = before, after = info.search_attributes, memo = info.memo }
  end,
} })
print("polling")
"""


async def test_attributes_and_details_of_a_workflow(lua: Script, name: str) -> None:
    client = await connect(lua)
    script = lua.command.script(SHOWS)
    with lua.command.started(script, name) as worker:
        read_until(worker, "polling")
        handle = await client.start_workflow("Shows", id=name, task_queue=name)
        await until_history_has(handle, "WORKFLOW_PROPERTIES_MODIFIED", 2)
        metadata = lua.cli("workflow", "metadata", "--workflow-id", name)
        assert metadata["queryResult"][0]["currentDetails"] == "waiting for **go**"
        await handle.signal("go")
        result = await handle.result()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
    attributes = {
        "AssayKeyword": "paid",
        "AssayInt": 9007199254740993,
        "AssayDouble": 2.0,
        "AssayList": ["a", "b"],
        "AssayText": "several words",
    }
    assert result["before"] == {**attributes, "AssayBool": False, "AssayTime": 86400.5}
    assert result["after"] == {**attributes, "AssayTime": 1767225600.0}
    assert repr(result["memo"]) == repr({"exact": [1, 1.0, 9007199254740993, None, {}, [], "é"]})
    description = lua.cli("workflow", "describe", "--workflow-id", name)
    assert shown_attributes(description) == {
        "AssayKeyword": ("Keyword", "paid"),
        "AssayInt": ("Int", 9007199254740993),
        "AssayDouble": ("Double", 2.0),
        "AssayList": ("KeywordList", ["a", "b"]),
        "AssayText": ("Text", "several words"),
        "AssayTime": ("Datetime", "2026-01-01T00:00:00+00:00"),
    }
    assert list(description["workflowExecutionInfo"]["memo"]["fields"]) == ["exact"]
    history = lua.cli("workflow", "show", "--workflow-id", name)
    timer = next(event for event in history["events"] if "timerStartedEventAttributes" in event)
    assert base64.b64decode(timer["userMetadata"]["summary"]["data"]) == b'"a nap"'
    lua.replay(name)


async def test_an_attribute_that_the_server_does_not_know(lua: Script, name: str) -> None:
    client = await connect(lua)
    handle = await client.start_workflow("Shows", id=name, task_queue=name)
    unknown = lua.command.script(SHOWS.replace("AssayKeyword", "AssayTypo"), "worker.lua")
    output = lua.folder / "stderr"
    refusal = f"workflow 'Shows' ({name}): the server rejected the workflow task's commands"
    with output.open("w") as stderr, lua.command.started(unknown, name, stderr=stderr) as worker:
        await asyncio.to_thread(wait_for, lambda: refusal in output.read_text())  # after the event in the history
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
    await until_history_has(handle, "WORKFLOW_TASK_FAILED")
    await handle.signal("go")
    await run_until(lua, SHOWS, name, "", handle.result())


def test_bad_values(lua: Script, name: str) -> None:
    value = lua.value(
        """
        worker = temporal.worker({ task_queue = arg[1] or "replay", workflows = {
          Bad = function(ctx)
            local function why(method, ...) return tostring(select(2, pcall(ctx[method], ctx, ...))) end
            local out = {}
            for _, value in ipairs({ { a = 1 }, { 1, 2 }, 0 / 0, { type = "int", value = 1.5 },
              { type = "datetime", value = "tomorrow" }, { type = "date", value = 1 } }) do
              out[#out + 1] = why("upsert_search_attributes", { A = value })
            end
            out[#out + 1] = why("upsert_memo", { "a" })
            out[#out + 1] = why("upsert_memo", { f = print })
            out[#out + 1] = why("random", 0, -1)
            out[#out + 1] = why("random", -1)
            out[#out + 1] = why("random", 1.5)
            ctx:upsert_search_attributes({})
            ctx:upsert_memo({})
            return out
          end,
        } })
        local client = temporal.connect()
        client:start_workflow({ task_queue = arg[1], workflow_type = "Bad", workflow_id = arg[1] })
        print(json.encode(client:get_result({ workflow_id = arg[1] })))
        worker:shutdown()
        """,
        name,
    )
    expected = "string, number, boolean, array of strings or {type=, value=} expected"
    types = "keyword, text, int, double, bool, keyword_list, datetime"
    when = "seconds since 1970-01-01 UTC, or ISO 8601 text with a zone expected"
    assert value == [
        *(
            f"ctx:upsert_search_attributes: bad search attribute 'A' ({problem})"
            for problem in (
                f"{expected}, got table",
                "array of strings expected, got table",
                "finite number expected, got nan",
                "integer expected, got 1.5",
                f'{when}, got "tomorrow"',
                f"its type must be one of {types}",
            )
        ),
        "ctx:upsert_memo: bad argument 'memo' (a table of named values expected)",
        "ctx:upsert_memo: bad argument 'memo' (not JSON-serializable: a function at .f)",
        "ctx:random: bad argument 'n' (the interval from 0 to -1 is empty)",
        "ctx:random: bad argument 'm' (the interval from 1 to -1 is empty)",
        "ctx:random: bad argument 'm' (integer expected, got number)",
    ]
    lua.replay(name)


KNOWS = """
temporal.worker({ task_queue = arg[1] or "replay", workflows = {
  Knows = function(ctx, input)
    if input == "parent" then
      return { ctx:workflow_info(), ctx:execute_child_workflow("Knows") }
    end
    local info = ctx:workflow_info()
    if input == "again" and info.attempt == 1 then
      error({ type = "AGAIN", message = "not yet", details = { 9007199254740993, 1.0 } })
    end
    return info
  end,
  Cron = function(ctx)
    local info = ctx:workflow_info()
    local last = info.last_result
    if info.cron_schedule and not last then return { 9007199254740993, json.empty_array, 1.0 } end
    ctx:register_query("info", function() return info end)
    ctx:wait_signal("end")
  end,
} })
print("polling")
"""


async def test_workflow_info(lua: Script, name: str) -> None:
    client = await connect(lua)
    script = lua.command.script(KNOWS)
    with lua.command.started(script, name) as worker:
        read_until(worker, "polling")
        parent, child = await client.execute_workflow("Knows", "parent", id=name, task_queue=name)
        again = await client.execute_workflow(
            "Knows",
            "again",
            id=f"{name}-again",
            task_queue=name,
            memo={"who": ["me", 1.0, None]},
            search_attributes=TypedSearchAttributes(
                [SearchAttributePair(SearchAttributeKey.for_keyword("AssayKeyword"), "start")]
            ),
            execution_timeout=timedelta(seconds=300),
            run_timeout=timedelta(seconds=200),
            task_timeout=timedelta(seconds=20),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=3),
            priority=Priority(priority_key=2, fairness_key="k", fairness_weight=1.5),
        )
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
    assert parent["workflow_id"] == name
    assert parent["run_id"] == parent["first_execution_run_id"]
    assert parent["attempt"] == 1
    assert parent["history_length"] == 3
    assert parent["history_size"] > 0
    assert parent["continue_as_new_suggested"] is False
    assert parent["memo"] == parent["search_attributes"] == {}
    assert not {"parent", "root", "run_timeout", "retry_policy", "cron_schedule", "last_result"} & set(parent)
    top = {"workflow_id": name, "run_id": parent["run_id"]}
    assert child["root"] == top
    assert child["parent"] == {**top, "namespace": "default"}
    assert repr(again["memo"]) == repr({"who": ["me", 1.0, None]})
    assert again["search_attributes"] == {"AssayKeyword": "start"}
    assert (again["execution_timeout"], again["run_timeout"], again["task_timeout"]) == (300, 200, 20)
    assert again["retry_policy"]["initial_interval"] == 0.1
    assert again["retry_policy"]["maximum_attempts"] == 3
    assert again["priority"] == {"priority_key": 2, "fairness_key": "k", "fairness_weight": 1.5}
    assert again["attempt"] == 2
    assert again["first_execution_run_id"] == again["continued_run_id"] != again["run_id"]
    assert again["last_failure"]["kind"] == "application"
    assert again["last_failure"]["type"] == "AGAIN"
    assert again["last_failure"]["message"] == "not yet"
    assert repr(again["last_failure"]["details"]) == repr([9007199254740993, 1.0])
    lua.replay(name, child["workflow_id"], f"{name}-again")


@pytest.mark.timeout(200)
async def test_the_result_of_the_previous_run(lua: Script, name: str) -> None:
    client = await connect(lua)
    script = lua.command.script(KNOWS)
    with lua.command.started(script, name) as worker:
        read_until(worker, "polling")
        handle = await client.start_workflow("Cron", id=name, task_queue=name, cron_schedule="@every 1s")
        first = handle.first_execution_run_id
        while (await client.get_workflow_handle(name).describe()).run_id == first:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        # Before its first workflow task, which waits for a second, the server takes no query for long.
        await until_history_has(client.get_workflow_handle(name), "WORKFLOW_TASK_COMPLETED")
        info = await client.get_workflow_handle(name).query("info")
        await client.get_workflow_handle(name).terminate()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
    assert info["cron_schedule"] == "@every 1s"
    assert repr(info["last_result"]) == repr([9007199254740993, [], 1.0])
    assert info["continued_run_id"] == info["first_execution_run_id"] == first
