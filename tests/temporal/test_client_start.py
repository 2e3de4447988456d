"""Starting workflows with every option, on a real server; the Temporal CLI shows the result on the server."""

from __future__ import annotations

import base64
import json
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from temporal_script import Script
from timeouts import TIMEOUT

ATTRIBUTES = {
    "ClientText": "Text",
    "ClientWord": "Keyword",
    "ClientCount": "Int",
    "ClientRatio": "Double",
    "ClientFlag": "Bool",
    "ClientTime": "Datetime",
    "ClientWords": "KeywordList",
}

TRY = """
local client = temporal.connect()
local out = {}
local function try(fn, ...)
  local ok, err = pcall(fn, client, ...)
  out[#out + 1] = { ok and "ok" or tostring(err), type(err) == "table" and err.kind or json.null }
end
"""


@pytest.fixture(scope="module")
def attributes(temporal_server: str) -> None:
    """Register search attributes of every type."""
    temporal = str(Path(sysconfig.get_path("scripts")) / "temporal")
    names = [part for name, kind in ATTRIBUTES.items() for part in ("--name", name, "--type", kind)]
    command = [temporal, "operator", "search-attribute", "create", *names, "--address", temporal_server]
    subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT)


def decoded(payload: dict[str, Any]) -> Any:
    """The value of a payload as the CLI shows it in its JSON."""
    return json.loads(base64.b64decode(payload["data"]))


def test_every_start_option_reaches_the_server(lua: Script, name: str, attributes: None) -> None:
    run = lua.value(
        """
        local client = temporal.connect()
        print(json.encode(client:start_workflow({
          task_queue = arg[1], workflow_type = "Nobody", workflow_id = arg[1], args = { 1, json.null, { a = {} } },
          execution_timeout = 3000, run_timeout = 2000, task_timeout = 7.5, start_delay = 900,
          id_reuse_policy = "reject_duplicate", id_conflict_policy = "fail",
          retry_policy = { initial_interval = 2, backoff_coefficient = 3, maximum_interval = 60, maximum_attempts = 4,
            non_retryable_errors = { "NO_GOOD" } },
          memo = { note = "hello", list = { 1, 2.5 } },
          search_attributes = { ClientText = "some words", ClientWord = "one", ClientCount = 7, ClientRatio = 1,
            ClientFlag = true, ClientTime = 1767225600.5, ClientWords = { "a", "b" } },
          static_summary = "A **summary**", static_details = "More of it",
          priority = { priority_key = 2, fairness_key = "team", fairness_weight = 1.5 }, rpc_timeout = 30,
        })))
        """,
        name,
    )
    described = lua.cli("workflow", "describe", "--workflow-id", name)
    info, config = described["workflowExecutionInfo"], described["executionConfig"]
    assert run == {"workflow_id": name, "run_id": info["execution"]["runId"]}
    assert config["workflowExecutionTimeout"] == "3000s"
    assert config["workflowRunTimeout"] == "2000s"
    assert config["defaultWorkflowTaskTimeout"] in ("7.500s", "7.5s")
    metadata = config["userMetadata"]
    assert (metadata["summary"], metadata["details"]) == ("A **summary**", "More of it")
    assert info["priority"] == {"priorityKey": 2, "fairnessKey": "team", "fairnessWeight": 1.5}
    event = lua.cli("workflow", "show", "--workflow-id", name)["events"][0]["workflowExecutionStartedEventAttributes"]
    memo = {key: decoded(payload) for key, payload in event["memo"]["fields"].items()}
    assert memo == {"note": "hello", "list": [1, 2.5]}
    fields = event["searchAttributes"]["indexedFields"]
    kinds = {key: base64.b64decode(payload["metadata"]["type"]).decode() for key, payload in fields.items()}
    assert kinds == ATTRIBUTES
    values = {key: decoded(payload) for key, payload in fields.items()}
    assert values.pop("ClientTime").startswith("2026-01-01T00:00:00.5")
    assert values == {
        "ClientText": "some words",
        "ClientWord": "one",
        "ClientCount": 7,
        "ClientRatio": 1.0,
        "ClientFlag": True,
        "ClientWords": ["a", "b"],
    }
    assert event["firstWorkflowTaskBackoff"] == "900s"
    policy = event["retryPolicy"]
    assert policy == {
        "initialInterval": "2s",
        "backoffCoefficient": 3,
        "maximumInterval": "60s",
        "maximumAttempts": 4,
        "nonRetryableErrorTypes": ["NO_GOOD"],
    }
    payloads = event["input"]["payloads"]
    assert [base64.b64decode(payload["metadata"]["encoding"]) for payload in payloads] == [
        b"json/plain",
        b"binary/null",
        b"json/plain",
    ]
    assert decoded(payloads[0]) == 1
    assert decoded(payloads[2]) == {"a": {}}


