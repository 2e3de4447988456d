"""The gRPC client on a real server; the results are compared with the Temporal CLI."""

from __future__ import annotations

import socket
import time

import pytest

from temporal_script import Script

WORKER = """
local name = arg[1]
local worker = temporal.worker({
  task_queue = name,
  workflows = {
    Echo = function(ctx, input) return input end,
    Wait = function(ctx, input)
      local state = { asked = 0 }
      ctx:register_query("state", function(question) return { asked = question, signal = state.signal } end)
      state.signal = ctx:wait_signal("go")
      return state.signal
    end,
    Fail = function(ctx, input) error({ type = "NO_GOOD", message = "no good", details = { code = 7 } }) end,
    Again = function(ctx, input) return ctx:execute_activity("missing", input) end,
  },
})
local client = temporal.connect()
local function finish(value)
  print(json.encode(value))
  worker:shutdown()
end
"""


def test_start_and_result(lua: Script, name: str) -> None:
    value = lua.value(
        WORKER
        + """
        local run = client:start_workflow({ task_queue = name, workflow_type = "Echo", workflow_id = name,
          input = { text = "é", list = { 1, 2.0, json.null }, none = json.empty_array, deep = { { {} } } } })
        local result = client:get_result({ workflow_id = name })
        local described = client:describe_workflow(name)
        finish({ run = run, result = result, described = described })
        """,
        name,
    )
    assert value["run"] == {"workflow_id": name, "run_id": value["described"]["run_id"]}
    assert repr(value["result"]) == repr({"deep": [[{}]], "list": [1, 2.0, None], "none": [], "text": "é"})
    described = value["described"]
    assert (described["status"], described["workflow_type"]) == ("COMPLETED", "Echo")
    witness = lua.cli("workflow", "describe", "--workflow-id", name)["workflowExecutionInfo"]
    assert described["history_length"] == int(witness["historyLength"])
    assert described["task_queue"] == name
    assert abs(described["start_time"] - time.time()) < 600
    assert described["close_time"] >= described["start_time"]


def test_a_workflow_id_is_made_up(lua: Script, name: str) -> None:
    value = lua.value(
        WORKER
        + """
        local run = temporal.start_workflow({ task_queue = name, workflow_type = "Echo" })
        finish({ run = run, result = temporal.get_result({ workflow_id = run.workflow_id }) == nil })
        """,
        name,
    )
    assert len(value["run"]["workflow_id"]) == 36
    assert value["result"] is True


def test_signal_and_query(lua: Script, name: str) -> None:
    value = lua.value(
        WORKER
        + """
        client:start_workflow({ task_queue = name, workflow_type = "Wait", workflow_id = name })
        local before = client:query_workflow({ workflow_id = name, query_type = "state", input = { "a", 1 } })
        client:signal_workflow({ workflow_id = name, signal_name = "go", input = { user = "jane" } })
        local result = client:get_result({ workflow_id = name })
        local after = client:query_workflow({ workflow_id = name, query_type = "state" })
        local ok, err = pcall(client.query_workflow, client, { workflow_id = name, query_type = "nothing" })
        finish({ before = before, result = result, after = after, err = tostring(err) })
        """,
        name,
    )
    assert value["before"] == {"asked": ["a", 1]}
    assert value["result"] == {"user": "jane"}
    assert value["after"] == {"signal": {"user": "jane"}}
    assert "query 'nothing' is not registered (registered: state)" in value["err"]


def test_one_shot_start_and_module_level_calls(lua: Script, name: str) -> None:
    value = lua.value(
        WORKER
        + """
        local handle = temporal.start({ url = env.get("TEMPORAL_ADDRESS"), namespace = "default", task_queue = name,
          workflow_type = "Wait", workflow_id = name, input = { item = "widget" } })
        temporal.signal_workflow({ workflow_id = handle.workflow_id, signal_name = "go" })
        finish({
          result = temporal.get_result({ workflow_id = name, follow_runs = true, timeout = 60 }),
          status = temporal.describe_workflow({ workflow_id = name, run_id = handle.run_id }).status,
        })
        """,
        name,
    )
    assert value == {"result": True, "status": "COMPLETED"}


