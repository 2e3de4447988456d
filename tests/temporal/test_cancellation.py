"""Cancellation inside a workflow."""

from __future__ import annotations

from temporal_script import Script

CANCEL = """
local client = temporal.connect()
local function cancelled(workflow_type)
  local run = client:start_workflow({ task_queue = arg[1], workflow_type = workflow_type })
  while client:describe_workflow(run.workflow_id).history_length < 4 do sleep(0.02) end
  client:cancel_workflow(run.workflow_id)
  local ok, result = pcall(client.get_result, client, { workflow_id = run.workflow_id })
  return { client:describe_workflow(run.workflow_id).status, ok and result or result.kind }
end
"""


def test_clean_up_after_a_cancel(lua: Script, name: str) -> None:
    value = lua.value(
        """
        local cleaned = {}
        local worker = temporal.worker({ task_queue = arg[1],
          activities = {
            clean = function(input) cleaned[#cleaned + 1] = input return #cleaned end,
          },
          workflows = {
            Saga = function(ctx)
              local ok, err = pcall(ctx.sleep, ctx, 600)
              local results = table.pack(ctx:shield(function()
                ctx:sleep(0.01)
                return ctx:execute_activity("clean", "saga"), "second"
              end))
              local function fail() error({ type = "X", message = "in a shield" }) end
              local failed = select(2, pcall(ctx.shield, ctx, fail))
              return { ok, err.kind, ctx:is_cancelled(), results, failed.type }
            end,
            Rethrow = function(ctx)
              local ok, err = pcall(ctx.sleep, ctx, 600)
              ctx:execute_activity("clean", "rethrow")
              error(err)
            end,
            Shielded = function(ctx)
              local asked = ctx:is_cancelled()
              ctx:shield(function() ctx:sleep(1) ctx:execute_activity("clean", "shielded") end)
              local ok, err = pcall(ctx.sleep, ctx, 600)
              return { asked, ok, err.kind }
            end,
          },
        })
        """
        + CANCEL
        + """
        print(json.encode({ cancelled("Saga"), cancelled("Rethrow"), cancelled("Shielded"), cleaned }))
        worker:shutdown()
        """,
        name,
    )
    assert value == [
        ["COMPLETED", [False, "cancelled", True, {"1": 1, "2": "second", "n": 2}, "X"]],
        ["CANCELED", "cancelled"],
        ["COMPLETED", [False, False, "cancelled"]],
        ["saga", "rethrow", "shielded"],
    ]


def test_the_small_readers(lua: Script, name: str) -> None:
    value = lua.value(
        """
        local worker = temporal.worker({ task_queue = arg[1], workflows = {
          Read = function(ctx)
            local none = { ctx:poll_signal("n") }
            local first = ctx:wait_signal("n")
            ctx:wait_signal("last")
            local second = { ctx:poll_signal("n") }
            local third = { ctx:poll_signal("n") }
            return { none, first, second, third, ctx:now() == time(), #ctx:uuid(), ctx:patched("change"),
              ctx:is_cancelled(), ctx:uuid() ~= ctx:uuid() }
          end,
        } })
        local client = temporal.connect()
        client:start_workflow({ task_queue = arg[1], workflow_type = "Read", workflow_id = arg[1] })
        while client:describe_workflow(arg[1]).history_length < 4 do sleep(0.02) end
        for _, signal in ipairs({ "n", "n", "last" }) do
          client:signal_workflow({ workflow_id = arg[1], signal_name = signal, input = { 1.5 } })
        end
        print(json.encode(client:get_result({ workflow_id = arg[1] })))
        worker:shutdown()
        """,
        name,
    )
    assert value == [[False], [1.5], [True, [1.5]], [False], True, 36, True, False, True]
    assert "MARKER_RECORDED" in lua.events(name)