def test_a_description_has_what_was_given(lua: Script, name: str, attributes: None) -> None:
    given = {"note": "hello", "list": [1, 2.5, []]}
    found = lua.value(
        """
        local client = temporal.connect()
        client:start_workflow({ task_queue = arg[1], workflow_type = "Nobody", workflow_id = arg[1], start_delay = 900,
          memo = { note = "hello", list = { 1, 2.5, json.empty_array } },
          search_attributes = { ClientTime = "2026-01-01T01:00:00+01:00", ClientWords = { "a" }, ClientRatio = 2,
            ClientFlag = false, ClientCount = 5 },
          static_summary = "Short", static_details = "Long" })
        print(json.encode(client:describe_workflow({ workflow_id = arg[1], rpc_timeout = 30 })))
        """,
        name,
    )
    assert found["memo"] == given
    assert found["search_attributes"] == {
        "ClientTime": 1767225600.0,
        "ClientWords": ["a"],
        "ClientRatio": 2.0,
        "ClientFlag": False,
        "ClientCount": 5,
    }
    assert repr(found["search_attributes"]["ClientRatio"]) == "2.0"
    assert (found["static_summary"], found["static_details"]) == ("Short", "Long")
    assert abs(found["execution_time"] - found["start_time"] - 900) < 1
    assert (found["status"], found["task_queue"], found["pending_activities"]) == ("RUNNING", name, [])


TIME = "seconds since 1970-01-01 UTC, or ISO 8601 text with a zone"
WRONG_ATTRIBUTES = [
    ("ClientCoun = 1", "unknown search attribute 'ClientCoun' (did you mean 'ClientCount'?)"),
    ('ClientCount = "x"', "bad search attribute 'ClientCount' (integer expected, got string)"),
    ("ClientCount = 1.5", "bad search attribute 'ClientCount' (integer expected, got 1.5)"),
    ("ClientWord = 7", "bad search attribute 'ClientWord' (string expected, got 7)"),
    ("ClientFlag = 1", "bad search attribute 'ClientFlag' (boolean expected, got 1)"),
    ('ClientTime = "soon"', f"bad search attribute 'ClientTime' ({TIME} expected, got \"soon\")"),
    ("ClientTime = {}", f"bad search attribute 'ClientTime' ({TIME} expected, got table)"),
    ('ClientWords = "a"', "bad search attribute 'ClientWords' (array of strings expected, got string)"),
    ('ClientWords = { "a", 1 }', "bad search attribute 'ClientWords' (array of strings expected, got table)"),
    ("ClientRatio = true", "bad search attribute 'ClientRatio' (finite number expected, got boolean)"),
]


def test_search_attributes_are_checked(lua: Script, name: str, attributes: None) -> None:
    calls = "\n".join(f"start({{ {given} }})" for given, _ in WRONG_ATTRIBUTES)
    value = lua.value(
        f"""
        {TRY}
        local function start(given)
          try(client.start_workflow, {{ task_queue = arg[1], workflow_type = "W", search_attributes = given }})
        end
        {calls}
        print(json.encode(out))
        """,
        name,
    )
    for (given, expected), (text, _) in zip(WRONG_ATTRIBUTES, value, strict=True):
        assert f"client:start_workflow: {expected}" in text, given


def test_an_attribute_that_is_registered_later_is_found(lua: Script, name: str) -> None:
    late = f"Late{name[-8:]}"
    script = lua.command.script(
        """
        local client = temporal.connect()
        local function start()
          return client:start_workflow({ task_queue = arg[1], workflow_type = "W",
            search_attributes = { [arg[2]] = 1 } })
        end
        print(pcall(start))
        print("ready")
        while not pcall(start) do sleep(0.1) end
        """
    )
    with lua.command.started(script, name, late) as process:
        assert process.stdout is not None
        assert "unknown search attribute" in process.stdout.readline()
        assert process.stdout.readline() == "ready\n"
        lua.cli_text("operator", "search-attribute", "create", "--name", late, "--type", "Int")
        assert process.wait(120) == 0


def test_policies_for_an_id_that_is_taken(lua: Script, name: str) -> None:
    value = lua.value(
        """
        local client = temporal.connect()
        local function start(reuse, conflict)
          local ok, run = pcall(client.start_workflow, client, { task_queue = arg[1], workflow_type = "Nobody",
            workflow_id = arg[1], id_reuse_policy = reuse, id_conflict_policy = conflict })
          return ok and run.run_id or run.kind, run.run_id
        end
        local out = {}
        out.first = start()
        out.fails = start(nil, "fail")
        out.existing = start(nil, "use_existing")
        out.second = start(nil, "terminate_existing")
        out.status = client:describe_workflow({ workflow_id = arg[1], run_id = out.first }).status
        client:terminate_workflow(arg[1])
        out.rejected = start("reject_duplicate")
        out.third = start("allow_duplicate_failed_only")
        client:terminate_workflow(arg[1])
        out.fourth = start("allow_duplicate")
        print(json.encode(out))
        """,
        name,
    )
    assert (value["fails"], value["rejected"]) == ("already_started", "already_started")
    assert (value["existing"], value["status"]) == (value["first"], "TERMINATED")
    assert len({value[run] for run in ("first", "second", "third", "fourth")}) == 4
    listed = lua.cli("workflow", "describe", "--workflow-id", name)["workflowExecutionInfo"]
    assert listed["execution"]["runId"] == value["fourth"]


