"""Every kind of job, and its effect on a run."""

from __future__ import annotations

import logging

import pytest
from temporalio.bridge.proto.workflow_activation import RemoveFromCache, WorkflowActivation

from assay.temporal.workflow.runs import Runs
from engine import jobs
from engine.driver import TRY, Drive, Driver, failure, kinds, make_settings, result

WAITS = "return function(ctx) return (ctx:wait_signal('go')) end"


def outcome(drive: Drive, call: str) -> Driver:
    """Start a workflow that returns how a call ends: true and its result, or the fields of its error."""
    driver = drive(f"""
    return function(ctx)
      local ok, value = pcall(function() return {call} end)
      if ok then return {{ ok, value }} end
      return {{
        ok, kind = value.kind, type = value.type, message = tostring(value), details = value.details,
        cause = value.cause and value.cause.message,
      }}
    end
    """)
    driver.start()
    return driver


def test_the_start_gives_the_function_its_arguments(drive: Drive) -> None:
    driver = drive("return function(ctx, ...) return { select('#', ...), ... } end")
    assert result(driver.start(1, "x", {"a": [True]})) == [3, 1, "x", {"a": [True]}]


def test_the_start_says_what_the_workflow_is(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local info = ctx:workflow_info()
      return { info.workflow_type, info.workflow_id, info.run_id, info.attempt, info.cron_schedule, info.task_timeout,
        info.history_length, info.namespace, info.task_queue, info.start_time, ctx:now() }
    end
    """)
    commands = driver.start(attempt=2, cron_schedule="* * * * *", workflow_task_timeout={"seconds": 10})
    assert result(commands) == [
        "W", jobs.WORKFLOW_ID, jobs.RUN_ID, 2, "* * * * *", 10, 3, "default", "queue", 1000, 1000
    ]  # fmt: skip


def test_a_timer_fires(drive: Drive) -> None:
    driver = drive("return function(ctx) ctx:sleep(5) return ctx:now() end")
    driver.start()
    assert result(driver.send(jobs.fire(1), after=5)) == 1005


def test_a_new_seed_changes_the_random_numbers_that_follow(drive: Drive) -> None:
    source = """
    return function(ctx)
      local first = ctx:random(1000000)
      ctx:wait_signal("go")
      return { first, ctx:random(1000000) }
    end
    """
    plain, reset = drive(source), drive(source)
    plain.start()
    reset.start()
    first, second = result(plain.send(jobs.signal("go")))
    same, other = result(reset.send(jobs.new_seed(7), jobs.signal("go")))
    assert same == first
    assert other != second


def test_a_query_is_answered(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local n = 1
      ctx:register_query("n", function(add) return n + (add or 0) end)
      ctx:wait_signal("go")
      n = 2
      ctx:wait_signal("go")
    end
    """)
    driver.start()
    driver.send(jobs.signal("go"))
    (command,) = driver.send(jobs.query("n", 10))
    assert command["respond_to_query"]["succeeded"]["response"] == 12


