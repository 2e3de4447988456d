"""The workflows of the guides on concurrency, messages and failures run unchanged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from guides import blocks
from temporal_script import Script

RUN = """
local client = temporal.connect()
local out = {}
local function start(workflow_type, input, signal)
  return client:start_workflow({ task_queue = arg[1], workflow_type = workflow_type, input = input,
    workflow_id = arg[1] .. "-" .. workflow_type .. #out, start_signal = signal }).workflow_id
end
local function result(id)
  local ok, found = pcall(client.get_result, client, { workflow_id = id, timeout = 60 })
  if ok then return found end
  return { kind = found.kind, type = found.type }
end
local function run(...)
  out[#out + 1] = result(start(...)) or "nothing"
end
"""
DRIVERS: dict[str, tuple[str, list[Any]]] = {
    "concurrency": (
        """
        local at_once, most = 0, 0
        local worker = temporal.worker({ task_queue = arg[1],
          workflows = { All = fetch_all, Some = fetch_some, First = first_offer, Politely = fetch_politely,
            Remind = remind, InTime = in_time },
          activities = {
            fetch = function(url)
              at_once = at_once + 1
              most = math.max(most, at_once)
              sleep(0.3) -- long enough to meet
              at_once = at_once - 1
              if url == "bad" then error("GONE: " .. url) end
              return "page " .. url
            end,
            ask = function(shop)
              sleep(shop == "quick" and 0 or 30)
              return 5
            end,
            mail = print,
          },
        })
        """,
        [
            ["page a", "page b", "page c"],
            {"pages": ["page a"], "failures": ["bad: GONE"]},
            {"shop": "quick", "price": 5},
            ["page a", "page b", "page c", "page d", "page e"],
            2,
            "yes",
            "timeout",
        ],
    ),
    "messages": (
        """
        local worker = temporal.worker({ task_queue = arg[1],
          workflows = { Idle = function(ctx) ctx:wait_signal("add") end, Counter = function(ctx, total)
            if total == 101 then return ctx:workflow_info().continued_run_id ~= nil end
            ctx:wait_signal("begin") -- all have come: one that comes later would be for the next run
            return counter(ctx, total)
          end, Mailbox = mailbox, Announce = announce },
        })
        """,
        [True, {"b": 3, "a": 4}, True, "not_found"],
    ),
    "failures": (
        """
        local log = {}
        local worker = temporal.worker({ task_queue = arg[1],
          workflows = { Pay = pay, Lease = lease },
          activities = {
            charge = charge,
            acquire = function() end,
            free = function() log[#log + 1] = "freed" end,
          },
        })
        """,
        [
            {"receipt": "r-5"},
            {"kind": "activity", "type": "LIMIT", "limit": 1000},
            {"kind": "activity", "type": "BUSY"},
            "nothing",
            {"kind": "cancelled"},
            ["freed", "freed"],
        ],
    ),
}
RUNS = {
    "concurrency": """
        run("All", { "a", "b", "c" })
        run("Some", { "a", "bad" })
        run("First", { "slow", "quick" })
        most = 0
        run("Politely", { "a", "b", "c", "d", "e" })
        out[#out + 1] = most
        run("Remind", "ann", { name = "answer", input = "yes" })
        run("InTime", "a")
    """,
    "messages": """
        local id = start("Counter", 0, { name = "add", input = 1 })
        for _ = 1, 100 do client:signal_workflow({ workflow_id = id, signal_name = "add", input = 1 }) end
        client:signal_workflow({ workflow_id = id, signal_name = "begin" })
        out[1] = result(id)
        id = start("Mailbox", nil, { name = "a", input = 1 })
        client:signal_workflow({ workflow_id = id, signal_name = "b", input = 3 })
        client:update_workflow({ workflow_id = id, update_name = "a", input = 4 })
        assert.eq(client:query_workflow({ workflow_id = id, query_type = "a" }), 4)
        client:signal_workflow({ workflow_id = id, signal_name = "close" })
        out[2] = result(id)
        run("Announce", start("Idle"))
        run("Announce", "nobody")
    """,
    "failures": """
        run("Pay", { amount = 5 })
        run("Pay", { amount = 2000 })
        run("Pay", { amount = 13 })
        run("Lease", nil, { name = "release" })
        local id = start("Lease")
        client:cancel_workflow(id)
        out[#out + 1] = result(id)
        out[#out + 1] = log
    """,
}


@pytest.mark.parametrize("guide", sorted(DRIVERS))
def test_a_guide(lua: Script, name: str, guide: str) -> None:
    setup, wanted = DRIVERS[guide]
    end = "print(json.encode(out)) worker:shutdown()"
    text = "\n".join([*blocks(f"docs/{guide}.md", "lua"), setup, RUN, RUNS[guide], end])
    result = lua.run(text, name)
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    assert json.loads(result.stdout) == wanted
