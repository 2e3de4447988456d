"""Every command that `ctx` can issue: its fields, options and defaults."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from engine import jobs
from engine.driver import Commands, Drive, make_settings, result

RETRY = "{ initial_interval = 2, backoff_coefficient = 3, maximum_interval = 60, maximum_attempts = 4, "
RETRY += 'non_retryable_errors = { "FATAL" } }'
RETRIED = {
    "initial_interval": 2.0,
    "backoff_coefficient": 3.0,
    "maximum_interval": 60.0,
    "maximum_attempts": 4,
    "non_retryable_error_types": ["FATAL"],
}


def commands_of(drive: Drive, body: str, **settings: Any) -> Commands:
    """Return the commands of the first task of a workflow with a body."""
    driver = drive(f"return function(ctx) {body} end", settings=make_settings(**settings))
    return driver.start()


# Each is the body of a workflow, and its first command.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "a timer": ("ctx:sleep(1.5)", {"start_timer": {"seq": 1, "start_to_fire_timeout": 1.5}}),
    "a timer with a summary": (
        'ctx:sleep(2, { summary = "nap" })',
        {"start_timer": {"seq": 1, "start_to_fire_timeout": 2.0}, "user_metadata": {"summary": "nap"}},
    ),
    "a timer in the past": ("ctx:sleep(-1)", {"start_timer": {"seq": 1, "start_to_fire_timeout": 0.0}}),
    "a timer as a future": (
        'ctx:start_timer(3, { summary = "nap" }):get()',
        {"start_timer": {"seq": 1, "start_to_fire_timeout": 3.0}, "user_metadata": {"summary": "nap"}},
    ),
    "a deadline": (
        "ctx:with_timeout(7, function() ctx:wait_signal('go') end)",
        {"start_timer": {"seq": 1, "start_to_fire_timeout": 7.0}},
    ),
    "the time limit of a signal": (
        'ctx:wait_signal("go", { timeout = 4, timeout_summary = "limit" })',
        {"start_timer": {"seq": 1, "start_to_fire_timeout": 4.0}, "user_metadata": {"summary": "limit"}},
    ),
    "the time limit of a condition": (
        'ctx:wait_condition(function() end, { timeout = 4, timeout_summary = "limit" })',
        {"start_timer": {"seq": 1, "start_to_fire_timeout": 4.0}, "user_metadata": {"summary": "limit"}},
    ),
    "an activity": (
        'ctx:execute_activity("act")',
        {
            "schedule_activity": {
                "seq": 1,
                "activity_id": "1",
                "activity_type": "act",
                "task_queue": "queue",
                "start_to_close_timeout": 300.0,
            }
        },
    ),
    "an activity with all options": (
        'ctx:execute_activity("act", { a = 1 }, { activity_id = "mine", task_queue = "other", '
        "start_to_close_timeout = 1, schedule_to_close_timeout = 2, schedule_to_start_timeout = 3, "
        f'heartbeat_timeout = 4, retry_policy = {RETRY}, cancellation_type = "abandon", summary = "why", '
        'priority = { priority_key = 2, fairness_key = "k", fairness_weight = 1.5 } })',
        {
            "schedule_activity": {
                "seq": 1,
                "activity_id": "mine",
                "activity_type": "act",
                "task_queue": "other",
                "arguments": [{"a": 1}],
                "start_to_close_timeout": 1.0,
                "schedule_to_close_timeout": 2.0,
                "schedule_to_start_timeout": 3.0,
                "heartbeat_timeout": 4.0,
                "retry_policy": RETRIED,
                "cancellation_type": "ABANDON",
                "priority": {"priority_key": 2, "fairness_key": "k", "fairness_weight": 1.5},
            },
            "user_metadata": {"summary": "why"},
        },
    ),
    "an activity with several arguments": (
        'ctx:execute_activity("act", nil, { args = { 1, json.null, "x" }, schedule_to_close_timeout = 9 })',
        {
            "schedule_activity": {
                "seq": 1,
                "activity_id": "1",
                "activity_type": "act",
                "task_queue": "queue",
                "arguments": [1, None, "x"],
                "schedule_to_close_timeout": 9.0,
            }
        },
    ),
    "a local activity": (
        'ctx:execute_local_activity("act", 5)',
        {
            "schedule_local_activity": {
                "seq": 1,
                "activity_id": "1",
                "activity_type": "act",
                "arguments": [5],
                "start_to_close_timeout": 300.0,
            }
        },
    ),
    "a local activity with all options": (
        'ctx:execute_local_activity("act", nil, { activity_id = "mine", start_to_close_timeout = 1, '
        f"schedule_to_close_timeout = 2, schedule_to_start_timeout = 3, retry_policy = {RETRY}, "
        'cancellation_type = "wait_completed", local_retry_threshold = 5, summary = "why" })',
        {
            "schedule_local_activity": {
                "seq": 1,
                "activity_id": "mine",
                "activity_type": "act",
                "start_to_close_timeout": 1.0,
                "schedule_to_close_timeout": 2.0,
                "schedule_to_start_timeout": 3.0,
                "retry_policy": RETRIED,
                "local_retry_threshold": 5.0,
                "cancellation_type": "WAIT_CANCELLATION_COMPLETED",
            },
            "user_metadata": {"summary": "why"},
        },
    ),
    "a side effect": (
        "ctx:side_effect(function() return 1 end)",
        {
            "schedule_local_activity": {
                "seq": 1,
                "activity_id": "1",
                "activity_type": "assay.side_effect",
                "arguments": [jobs.RUN_ID, 1],
                "start_to_close_timeout": 10.0,
                "retry_policy": {"maximum_attempts": 1},
            }
        },
    ),
    "a child workflow": (
        'ctx:execute_child_workflow("Child", "in", { workflow_id = "c" })',
        {
            "start_child_workflow_execution": {
                "seq": 1,
                "namespace": "default",
                "workflow_id": "c",
                "workflow_type": "Child",
                "task_queue": "queue",
                "input": ["in"],
                "parent_close_policy": "PARENT_CLOSE_POLICY_TERMINATE",
                "workflow_id_reuse_policy": "WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE",
                "cancellation_type": "WAIT_CANCELLATION_COMPLETED",
            }
        },
    ),
    "a child workflow with all options": (
        'ctx:execute_child_workflow("Child", nil, { args = { 1, 2 }, workflow_id = "c", task_queue = "other", '
        'parent_close_policy = "request_cancel", cancellation_type = "wait_requested", '
        'id_reuse_policy = "reject_duplicate", execution_timeout = 1, run_timeout = 2, task_timeout = 3, '
        f'retry_policy = {RETRY}, cron_schedule = "* * * * *", memo = {{ m = 1 }}, '
        'search_attributes = { Key = "v" }, static_summary = "S", static_details = "D", priority = 4, '
        'versioning_override = "auto_upgrade" })',
        {
            "start_child_workflow_execution": {
                "seq": 1,
                "namespace": "default",
                "workflow_id": "c",
                "workflow_type": "Child",
                "task_queue": "other",
                "input": [1, 2],
                "workflow_execution_timeout": 1.0,
                "workflow_run_timeout": 2.0,
                "workflow_task_timeout": 3.0,
                "parent_close_policy": "PARENT_CLOSE_POLICY_REQUEST_CANCEL",
                "workflow_id_reuse_policy": "WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE",
                "retry_policy": RETRIED,
                "cron_schedule": "* * * * *",
                "memo": {"m": 1},
                "search_attributes": {"indexed_fields": {"Key": "v"}},
                "cancellation_type": "WAIT_CANCELLATION_REQUESTED",
                "priority": {"priority_key": 4},
                "versioning_override": {"auto_upgrade": True, "behavior": "VERSIONING_BEHAVIOR_AUTO_UPGRADE"},
            },
            "user_metadata": {"summary": "S", "details": "D"},
        },
    ),
    "a signal to another workflow": (
        'ctx:signal_workflow({ workflow_id = "w", run_id = "r", signal_name = "s", input = { a = 1 } })',
        {
            "signal_external_workflow_execution": {
                "seq": 1,
                "workflow_execution": {"namespace": "default", "workflow_id": "w", "run_id": "r"},
                "signal_name": "s",
                "args": [{"a": 1}],
            }
        },
    ),
    "a cancel of another workflow": (
        'ctx:cancel_workflow({ workflow_id = "w" })',
        {
            "request_cancel_external_workflow_execution": {
                "seq": 1,
                "workflow_execution": {"namespace": "default", "workflow_id": "w"},
            }
        },
    ),
    "a Nexus operation": (
        'ctx:execute_nexus_operation({ endpoint = "e", service = "s", operation = "o" })',
        {
            "schedule_nexus_operation": {
                "seq": 1,
                "endpoint": "e",
                "service": "s",
                "operation": "o",
                "input": None,
            }
        },
    ),
    "a Nexus operation with all options": (
        'ctx:execute_nexus_operation({ endpoint = "e", service = "s", operation = "o", input = 7, '
        "schedule_to_close_timeout = 1, schedule_to_start_timeout = 2, start_to_close_timeout = 3, "
        'cancellation_type = "try_cancel", headers = { h = "v" }, summary = "why" })',
        {
            "schedule_nexus_operation": {
                "seq": 1,
                "endpoint": "e",
                "service": "s",
                "operation": "o",
                "input": 7,
                "schedule_to_close_timeout": 1.0,
                "nexus_header": {"h": "v"},
                "cancellation_type": "TRY_CANCEL",
                "schedule_to_start_timeout": 2.0,
                "start_to_close_timeout": 3.0,
            },
            "user_metadata": {"summary": "why"},
        },
    ),
    "search attributes": (
        'ctx:upsert_search_attributes({ A = "x", B = 2 })',
        {"upsert_workflow_search_attributes": {"search_attributes": {"indexed_fields": {"A": "x", "B": 2}}}},
    ),
    "a memo": (
        "ctx:upsert_memo({ a = { 1 }, b = json.null })",
        {"modify_workflow_properties": {"upserted_memo": {"fields": {"a": [1], "b": None}}}},
    ),
    "a patch": ('ctx:patched("p")', {"set_patch_marker": {"patch_id": "p"}}),
    "a deprecated patch": ('ctx:deprecate_patch("p")', {"set_patch_marker": {"patch_id": "p", "deprecated": True}}),
    "an end": ("return { 1 }", {"complete_workflow_execution": {"result": [1]}}),
    "an end without a result": ("", {"complete_workflow_execution": {"result": None}}),
    "a continuation": (
        "ctx:continue_as_new(5)",
        {"continue_as_new_workflow_execution": {"arguments": [5]}},
    ),
    "a continuation with all options": (
        'ctx:continue_as_new(nil, { args = { 1, 2 }, workflow_type = "Next", task_queue = "other", run_timeout = 1, '
        f'task_timeout = 2, retry_policy = {RETRY}, memo = {{ m = 1 }}, search_attributes = {{ Key = "v" }}, '
        'initial_versioning_behavior = "auto_upgrade", backoff_start_interval = 3 })',
        {
            "continue_as_new_workflow_execution": {
                "workflow_type": "Next",
                "task_queue": "other",
                "arguments": [1, 2],
                "workflow_run_timeout": 1.0,
                "workflow_task_timeout": 2.0,
                "memo": {"m": 1},
                "search_attributes": {"indexed_fields": {"Key": "v"}},
                "retry_policy": RETRIED,
                "initial_versioning_behavior": "CONTINUE_AS_NEW_VERSIONING_BEHAVIOR_AUTO_UPGRADE",
                "backoff_start_interval": 3.0,
            }
        },
    ),
}


@pytest.mark.parametrize(("body", "expected"), CASES.values(), ids=CASES)
def test_the_command_of(drive: Drive, body: str, expected: dict[str, Any]) -> None:
    assert commands_of(drive, body)[0] == expected


STARTED = {
    "an activity": ('start_activity("act")', "schedule_activity"),
    "a local activity": ('start_local_activity("act")', "schedule_local_activity"),
    "a child workflow": ('start_child_workflow("Child")', "start_child_workflow_execution"),
    "a Nexus operation": (
        'start_nexus_operation({ endpoint = "e", service = "s", operation = "o" })',
        "schedule_nexus_operation",
    ),
}


@pytest.mark.parametrize(("call", "kind"), STARTED.values(), ids=STARTED)
def test_a_future_is_started_with_the_same_command(drive: Drive, call: str, kind: str) -> None:
    started = commands_of(drive, f"local f = ctx:{call} f:get()")
    executed = commands_of(drive, f"ctx:{call.replace('start_', 'execute_')}")
    assert started == executed
    assert list(started[0]) == [kind]


def test_each_kind_counts_its_own_sequence_numbers(drive: Drive) -> None:
    body = """
    for _ = 1, 2 do
      ctx:start_activity("a")
      ctx:start_local_activity("l")
      ctx:start_child_workflow("C")
      ctx:start_timer(1)
    end
    ctx:wait_signal("go")
    """
    numbers = [(kind, fields["seq"]) for command in commands_of(drive, body) for kind, fields in command.items()]
    assert sorted(numbers) == [
        ("schedule_activity", 1),
        ("schedule_activity", 3),
        ("schedule_local_activity", 2),
        ("schedule_local_activity", 4),
        ("start_child_workflow_execution", 1),
        ("start_child_workflow_execution", 2),
        ("start_timer", 1),
        ("start_timer", 2),
    ]


def test_a_child_without_an_id_gets_a_uuid(drive: Drive) -> None:
    (command,) = commands_of(drive, 'ctx:execute_child_workflow("Child")')
    made = command["start_child_workflow_execution"]["workflow_id"]
    assert str(uuid.UUID(made)) == made


def test_a_worker_may_refuse_eager_activities(drive: Drive) -> None:
    (command,) = commands_of(drive, 'ctx:execute_activity("act")', no_eager_activities=True)
    assert command["schedule_activity"]["do_not_eagerly_execute"]


def test_a_signal_to_a_child_names_it(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local child = ctx:start_child_workflow("Child", nil, { workflow_id = "c" })
      child:signal("s", 1)
      return child.run_id
    end
    """)
    driver.start()
    assert driver.send(jobs.child_started(1, "the-child-run")) == [
        {"signal_external_workflow_execution": {"seq": 1, "child_workflow_id": "c", "signal_name": "s", "args": [1]}}
    ]
    assert result(driver.send(jobs.signal_sent(1))) == "the-child-run"


