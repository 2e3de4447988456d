"""The network in workflows, where it is refused, and in activities, where a cancellation reaches it."""

from __future__ import annotations

import pytest

from temporal_script import Script

CALLS = [
    'http.get("http://127.0.0.1:1")',
    'http.post("http://127.0.0.1:1", {})',
    'http.request("GET", "http://127.0.0.1:1")',
    "http.client()",
    "http.serve(0, {})",
    'ws.connect("ws://127.0.0.1:1")',
    'db.connect("sqlite::memory:")',
]


def test_the_error_in_a_workflow_says_to_use_an_activity(lua: Script, name: str) -> None:
    attempts = ", ".join(f"function() {call} end" for call in CALLS)
    value = lua.value(
        f"""
        local worker = temporal.worker({{ task_queue = arg[1], workflows = {{
          Try = function(ctx)
            local problems = {{}}
            for i, attempt in ipairs({{ {attempts} }}) do
              problems[i] = tostring(select(2, pcall(attempt)))
            end
            return problems
          end,
        }} }})
        local client = temporal.connect()
        client:start_workflow({{ task_queue = arg[1], workflow_type = "Try", workflow_id = arg[1] }})
        print(json.encode(client:get_result({{ workflow_id = arg[1] }})))
        worker:shutdown()
        """,
        name,
    )
    titles = [call.partition("(")[0] for call in CALLS]
    for title, problem in zip(titles, value, strict=True):
        assert problem.endswith(f"{title}: not allowed in a workflow: workflow code cannot do I/O; use an activity")


@pytest.mark.parametrize(
    ("prepare", "wait"),
    [
        ("local conn = ws.connect('ws://127.0.0.1:' .. _SERVER_PORT .. '/ws')", "conn:recv()"),
        (
            "local conn = db.connect('sqlite::memory:')",
            "conn:query('with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n')",
        ),
    ],
    ids=["ws", "db"],
)
def test_a_cancelled_activity_reaches_what_it_waits_for(lua: Script, name: str, prepare: str, wait: str) -> None:
    value = lua.value(
        f"""
        local outcome
        async.spawn(http.serve, 0, {{ GET = {{
          ["/ws"] = function() return {{ ws = function(conn) conn:recv() end }} end,
        }} }})
        while not _SERVER_PORT do sleep(0.01) end
        local waiting
        local worker = temporal.worker({{ task_queue = arg[1],
          activities = {{
            wait = {{ auto_heartbeat = true, run = function()
              {prepare}
              waiting = true
              local ok, problem = pcall(function() {wait} end)
              outcome = problem.kind
              error(problem)
            end }},
          }},
          workflows = {{
            Wait = function(ctx)
              return ctx:execute_activity("wait", nil,
                {{ heartbeat_timeout = 3, retry_policy = {{ maximum_attempts = 3 }} }})
            end,
          }},
        }})
        local client = temporal.connect()
        client:start_workflow({{ task_queue = arg[1], workflow_type = "Wait", workflow_id = arg[1] }})
        while not waiting do sleep(0.01) end
        client:cancel_workflow(arg[1])
        local ok = pcall(client.get_result, client, {{ workflow_id = arg[1] }})
        while not outcome do sleep(0.01) end
        local status = client:describe_workflow(arg[1]).status
        print(json.encode({{ has_result = ok, in_activity = outcome, status = status }}))
        worker:shutdown()
        """,
        name,
    )
    assert value == {"has_result": False, "in_activity": "cancelled", "status": "CANCELED"}
