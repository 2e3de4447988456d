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
              failure("signal_workflow", { workflow_id = "nobody", signal_name = "go" }),
              failure("cancel_workflow", { workflow_id = "nobody" }),
              failure("signal_workflow", { workflow_id = id, signal = "go" }),
              failure("cancel_workflow", { workflow_id = 5 }),
            }
          end,
          Uncaught = function(ctx) ctx:cancel_workflow({ workflow_id = "nobody" }) end,
        } })
        """
        + FINISH
        + """
        for i = 1, 3 do start("Waits", arg[1] .. "-" .. i) end
        local asked = outcome(start("Asks", arg[1], arg[1]))
        local out = { asked, outcome(start("Uncaught", arg[1] .. "-u")) }
        for i = 1, 3 do out[#out + 1] = outcome(arg[1] .. "-" .. i) end
        finish(out)
        """,
        name,
    )
    asked, uncaught, signalled, bare, cancelled = value
    assert asked[:2] == [
        {"kind": "not_found", "message": "ctx:signal_workflow: no running workflow 'nobody'"},
        {"kind": "not_found", "message": "ctx:cancel_workflow: no running workflow 'nobody'"},
    ]
    assert asked[2]["message"] == "ctx:signal_workflow: unknown option 'signal' (did you mean 'signal_name'?)"
    assert asked[3]["message"] == "ctx:cancel_workflow: bad option 'workflow_id' (string expected, got number)"
    assert uncaught["type"] == "ExternalWorkflowExecutionNotFound"
    assert repr(signalled) == repr([1, 2.0, []])
    assert bare is True
    assert cancelled["kind"] == "cancelled"
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
            return { names, floats, whole == -1, wide >= low and wide <= high, ctx:random(7, 7), ctx:random(5.0) <= 5 }
          end,
        } })
        """
        + FINISH
        + """finish(outcome(start("Dice", arg[1])))""",
        name,
    )
    assert value == [["-4", "-5", "1", "2", "3"], 300, True, True, 7, True]
    lua.replay(name)