CANCELLED = {
    "a timer": ("start_timer(9)", {"cancel_timer": {"seq": 1}}),
    "an activity": ('start_activity("act")', {"request_cancel_activity": {"seq": 1}}),
    "a local activity": ('start_local_activity("act")', {"request_cancel_local_activity": {"seq": 1}}),
    "a child workflow": ('start_child_workflow("C")', {"cancel_child_workflow_execution": {"child_workflow_seq": 1}}),
    "a Nexus operation": (
        'start_nexus_operation({ endpoint = "e", service = "s", operation = "o" })',
        {"request_cancel_nexus_operation": {"seq": 1}},
    ),
}


@pytest.mark.parametrize(("call", "expected"), CANCELLED.values(), ids=CANCELLED)
def test_the_command_that_cancels(drive: Drive, call: str, expected: dict[str, Any]) -> None:
    driver = drive(f"return function(ctx) local f = ctx:{call} ctx:wait_signal('stop') f:cancel() f:get() end")
    driver.start()
    assert driver.send(jobs.signal("stop"))[0] == expected


@pytest.mark.parametrize(("call", "expected"), CANCELLED.values(), ids=CANCELLED)
def test_the_workflow_cancels(drive: Drive, call: str, expected: dict[str, Any]) -> None:
    driver = drive(f"return function(ctx) ctx:{call}:get() end")
    driver.start()
    assert driver.send(jobs.cancel())[0] == expected