def test_cancel_and_terminate(lua: Script, name: str) -> None:
    value = lua.value(
        WORKER
        + """
        local function outcome(id, act)
          client:start_workflow({ task_queue = name, workflow_type = "Wait", workflow_id = id })
          act(id)
          local ok, err = pcall(client.get_result, client, { workflow_id = id })
          return { kind = err.kind, status = client:describe_workflow(id).status, message = tostring(err) }
        end
        finish({
          cancelled = outcome(name .. "-c", function(id) client:cancel_workflow(id) end),
          terminated = outcome(name .. "-t", function(id) client:terminate_workflow(id) end),
          with_reason = outcome(name .. "-r", function(id)
            client:terminate_workflow({ workflow_id = id, reason = "enough" })
          end),
        })
        """,
        name,
    )
    assert value == {
        "cancelled": {
            "kind": "cancelled",
            "status": "CANCELED",
            "message": f"workflow '{name}-c' was cancelled",
        },
        "terminated": {
            "kind": "terminated",
            "status": "TERMINATED",
            "message": f"workflow '{name}-t' was terminated: terminated by user via frontend",
        },
        "with_reason": {
            "kind": "terminated",
            "status": "TERMINATED",
            "message": f"workflow '{name}-r' was terminated: enough",
        },
    }
    history = lua.cli("workflow", "show", "--workflow-id", f"{name}-r")["events"]
    assert history[-1]["workflowExecutionTerminatedEventAttributes"]["reason"] == "enough"


def test_a_failure_is_an_error_object(lua: Script, name: str) -> None:
    value = lua.value(
        WORKER
        + """
        client:start_workflow({ task_queue = name, workflow_type = "Fail", workflow_id = name })
        local ok, err = pcall(client.get_result, client, { workflow_id = name })
        finish({ ok = ok, kind = err.kind, type = err.type, message = err.message, details = err.details,
          position = err:find("good"), joined = err .. "!" })
        """,
        name,
    )
    assert value == {
        "ok": False,
        "kind": "application",
        "type": "NO_GOOD",
        "message": "no good",
        "details": {"code": 7},
        "position": 4,
        "joined": "no good!",
    }


MISTAKES = [
    ("start_workflow, { workflow_type = 'Wait' }", "client:start_workflow: missing option 'task_queue'"),
    (
        "start_workflow, { task_queue = name, workflow_typ = 'Wait' }",
        "client:start_workflow: unknown option 'workflow_typ' (did you mean 'workflow_type'?)",
    ),
    (
        "start_workflow, { task_queue = name, workflow_type = 7, input = { [print] = 1 } }",
        "client:start_workflow: bad argument 'options' (not serializable: a table with a key of type function",
    ),
    (
        "start_workflow, { task_queue = name, workflow_type = 'Wait', input = { x = print } }",
        "client:start_workflow: bad option 'input', field 'x' (functions cannot be serialized)",
    ),
    (
        "start_workflow, { task_queue = name, workflow_type = 'Wait', input = { x = { 0 / 0 } } }",
        "client:start_workflow: bad option 'input' (not JSON-serializable: nan at input.x[1])",
    ),
    (
        "start_workflow, { task_queue = name, workflow_type = 'Wait', input = { x = '\\xff' } }",
        "client:start_workflow: bad option 'input' (not JSON-serializable: a string that is not UTF-8",
    ),
    (
        "start_workflow, { task_queue = {}, workflow_type = 'Wait' }",
        "client:start_workflow: bad option 'task_queue' (string expected, got table)",
    ),
    (
        "start_workflow, { task_queue = name, workflow_type = 'Wait', retry_policy = { maximum_attempts = 'x' } }",
        "client:start_workflow: bad option 'retry_policy.maximum_attempts' (integer expected, got string)",
    ),
    ("start_workflow", "client:start_workflow: bad argument 'options' (table expected, got nil)"),
    (
        "describe_workflow, 7.5, {}",
        "client:describe_workflow: bad argument 'target' (string or table expected, got number)",
    ),
    ("describe_workflow, {}", "client:describe_workflow: missing option 'workflow_id'"),
]
"""Methods with wrong arguments, and the error."""