def test_signal_with_start_and_cron(lua: Script, name: str) -> None:
    value = lua.value(
        """
        local client = temporal.connect()
        local function start(word)
          return client:start_workflow({ task_queue = arg[1], workflow_type = "Nobody", workflow_id = arg[1],
            input = "in", start_signal = { name = "go", input = { word = word } } }).run_id
        end
        local cron = client:start_workflow({ task_queue = arg[1], workflow_type = "Nobody",
          cron_schedule = "0 12 * * *" })
        print(json.encode({ runs = { start("one"), start("two") }, cron = cron.workflow_id }))
        """,
        name,
    )
    assert len(set(value["runs"])) == 1
    events = lua.cli("workflow", "show", "--workflow-id", name)["events"]
    signals = [
        event["workflowExecutionSignaledEventAttributes"] for event in events if "SIGNALED" in event["eventType"]
    ]
    assert [signal["signalName"] for signal in signals] == ["go", "go"]
    assert [decoded(signal["input"]["payloads"][0]) for signal in signals] == [{"word": "one"}, {"word": "two"}]
    cron = lua.cli("workflow", "show", "--workflow-id", value["cron"])["events"][0]
    assert cron["workflowExecutionStartedEventAttributes"]["cronSchedule"] == "0 12 * * *"


WRONG = [
    ('task_queue = ""', "bad option 'task_queue' (expected a non-empty string)"),
    ("task_queue = 7", "bad option 'task_queue' (string expected, got number)"),
    ('workflow_type = ""', "bad option 'workflow_type' (expected a non-empty string)"),
    ("workflow_type = 7", "bad option 'workflow_type' (string expected, got number)"),
    ('workflow_id = ""', "bad option 'workflow_id' (expected a non-empty string)"),
    ("workflow_id = 7", "bad option 'workflow_id' (string expected, got number)"),
    ('workflow_id = "\\xff"', "bad option 'workflow_id' (expected a UTF-8 string, got invalid UTF-8)"),
    ("run_timeout = -1", "bad option 'run_timeout' (non-negative number of seconds expected, got -1)"),
    ("run_timeout = 0 / 0", "bad option 'run_timeout' (non-negative number of seconds expected, got nan)"),
    ("run_timeout = 1e300", "bad option 'run_timeout' (non-negative number of seconds expected, got 1e+300)"),
    ('rpc_timeout = "1"', "bad option 'rpc_timeout' (number expected, got string)"),
    ("input = 1, args = { 1 }", "bad option 'args' (mutually exclusive with 'input')"),
    ("args = 1", "bad option 'args' (array expected, got number)"),
    ("args = { { print } }", "bad option 'args.1', item 1 (functions cannot be serialized)"),
    (
        "args = { 1, nil, 3 }",
        "bad option 'args' (array expected, got a table without item 2: use json.null instead of nil)",
    ),
    ("args = { 1, x = 2 }", "bad option 'args' (array expected, got a table with the key 'x')"),
    ("memo = { a = print }", "bad option 'memo.a' (functions cannot be serialized)"),
    ("memo = { a = { b = 1 / 0 } }", "bad option 'memo' (not JSON-serializable: inf at memo.a.b)"),
    ("memo = 1", "bad option 'memo' (table expected, got number)"),
    ('id_reuse_policy = "always"', "bad option 'id_reuse_policy' (one of \"allow_duplicate\", "),
    ("id_conflict_policy = 1", "bad option 'id_conflict_policy' (one of \"fail\", "),
    (
        "retry_policy = { backoff_coefficient = 0.5 }",
        "bad option 'retry_policy.backoff_coefficient' (a number of at least 1 expected, got 0.5)",
    ),
    (
        "retry_policy = { maximum_attempts = -1 }",
        "bad option 'retry_policy.maximum_attempts' (0 to 2147483647 expected, got -1)",
    ),
    (
        "retry_policy = { initial_interval = 5, maximum_interval = 1 }",
        "bad option 'retry_policy.maximum_interval' (at least the initial interval expected, got 1)",
    ),
    (
        "retry_policy = { initial_interval = -5 }",
        "bad option 'retry_policy.initial_interval' (non-negative number of seconds expected, got -5)",
    ),
    ("priority = { priority_key = 0 }", "bad option 'priority.priority_key' (1 to 5 expected, got 0)"),
    ("priority = { priority_key = 2^31 }", "bad option 'priority.priority_key' (1 to 5 expected, got 2147483648)"),
    ("start_signal = { input = 1 }", "missing option 'start_signal.name'"),
    ('start_signal = "go"', "bad option 'start_signal' (table expected, got string)"),
    ('cron_schedule = "nonsense"', "invalid CronSchedule"),
]
"""Options of `start_workflow` that are wrong, and the error; the last one is from the server."""


