"""The memory that a worker retains."""

from __future__ import annotations

from temporal_script import Script


def test_a_large_snapshot_is_warned_of(lua: Script, name: str) -> None:
    result = lua.run(
        """
        local prices = {}
        for i = 1, 20000 do prices[i] = { id = i, name = "item " .. i } end
        big_global = ("x"):rep(300 * 1024)
        local worker = temporal.worker({ task_queue = arg[1], workflows = { W = function() return #prices end } })
        worker:shutdown()
        """,
        name,
    )
    assert result.returncode == 0
    assert result.stderr.startswith("warning: the snapshot of workflow 'W' has ")
    assert "its largest values: " in result.stderr
    assert "the globals" in result.stderr
    assert "prices" in result.stderr


def test_many_short_runs_leave_nothing_behind(lua: Script, name: str) -> None:
    value = lua.value(
        """
        local worker = temporal.worker({ task_queue = arg[1], max_cached_workflows = 10,
          workflows = { Short = function(ctx)
            local kept = {}
            for i = 1, 2000 do kept[i] = { i } end
            return #kept + ctx:side_effect(function() return 1 end)
          end } })
        local client = temporal.connect()
        local function resident() return tonumber(fs.read("/proc/self/status"):match("VmRSS:%s*(%d+)")) end
        local function batch(n)
          local handles = {}
          for i = 1, 10 do
            handles[i] = async.spawn(function()
              for _ = 1, n // 10 do
                local run = client:start_workflow({ task_queue = arg[1], workflow_type = "Short" })
                assert(client:get_result({ workflow_id = run.workflow_id }) == 2001)
              end
            end)
          end
          async.all(handles)
          return resident()
        end
        print(json.encode({ batch(300), batch(300), batch(300) }))
        worker:shutdown()
        """,
        name,
    )
    # 300 states of these runs that stay behind would take over 60 MB
    assert value[2] - value[0] < 25 * 1024, value