def test_errors_name_the_wrong_argument(lua: Script, name: str) -> None:
    calls = ", ".join(f"error_of(client.{call})" for call, _ in MISTAKES)
    errors = lua.value(
        f"""
        local name, client = arg[1], temporal.connect()
        local function error_of(method, ...)
          return tostring(select(2, pcall(method, client, ...)))
        end
        print(json.encode({{ {calls} }}))
        """,
        name,
    )
    for (call, expected), error in zip(MISTAKES, errors, strict=True):
        assert expected in error, call


def test_errors_of_the_server_have_a_kind(lua: Script, name: str) -> None:
    errors = lua.value(
        WORKER
        + """
        local function error_of(method, options)
          local ok, err = pcall(client[method], client, options)
          return { kind = err.kind, message = err.message }
        end
        local start = { task_queue = name, workflow_type = "Wait", workflow_id = name }
        client:start_workflow(start)
        local errors = {
          taken = error_of("start_workflow", start),
          missing = error_of("get_result", { workflow_id = "no-such-workflow" }),
          signal = error_of("signal_workflow", { workflow_id = "no-such-workflow", signal_name = "x" }),
          late = error_of("get_result", { workflow_id = name, timeout = 0.1 }),
        }
        client:terminate_workflow(name)
        finish(errors)
        """,
        name,
    )
    missing = "workflow not found for ID: no-such-workflow"
    assert errors["taken"] == {
        "kind": "already_started",
        "message": f"client:start_workflow: workflow '{name}' has already started",
    }
    assert errors["missing"] == {"kind": "not_found", "message": f"client:get_result: {missing}"}
    assert errors["signal"] == {"kind": "not_found", "message": f"client:signal_workflow: {missing}"}
    assert errors["late"]["kind"] == "timeout"
    late = f"client:get_result: timed out after 0.1 s: workflow '{name}' has not ended"
    assert errors["late"]["message"].startswith(late)


def test_connection_errors(lua: Script) -> None:
    with socket.socket() as silent:  # accepts, and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        started = time.monotonic()
        value = lua.value(
            """
            local out = {}
            for _, options in ipairs({ { url = "127.0.0.1:1" }, { url = "127.0.0.1:" .. arg[1] },
              { url = "http://127.0.0.1:7233" }, { url = "nowhere" }, { urll = "x" }, { namespace = {} } }) do
              local ok, err = pcall(temporal.connect, options)
              out[#out + 1] = tostring(err)
            end
            local ok, err = pcall(temporal.worker, { url = "127.0.0.1:1", task_queue = "q",
              workflows = { W = function() end } })
            out[#out + 1] = tostring(err)
            ok, err = pcall(temporal.get_result, { workflow_id = "x" })
            out[#out + 1] = tostring(err)
            print(json.encode(out))
            """,
            str(port),
        )
    assert time.monotonic() - started < 60
    expected = [
        "temporal.connect: cannot connect to the Temporal server at 127.0.0.1:1: connection refused",
        f"temporal.connect: cannot connect to the Temporal server at 127.0.0.1:{port}: ",
        "temporal.connect: bad option 'url' (host:port without http:// expected, got 'http://127.0.0.1:7233')",
        "temporal.connect: bad option 'url' (host:port expected, got 'nowhere')",
        "temporal.connect: unknown option 'urll' (did you mean 'url'?)",
        "temporal.connect: bad option 'namespace' (string expected, got table)",
        "temporal.worker: cannot connect to the Temporal server at 127.0.0.1:1: connection refused",
        "temporal.get_result: no connection yet: call temporal.connect first",
    ]
    for text, wanted in zip(value, expected, strict=True):
        assert wanted in text


@pytest.mark.timeout(600)
def test_two_hundred_short_runs_end_with_0(lua: Script, name: str) -> None:
    script = lua.command.script(
        """
        local client = temporal.connect()
        client:start_workflow({ task_queue = arg[1], workflow_type = "Nobody", workflow_id = arg[1] .. arg[2] })
        """
    )
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda index: lua.command.run(script, name, str(index)), range(200)))
    assert [(result.returncode, result.stderr) for result in results] == [(0, "")] * 200