def test_a_query_that_fails_changes_nothing(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      ctx:register_query("n", function() error({ message = "no", type = "REFUSED" }) end)
      return (ctx:wait_signal("go"))
    end
    """)
    driver.start()
    (command,) = driver.send(jobs.query("n"))
    failed = command["respond_to_query"]["failed"]
    assert (failed["message"], failed["application_failure_info"]["type"]) == ("no", "REFUSED")
    assert result(driver.send(jobs.signal("go", 1))) == 1


def test_an_unknown_query_names_the_known_ones(drive: Drive) -> None:
    driver = drive("return function(ctx) ctx:register_query('known', print) ctx:wait_signal('go') end")
    driver.start()
    (command,) = driver.send(jobs.query("other"))
    failed = command["respond_to_query"]["failed"]
    assert failed["message"] == "query 'other' is not registered (registered: known)"


def test_a_query_is_answered_after_the_end(drive: Drive) -> None:
    driver = drive("return function(ctx) ctx:register_query('q', function() return 'over' end) return 1 end")
    driver.start()
    (command,) = driver.send(jobs.query("q"))
    assert command["respond_to_query"]["succeeded"]["response"] == "over"


def test_a_cancel_is_raised_where_the_workflow_waits(drive: Drive) -> None:
    driver = drive(
        TRY
        + "return function(ctx) return { try(ctx.sleep, ctx, 9), ctx:is_cancelled(), ctx:cancellation_reason() } end"
    )
    driver.start()
    commands = driver.send(jobs.cancel("because"))
    assert kinds(commands) == ["cancel_timer", "complete_workflow_execution"]
    assert result(commands) == ["err:cancelled", True, "because"]


def test_a_signal_is_kept_until_it_is_waited_for(drive: Drive) -> None:
    driver = drive(
        "return function(ctx) ctx:wait_signal('go') return { ctx:wait_signal('s'), ctx:wait_signal('s') } end"
    )
    driver.start()
    assert driver.send(jobs.signal("s", 1)) == []
    assert driver.send(jobs.signal("s", 2)) == []
    assert result(driver.send(jobs.signal("go"))) == [1, 2]


def test_a_signal_without_a_payload_is_true(drive: Drive) -> None:
    driver = drive(WAITS)
    driver.start()
    assert result(driver.send(jobs.signal("go"))) is True


def test_a_signal_with_several_arguments_gives_all(drive: Drive) -> None:
    driver = drive("return function(ctx) return { ctx:wait_signal('go') } end")
    driver.start()
    assert result(driver.send(jobs.signal("go", 1, "x"))) == [1, "x"]


def test_an_activity_completes(drive: Drive) -> None:
    driver = outcome(drive, 'ctx:execute_activity("act")')
    assert result(driver.send(jobs.activity(1, {"a": 1}))) == [True, {"a": 1}]


def test_an_activity_fails(drive: Drive) -> None:
    driver = outcome(drive, 'ctx:execute_activity("act")')
    given = jobs.activity_failure(jobs.application("no luck", "UNLUCKY", {"n": 1}))
    assert result(driver.send(jobs.activity(1, failure=given))) == {
        "1": False,
        "kind": "activity",
        "type": "UNLUCKY",
        "message": "activity 'act' failed: no luck",
        "details": {"n": 1},
        "cause": "no luck",
    }


def test_an_uncaught_failure_leaves_the_workflow_as_it_came(drive: Drive) -> None:
    driver = drive('return function(ctx) ctx:execute_activity("act") end')
    driver.start()
    failed = failure(driver.send(jobs.activity(1, failure=jobs.activity_failure(jobs.application("no")))))
    assert failed["activity_failure_info"] == {"activity_type": {"name": "act"}}
    assert failed["cause"]["message"] == "no"


def test_a_local_activity_completes(drive: Drive) -> None:
    driver = outcome(drive, 'ctx:execute_local_activity("act")')
    assert result(driver.send(jobs.local_activity(1, 3))) == [True, 3]


def test_a_side_effect_gives_what_was_recorded(drive: Drive) -> None:
    driver = outcome(drive, "ctx:side_effect(function() return 1 end)")
    assert result(driver.send(jobs.local_activity(1, 3))) == [True, 3]


def test_a_child_workflow_starts_and_completes(drive: Drive) -> None:
    driver = outcome(drive, 'ctx:execute_child_workflow("Child")')
    assert driver.send(jobs.child_started(1)) == []
    assert result(driver.send(jobs.child(1, "out"))) == [True, "out"]


def test_a_child_workflow_fails(drive: Drive) -> None:
    driver = outcome(drive, 'ctx:execute_child_workflow("Child")')
    given = jobs.child_failure(jobs.application("no"))
    failed = result(driver.send(jobs.child_started(1), jobs.child(1, failure=given)))
    assert (failed["kind"], failed["type"], failed["cause"]) == ("child_workflow", "Oops", "no")


def test_a_child_workflow_whose_id_is_taken(drive: Drive) -> None:
    driver = outcome(drive, 'ctx:execute_child_workflow("Child")')
    failed = result(driver.send(jobs.child_not_started(1, 1, "taken")))
    assert failed["kind"] == "already_started"
    assert failed["message"] == "workflow 'taken' has already started"


def test_a_child_workflow_that_cannot_be_started(drive: Drive) -> None:
    driver = outcome(drive, 'ctx:execute_child_workflow("Child")')
    failed = result(driver.send(jobs.child_not_started(1, 2)))
    assert failed["message"].endswith("child workflow 'Child' cannot be started: namespace not found")


def test_a_signal_to_another_workflow_has_arrived(drive: Drive) -> None:
    driver = outcome(drive, 'ctx:signal_workflow({ workflow_id = "w", signal_name = "s" })')
    assert result(driver.send(jobs.signal_sent(1))) == [True]


def test_a_signal_to_a_workflow_that_does_not_run(drive: Drive) -> None:
    driver = outcome(drive, 'ctx:signal_workflow({ workflow_id = "w", signal_name = "s" })')
    given = jobs.application("not there", "ExternalWorkflowExecutionNotFound")
    failed = result(driver.send(jobs.signal_sent(1, given)))
    assert (failed["kind"], failed["message"]) == ("not_found", "ctx:signal_workflow: no running workflow 'w'")


def test_a_cancel_request_has_arrived(drive: Drive) -> None:
    driver = outcome(drive, 'ctx:cancel_workflow({ workflow_id = "w" })')
    assert result(driver.send(jobs.cancel_requested(1))) == [True]


def test_a_cancel_request_for_a_workflow_that_does_not_run(drive: Drive) -> None:
    driver = outcome(drive, 'ctx:cancel_workflow({ workflow_id = "w" })')
    given = jobs.application("not there", "ExternalWorkflowExecutionNotFound")
    assert result(driver.send(jobs.cancel_requested(1, given)))["kind"] == "not_found"


NEXUS = 'ctx:execute_nexus_operation({ endpoint = "end", service = "Service", operation = "op" })'


def test_a_nexus_operation_completes(drive: Drive) -> None:
    driver = outcome(drive, NEXUS)
    assert driver.send(jobs.nexus_started(1)) == []
    assert result(driver.send(jobs.nexus(1, [1]))) == [True, [1]]


def test_a_nexus_operation_fails(drive: Drive) -> None:
    driver = outcome(drive, NEXUS)
    driver.send(jobs.nexus_started(1))
    failed = result(driver.send(jobs.nexus(1, failure=jobs.nexus_failure(jobs.application("no")))))
    assert (failed["kind"], failed["cause"]) == ("nexus", "no")


def test_a_nexus_operation_that_cannot_be_started(drive: Drive) -> None:
    driver = outcome(drive, NEXUS)
    failed = result(driver.send(jobs.nexus_started(1, jobs.nexus_failure(jobs.application("no endpoint")))))
    assert (failed["kind"], failed["cause"]) == ("nexus", "no endpoint")


def test_an_update_is_accepted_and_completed_later(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      ctx:register_update("u", function(x) ctx:sleep(1) return x end)
      ctx:wait_signal("go")
    end
    """)
    driver.start()
    assert kinds(driver.send(jobs.update("u", 5))) == ["update_response", "start_timer"]
    (command,) = driver.send(jobs.fire(1))
    assert command["update_response"] == {"protocol_instance_id": "u1-p", "completed": 5}