def test_a_cancelled_signal_is_taken_back(drive: Drive) -> None:
    driver = drive('return function(ctx) ctx:signal_workflow({ workflow_id = "w", signal_name = "s" }) end')
    driver.start()
    assert driver.send(jobs.cancel()) == [{"cancel_signal_workflow": {"seq": 1}}]


def test_a_workflow_that_does_not_catch_its_cancellation_is_cancelled(drive: Drive) -> None:
    driver = drive("return function(ctx) ctx:wait_signal('never') end")
    driver.start()
    assert driver.send(jobs.cancel("why")) == [{"cancel_workflow_execution": {}}]


def test_a_failed_workflow_says_why(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      error({ message = "no", type = "REFUSED", details = { 1 }, non_retryable = true, cause = "before" })
    end
    """)
    (command,) = driver.start()
    failure = command["fail_workflow_execution"]["failure"]
    assert failure["message"] == "no"
    assert failure["application_failure_info"] == {
        "type": "REFUSED",
        "details": {"payloads": [[1]]},
        "non_retryable": True,
    }
    assert failure["cause"]["message"] == "before"


def test_the_responses_to_an_update(drive: Drive) -> None:
    driver = drive("return function(ctx) ctx:register_update('u', function(x) return x + 1 end) ctx:sleep(9) end")
    driver.start()
    assert driver.send(jobs.update("u", 4)) == [
        {"update_response": {"protocol_instance_id": "u1-p", "accepted": {}}},
        {"update_response": {"protocol_instance_id": "u1-p", "completed": 5}},
    ]


def test_the_response_to_a_query(drive: Drive) -> None:
    driver = drive("return function(ctx) ctx:register_query('q', function(x) return { x } end) ctx:sleep(9) end")
    driver.start()
    assert driver.send(jobs.query("q", "in")) == [
        {"respond_to_query": {"query_id": "q1", "succeeded": {"response": ["in"]}}}
    ]