def test_wrong_options_are_refused(lua: Script, name: str) -> None:
    calls = "\n".join(f"start({{ {options} }})" for options, _ in WRONG)
    value = lua.value(
        f"""
        {TRY}
        local function start(options)
          options.task_queue = options.task_queue or "q"
          options.workflow_type = options.workflow_type or "W"
          try(client.start_workflow, options)
        end
        {calls}
        print(json.encode(out))
        """,
        name,
    )
    for (options, expected), (text, _) in zip(WRONG, value, strict=True):
        assert f"client:start_workflow: {expected}" in text, options
    assert value[-1][1] == "rpc"


def test_rpc_timeout_is_an_error_of_kind_timeout(lua: Script, name: str) -> None:
    value = lua.value(
        TRY
        + """
        local id = client:start_workflow({ task_queue = arg[1], workflow_type = "Nobody" }).workflow_id
        try(client.query_workflow, { workflow_id = id, query_type = "x", rpc_timeout = 0.2 })
        try(client.update_workflow, { workflow_id = id, update_name = "x", rpc_timeout = 0.2 })
        try(client.update_with_start, { update = { update_name = "x" }, rpc_timeout = 0.2,
          start = { workflow_id = id, task_queue = arg[1], workflow_type = "Nobody" } })
        try(client.execute_workflow, { task_queue = arg[1], workflow_type = "Nobody", workflow_id = id })
        print(json.encode(out))
        """,
        name,
    )
    for (text, kind), method in zip(value[:3], ("query_workflow", "update_workflow", "update_with_start"), strict=True):
        assert text.startswith(f"client:{method}: no response from the server within ")
        assert kind == "timeout"
    assert value[3][0].startswith("client:execute_workflow: workflow ")
    assert value[3][1] == "already_started"


def test_a_closed_client(lua: Script, name: str) -> None:
    value = lua.value(
        TRY
        + """
        local schedules = client.schedules
        local pages = client:each_workflow()
        client:close()
        client:close()
        try(client.describe_workflow, "x")
        try(client.start_workflow, { task_queue = "q", workflow_type = "W", search_attributes = { A = 1 } })
        try(client.list_workflows)
        try(client.each_workflow)
        try(client.complete_activity, { task_token = "AAAA" })
        try(function() schedules:get("x") end)
        try(function() schedules:create({ id = "x", spec = {}, action = { task_queue = "q", workflow_type = "W",
          search_attributes = { A = 1 } } }) end)
        try(function() temporal.count_workflows() end)
        try(function() temporal.schedules:list() end)
        client = temporal.connect()
        try(client.count_workflows)
        print(json.encode(out))
        """,
        name,
    )
    assert [text.rpartition(": ")[2] for text, _ in value[:-1]] == ["the client is closed"] * 9
    assert value[5][0].startswith("client.schedules:get: ") or "client.schedules:get: the client" in value[5][0]
    assert value[-1][0] == "ok"


def test_before_any_connection(lua: Script, name: str) -> None:
    value = lua.value(
        """
        local out = {}
        for _, fn in ipairs({ temporal.start_workflow, temporal.each_workflow, temporal.close, temporal.reset_workflow,
          function() temporal.schedules:create({}) end }) do
          out[#out + 1] = select(2, pcall(fn))
        end
        print(json.encode(out))
        """,
        name,
    )
    names = ("start_workflow", "each_workflow", "close", "reset_workflow", "schedules:create")
    for text, method in zip(value, names, strict=True):
        assert f"temporal.{method}: no connection yet: call temporal.connect first" in text


def test_the_one_shot_start_names_itself(lua: Script, name: str) -> None:
    value = lua.value(
        """
        local options = { task_queue = arg[1], workflow_type = "Nobody", workflow_id = arg[1], memo = { a = 1 } }
        local run = temporal.start(options)
        local ok, err = pcall(temporal.start, options)
        print(json.encode({ run = run, message = tostring(err), kind = err.kind, running = err.run_id }))
        """,
        name,
    )
    run_id = value["run"]["run_id"]
    assert value == {
        "run": {"workflow_id": name, "run_id": run_id},
        "message": f"temporal.start: workflow '{name}' has already started",
        "kind": "already_started",
        "running": run_id,
    }
