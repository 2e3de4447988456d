"""The server of `assay test`: the calls that it rejects, and clients of a test."""

from __future__ import annotations

from command import Command


def run(assay: Command, code: str) -> str:
    assay.script(f"test('it', function() {code} end)", "some_test.lua")
    return assay.run("test").stdout


def test_clients_register_the_search_attributes_that_they_set(assay: Command) -> None:
    shown = run(
        assay,
        """
        test.workflow_env({ workflows = { W = function(ctx) return ctx:workflow_info().search_attributes end } })
        local client = temporal.connect()
        local given = { Stage = "x", Count = 4, When = { type = "datetime", value = "2026-01-02T03:04:05Z" } }
        local options = { task_queue = "test", workflow_type = "W", search_attributes = given }
        assert.eq(client:execute_workflow(options), { Stage = "x", Count = 4, When = 1767323045 })
        options.search_attributes = { Other = true }
        local started = temporal.start(options)
        assert.eq(client:get_result({ workflow_id = started.workflow_id }), { Other = true })
        """,
    )
    assert "1 passed, 0 failed" in shown, shown


def test_a_rejected_command_is_reported_with_the_reason_of_the_server(assay: Command) -> None:
    shown = run(
        assay,
        """
        local env = test.workflow_env({ workflows = { W = function(ctx)
          ctx:execute_nexus_operation({ endpoint = "none", service = "s", operation = "o" })
        end } })
        env:execute()
        """,
    )
    assert "the server rejected the commands of a workflow: Could not find Nexus endpoint with name: none" in shown


def test_a_call_that_the_server_does_not_implement_is_reported(assay: Command) -> None:
    shown = run(
        assay,
        """
        test.workflow_env({ workflows = { W = print } })
        temporal.connect():list_workflows({ query = "WorkflowType = 'W'" })
        """,
    )
    assert "client:list_workflows: this Temporal server does not implement ListWorkflowExecutions" in shown


def test_a_workflow_that_no_worker_has_ends_a_test_that_waits_for_it(assay: Command) -> None:
    shown = run(
        assay,
        """
        test.workflow_env({ workflows = { Order = print } })
        temporal.connect():execute_workflow({ task_queue = "test", workflow_type = "Odrer" })
        """,
    )
    assert "task queue 'test': workflow 'Odrer' is not registered; did you mean 'Order'? (registered: Order)" in shown
    assert "the test has not ended" not in shown


def test_a_workflow_task_that_fails_is_no_end_of_a_test_that_caught_it(assay: Command) -> None:
    shown = run(
        assay,
        """
        local env = test.workflow_env({ workflows = { W = function() while true do end end } })
        local ok = pcall(env.execute, env)
        assert.eq(ok, false)
        sleep(7)
        """,
    )
    assert "workflow 'W' cannot continue: its workflow task fails" in shown  # what the replay at the end says