def test_an_update_is_rejected_by_its_validator(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local ran = false
      ctx:register_update("u", function() ran = true end, { validator = function(x) error("no " .. x, 0) end })
      ctx:wait_signal("go")
      return ran
    end
    """)
    driver.start()
    (command,) = driver.send(jobs.update("u", "thanks"))
    assert command["update_response"]["rejected"]["message"] == "no thanks"
    assert result(driver.send(jobs.signal("go"))) is False


def test_an_unknown_update_names_the_known_ones(drive: Drive) -> None:
    driver = drive("return function(ctx) ctx:register_update('known', print) ctx:wait_signal('go') end")
    driver.start()
    (command,) = driver.send(jobs.update("other"))
    assert command["update_response"]["rejected"]["message"] == "update 'other' is not registered (registered: known)"


def test_an_update_that_fails_is_rejected_once_it_was_accepted(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      ctx:register_update("u", function() error({ message = "no", type = "REFUSED" }) end)
      return (ctx:wait_signal("go"))
    end
    """)
    driver.start()
    accepted, rejected = driver.send(jobs.update("u"))
    assert accepted["update_response"]["accepted"] == {}
    assert rejected["update_response"]["rejected"]["application_failure_info"]["type"] == "REFUSED"
    assert result(driver.send(jobs.signal("go", 1))) == 1


def test_an_update_without_a_validator_run_is_not_validated_again(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      ctx:register_update("u", function() return 1 end, { validator = function() error("no") end })
      ctx:wait_signal("go")
    end
    """)
    driver.start()
    assert len(driver.send(jobs.update("u", run_validator=False))) == 2


def test_rejecting_an_update_of_the_history_fails_the_workflow_task(drive: Drive) -> None:
    driver = drive(WAITS)
    driver.start()
    assert driver.send(jobs.update("u", run_validator=False)) == []
    assert driver.failure == "update 'u' is not registered (registered: none)"


def test_a_job_that_nothing_waits_for_fails_the_workflow_task(drive: Drive) -> None:
    driver = drive(WAITS)
    driver.start()
    assert driver.send(jobs.activity(7)) == []
    assert driver.failure == "no pending activity with the sequence number 7"


@pytest.mark.parametrize("reason", [RemoveFromCache.EvictionReason.CACHE_FULL, RemoveFromCache.EvictionReason.FATAL])
def test_a_removal_is_answered_with_nothing(reason: int, caplog: pytest.LogCaptureFixture) -> None:
    driver = Driver(WAITS)
    runs = Runs([driver.definition], make_settings())
    runs.activate(WorkflowActivation(run_id=jobs.RUN_ID, jobs=[jobs.initialize()]))
    assert len(runs) == 1
    with caplog.at_level(logging.WARNING):
        answer = runs.activate(
            WorkflowActivation(run_id=jobs.RUN_ID, jobs=[jobs.remove(reason, 'x { message: "too large" }')])
        )
    assert answer.HasField("successful")
    assert not answer.successful.commands
    assert len(runs) == 0
    assert ("too large" in caplog.text) == (reason == RemoveFromCache.EvictionReason.FATAL)
