"""Calls between workflows of a namespace, and random numbers."""

from __future__ import annotations

from temporal_script import Script

FINISH = """
local client = temporal.connect()
local function start(workflow_type, id, input)
  client:start_workflow({ task_queue = arg[1], workflow_type = workflow_type, workflow_id = id, input = input })
  return id
end
local function outcome(id)
  local ok, result = pcall(client.get_result, client, { workflow_id = id })
  return ok and result or { kind = result.kind, type = result.type, message = tostring(result) }
end
local function finish(value)
  print(json.encode(value))
  worker:shutdown()
end
"""


def test_signals_and_cancels_another_workflow(lua: Script, name: str) -> None:
    value = lua.value(
        """
        worker = temporal.worker({ task_queue = arg[1] or "replay", workflows = {
          Waits = function(ctx) return ctx:wait_signal("go") end,
          Asks = function(ctx, id)
            ctx:signal_workflow({ workflow_id = id .. "-1", signal_name = "go", input = { 1, 2.0, json.empty_array } })
            ctx:signal_workflow({ workflow_id = id .. "-2", signal_name = "go" })
            ctx:cancel_workflow({ workflow_id = id .. "-3" })
            local function failure(method, options)
              local ok, err = pcall(ctx[method], ctx, options)
              return { kind = err.kind, message = tostring(err) }
            end
            return {
              signal_missing = failure("signal_workflow", { workflow_id = "missing", signal_name = "go" }),
              cancel_missing = failure("cancel_workflow", { workflow_id = "missing" }),
              unknown_option = failure("signal_workflow", { workflow_id = id, signal = "go" }),
              wrong_type = failure("cancel_workflow", { workflow_id = 5 }),
            }
          end,
          Uncaught = function(ctx) ctx:cancel_workflow({ workflow_id = "missing" }) end,
        } })
        """
        + FINISH
        + """
        for i = 1, 3 do start("Waits", arg[1] .. "-" .. i) end
        finish({
          asked = outcome(start("Asks", arg[1], arg[1])),
          uncaught = outcome(start("Uncaught", arg[1] .. "-u")),
          with_input = outcome(arg[1] .. "-1"),
          without_input = outcome(arg[1] .. "-2"),
          cancelled = outcome(arg[1] .. "-3"),
        })
        """,
        name,
    )
    asked = value["asked"]
    for case, method in (("signal_missing", "signal_workflow"), ("cancel_missing", "cancel_workflow")):
        assert asked[case] == {"kind": "not_found", "message": f"ctx:{method}: no running workflow 'missing'"}
    unknown_option = "ctx:signal_workflow: unknown option 'signal' (did you mean 'signal_name'?)"
    assert asked["unknown_option"]["message"] == unknown_option
    wrong_type = "ctx:cancel_workflow: bad option 'workflow_id' (string expected, got number)"
    assert asked["wrong_type"]["message"] == wrong_type
    assert value["uncaught"]["type"] == "ExternalWorkflowExecutionNotFound"
    assert repr(value["with_input"]) == repr([1, 2.0, []])
    assert value["without_input"] is True
    assert value["cancelled"]["kind"] == "cancelled"
    lua.replay(name, f"{name}-1", f"{name}-3", f"{name}-u")


def test_random_numbers_are_those_of_the_run(lua: Script, name: str) -> None:
    value = lua.value(
        """
        worker = temporal.worker({ task_queue = arg[1] or "replay", workflows = {
          Dice = function(ctx)
            local seen, floats = {}, 0
            for _ = 1, 300 do
              seen[tostring(ctx:random(3))] = true
              seen[tostring(ctx:random(-5, -4))] = true
              local float = ctx:random()
              floats = floats + ((float >= 0 and float < 1) and 1 or 0)
            end
            local whole, low, high = 0, math.mininteger, math.maxinteger
            for _ = 1, 50 do whole = whole | ctx:random(0) end
            local names = {}
            for key in pairs(seen) do names[#names + 1] = key end
            table.sort(names)
            -- A replay that threw other dice would sleep for another time, in another place.
            for _ = 1, ctx:random(1, 4) do ctx:sleep(ctx:random(1, 30) / 1000) end
            local wide = ctx:random(low, high)
            return {
              names = names,
              floats_in_range = floats,
              has_all_bits = whole == -1,
              is_wide_in_range = wide >= low and wide <= high,
              only_seven = ctx:random(7, 7),
              is_at_most_five = ctx:random(5.0) <= 5,
            }
          end,
        } })
        """
        + FINISH
        + """finish(outcome(start("Dice", arg[1])))""",
        name,
    )
    assert value == {
        "names": ["-4", "-5", "1", "2", "3"],
        "floats_in_range": 300,
        "has_all_bits": True,
        "is_wide_in_range": True,
        "only_seven": 7,
        "is_at_most_five": True,
    }
    lua.replay(name)
