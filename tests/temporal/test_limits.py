"""Limits of a run: a workflow beyond a limit fails its task with the limit's name, and the others continue."""

from __future__ import annotations

import pytest

from temporal_script import Script

CPU = "took more than 0.3 s of CPU (workflow_limits.cpu_seconds)"
MEMORY = "needs more than 16 MB (workflow_limits.memory_mb)"
GROW = "while true do t[#t + 1] = { ('x'):rep(1000) .. #t } end"  # full long before the CPU limit
MAD = {
    "loop": ("while true do end", CPU),
    "pcall": ("while true do pcall(function() while true do end end) end", CPU),
    "xpcall": ("while true do xpcall(function() while true do end end, function() while true do end end) end", CPU),
    "coroutine": ("coroutine.wrap(function() while true do end end)()", CPU),
    "resume": ("while true do coroutine.resume(coroutine.create(function() while true do end end)) end", CPU),
    "close": ("local x <close> = setmetatable({}, { __close = function() while true do end end }) error('x')", CPU),
    "sort": ("while true do table.sort({ 3, 2, 1 }) end", CPU),
    "find": ('return ("a"):rep(1e5):find(("a-"):rep(50) .. "b")', CPU),
    "match": ('return ("a"):rep(40):match(("a?"):rep(40) .. ("a"):rep(41))', CPU),
    "gsub": ('return ("a"):rep(1e5):gsub("a*a*a*a*b", "")', CPU),
    "gmatch": ('for _ in ("a"):rep(1e5):gmatch("a*a*a*a*b") do end', CPU),
    "condition": ("while true do ctx:wait_condition(function() return true end) end", CPU),
    "get": ("while true do ctx:spawn(function() end):get() end", CPU),
    "spawn": ("while true do ctx:spawn(function() ctx:sleep(600) end) end", None),
    "shield": ("while true do ctx:shield(function() end) end", CPU),
    "unpack": ("while true do pcall(table.unpack, {}, 1, 9e5) end", CPU),
    "length": ('local s = ("é"):rep(2e6) while true do utf8.len(s) end', CPU),
    "move": ("return table.move({}, 1, 1 << 40, 2)", None),
    "empty": ('return #(""):rep(1 << 60)', None),
    "rep": ('return #("x"):rep(1e10)', MEMORY),
    "caught_rep": ('while true do pcall(string.rep, "x", 1e10) end', MEMORY),
    "grow": (f"local t = {{}} {GROW}", MEMORY),
    "caught": (f"local t = {{}} while true do pcall(function() {GROW} end) end", MEMORY),
    "deep": ("local function f() return 1 + f() end return f()", None),
    "caught_deep": ("local function f() return 1 + f() end while true do pcall(f) end", None),
}


@pytest.mark.parametrize("mad", MAD)
def test_a_limit_fails_the_task_only(lua: Script, name: str, mad: str) -> None:
    body, text = MAD[mad]
    cpu = 1.5 if text == MEMORY else 0.3
    result = lua.run(
        """
        local worker = temporal.worker({ task_queue = arg[1],
          workflow_limits = { cpu_seconds = tonumber(arg[2]), memory_mb = 16 },
          workflows = { Mad = function(ctx) """
        + body
        + """ end, Quick = function(ctx) ctx:sleep(0.01) return "quick" end } })
        local client = temporal.connect()
        -- Of a task that times out first the failures after it are not in the history.
        client:start_workflow({ task_queue = arg[1], workflow_type = "Mad", workflow_id = arg[1], task_timeout = 60 })
        local run = client:start_workflow({ task_queue = arg[1], workflow_type = "Quick" })
        assert(client:get_result({ workflow_id = run.workflow_id }) == "quick")
        while client:describe_workflow(arg[1]).history_length < 4 do sleep(0.02) end
        print(client:describe_workflow(arg[1]).status)
        pcall(client.terminate_workflow, client, arg[1])
        worker:shutdown()
        """,
        name,
        str(cpu),
    )
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    if mad == "empty":
        assert result.stdout == "COMPLETED\n"
    elif mad == "move":
        assert result.stdout == "FAILED\n"
    else:
        assert result.stdout == "RUNNING\n"
        history = lua.cli("workflow", "show", "--workflow-id", name)["events"]
        failed = [
            event["workflowTaskFailedEventAttributes"] for event in history if "TASK_FAILED" in event["eventType"]
        ]
        message = failed[0]["failure"]["message"]
        assert (text or "workflow_limits") in message or "calls nested too deep" in message


def test_memory_comes_back(lua: Script, name: str) -> None:
    value = lua.value(
        """
        local worker = temporal.worker({ task_queue = arg[1], workflow_limits = { memory_mb = 32 },
          max_cached_workflows = 2,
          workflows = { Big = function() return #("x"):rep(20 << 20) end } })
        local client = temporal.connect()
        local total = 0
        for i = 1, 40 do
          local run = client:start_workflow({ task_queue = arg[1], workflow_type = "Big" })
          total = total + client:get_result({ workflow_id = run.workflow_id })
        end
        local status = fs.read("/proc/self/status")
        print(json.encode({ total, tonumber(status:match("VmRSS:%s*(%d+)")) }))
        worker:shutdown()
        """,
        name,
    )
    assert value[0] == 40 * (20 << 20)
    assert value[1] < 400 * 1024  # kB; 40 states of 20 MB that stay would take 800 MB
