"""Ids, arguments and errors of the HTTP API's client."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from rest_client import NOT_FOUND, RUNNING, TERMINATED, Rest

# Ids ------------------------------------------------------------------------------------------------------------

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


@pytest.mark.parametrize("identity", IDS)
async def test_an_id_may_have_any_characters(rest: Rest, name: str, identity: str) -> None:
    workflow_id = identity if set(identity) == {"."} else f"{name}{identity}"
    await rest.start(workflow_id, "--id-conflict-policy", "UseExisting")
    seen = await rest(
        """
        local id = ...
        c.workflows:signal(id, "s" .. id)
        local events = c.workflows:history(id).events
        c.workflows:terminate(id)
        return {
          described = c.workflows:get(id).workflowExecutionInfo.execution.workflowId,
          is_running = c.workflows:is_running(id),
          in_history = events[1].workflowExecutionStartedEventAttributes.workflowId,
          signal = events[#events].workflowExecutionSignaledEventAttributes.signalName,
          status = c.workflows:wait_complete(id, 30).workflowExecutionInfo.status,
        }
        """,
        workflow_id,
    )
    assert seen == {
        "described": workflow_id,
        "is_running": False,
        "in_history": workflow_id,
        "signal": f"s{workflow_id}",
        "status": TERMINATED,
    }


class Slash(NamedTuple):
    """A workflow whose id could be read as the path of another one, with a terminated and an open run."""

    workflow_id: str
    first: str
    second: str


async def start_with_slash(rest: Rest, name: str) -> Slash:
    """Start the workflows `name` and `name/history`, and wait until lists have them."""
    await rest.start(name)
    workflow_id = f"{name}/history"
    first = await rest.start(workflow_id)
    await rest.terminate(workflow_id)
    second = await rest.start(workflow_id)
    await rest.until(
        lambda found: (
            [(run["execution"]["runId"], run["status"]) for run in found] == [(second, RUNNING), (first, TERMINATED)]
        ),
        "return c:search(...).executions",
        f"WorkflowId = '{workflow_id}'",
    )
    return Slash(workflow_id, first, second)


async def test_a_workflow_with_a_slash_in_its_id_is_described(rest: Rest, name: str) -> None:
    slash = await start_with_slash(rest, name)
    seen = await rest(
        """
        local id, run = arg[1], arg[2]
        local function fields(workflow)
          local info = workflow.workflowExecutionInfo
          return { id = info.execution.workflowId, run_id = info.execution.runId, status = info.status }
        end
        return {
          latest = fields(c.workflows:get(id)),
          first = fields(c:workflow(id, run)),
          completed = fields(c.workflows:wait_complete(id, 5, { run_id = run })),
          is_running = c.workflows:is_running(id),
          is_first_running = c.workflows:is_running(id, { run_id = run }),
        }
        """,
        slash.workflow_id,
        slash.first,
    )
    first = {"id": slash.workflow_id, "run_id": slash.first, "status": TERMINATED}
    assert seen == {
        "latest": {"id": slash.workflow_id, "run_id": slash.second, "status": RUNNING},
        "first": first,
        "completed": first,
        "is_running": True,
        "is_first_running": False,
    }


async def test_an_id_may_have_a_slash_and_a_quote(rest: Rest, name: str) -> None:
    workflow_id = f"{name}/it's"
    await rest.start(workflow_id)
    await rest.until(bool, "return pcall(c.workflows.get, c.workflows, ...)", workflow_id)
    assert await rest("return c.workflows:is_running(...)", workflow_id) is True


async def test_calls_that_do_not_support_a_slash_raise_and_reach_no_workflow(rest: Rest, name: str) -> None:
    slash = await start_with_slash(rest, name)
    for call in ("history(id)", "signal(id, 'x')", "terminate(id)", "cancel(id)"):
        seen = await rest(
            f"""
            local id = ...
            local ok, err = pcall(function() c.workflows:{call} end)
            return {{ ok = ok, message = tostring(err) }}
            """,
            slash.workflow_id,
        )
        assert not seen["ok"]
        assert f"bad argument 'workflow_id' (the HTTP API cannot address '{slash.workflow_id}'" in seen["message"]
    assert len((await rest.history(name))["events"]) == 2


async def test_an_unknown_id_with_a_slash_is_not_found(rest: Rest, name: str) -> None:
    await rest.start(name)
    error = await rest.error("c.workflows:get(...)", f"{name}/nobody")
    assert {key: error[key] for key in NOT_FOUND} == NOT_FOUND


# Errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "status", "code", "kind", "text"),
    [
        ("workflows:get('nobody')", 404, 5, "not_found", "workflow not found for ID: nobody (HTTP 404)"),
        ("workflows:is_running('nobody')", 404, 5, "not_found", "workflow not found for ID: nobody (HTTP 404)"),
        ("workflows:wait_complete('nobody', 5)", 404, 5, "not_found", "workflow not found for ID: nobody (HTTP 404)"),
        ("workflows:history('nobody')", 404, 5, "not_found", "workflow not found for ID: nobody (HTTP 404)"),
        ("workflows:get(arg[1], 'no-uuid')", 400, 3, "rpc", "Invalid RunId. (HTTP 400)"),
        ("workflows:signal(arg[1], 's')", 404, 5, "not_found", "workflow execution already completed (HTTP 404)"),
        ("namespaces:get('nowhere')", 404, 5, "not_found", "Namespace nowhere is not found. (HTTP 404)"),
        ("workflows:list({namespace = 'nowhere'})", 404, 5, "not_found", "Namespace nowhere is not found. (HTTP 404)"),
        ("task_queues:get('q', {task_queue_type = 'x'})", 400, 3, "rpc", None),
    ],
)
async def test_an_error_has_the_status_and_the_words_of_the_server(
    rest: Rest, name: str, call: str, status: int, code: int, kind: str, text: str | None
) -> None:
    await rest.start(name)
    await rest.terminate(name)
    error = await rest.error(f"c.{call}", name)
    assert (error["status"], error["code"], error["kind"]) == (status, code, kind), error
    title = f"c.{call.partition('(')[0]}: "
    assert error["message"] == title + text if text else error["message"].startswith(title)


async def test_an_error_names_the_alias_that_was_called(rest: Rest) -> None:
    text = await rest("return select(2, pcall(c.workflow, c, 'nobody')) .. ''")
    assert text == "c:workflow: workflow not found for ID: nobody (HTTP 404)"


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        ("workflows:get('')", "bad argument 'workflow_id' (expected a non-empty string)"),
        ("workflows:get('a/b\\\\')", "bad argument 'workflow_id' (the HTTP API cannot find 'a/b\\', which has a slash"),
        ("workflows:get('a/b', '\"')", "bad argument 'run_id' (the HTTP API cannot find '\"'"),
        ("workflows:get('\\xff')", "bad argument 'workflow_id' (expected a UTF-8 string, got invalid UTF-8)"),
        ("workflows:get()", "bad argument 'workflow_id' (string expected, got nil)"),
        ("workflows:get('x', {})", "bad argument 'run_id' (string expected, got table)"),
        ("workflows:signal('x', 'a/b')", "bad argument 'signal_name' (the HTTP API cannot address 'a/b'"),
        ("workflows:signal('x', '')", "bad argument 'signal_name' (expected a non-empty string)"),
        ("workflows:signal('x', 's', 0/0)", "bad argument 'input' (not JSON-serializable:"),
        ("workflows:signal('x', 's', {a = print})", "bad argument 'input' (not JSON-serializable:"),
        ("workflows:list({page_size = 1.5})", "bad option 'page_size' (integer expected, got 1.5)"),
        ("workflows:list({page_siz = 1})", "unknown option 'page_siz' (did you mean 'page_size'?)"),
        ("workflows:list({namespace = 'a/b'})", "bad option 'namespace' (the HTTP API cannot address 'a/b'"),
        ("workflows:list({namespace = ''})", "bad option 'namespace' (expected a non-empty string)"),
        ("workflows:wait_complete('x')", "bad argument 'timeout_secs' (number expected, got nil)"),
        ("workflows:wait_complete('x', -1)", "bad argument 'timeout_secs' (non-negative number expected, got -1)"),
        ("workflows:wait_complete('x', 0/0)", "bad argument 'timeout_secs' (non-negative number expected, got "),
        ("namespaces:get('a/b')", "bad argument 'name' (the HTTP API cannot address 'a/b'"),
        ("schedules:get('a/b')", "bad argument 'schedule_id' (the HTTP API cannot address 'a/b'"),
        ("task_queues:get('a/b')", "bad argument 'name' (the HTTP API cannot address 'a/b'"),
    ],
)
async def test_a_bad_argument_is_refused(rest: Rest, call: str, problem: str) -> None:
    message = await rest(f"local ok, err = pcall(function() return c.{call} end) return tostring(err)")
    assert f"c.{call.partition('(')[0]}: {problem}" in message


@pytest.mark.parametrize("call", ["c.workflows()", "c.workflows({})", "c.namespaces(c.workflows)"])
async def test_a_method_that_is_called_without_its_colon_is_refused(rest: Rest, call: str) -> None:
    message = await rest(f"local ok, err = pcall(function() return {call} end) return tostring(err)")
    assert "must be called with a colon, as a method of assay.temporal.Client" in message
