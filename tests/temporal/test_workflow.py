"""Inside a workflow: isolation, determinism, what is refused."""

from __future__ import annotations

from pathlib import Path

from temporal_script import Script

START = """
local client = temporal.connect()
local function finish(value)
  print(json.encode(value))
  worker:shutdown()
end
local function run(workflow_type, input)
  local id = arg[1] .. "-" .. workflow_type
  client:start_workflow({ task_queue = arg[1], workflow_type = workflow_type, workflow_id = id, input = input })
  local ok, result = pcall(client.get_result, client, { workflow_id = id })
  return ok and result or { error = tostring(result), type = result.type, details = result.details }
end
"""


def test_a_run_sees_nothing_of_another(lua: Script, name: str) -> None:
    (lua.folder / "counter.lua").write_text("local n = 0 return { next = function() n = n + 1 return n end }")
    value = lua.value(
        """
        local counter = require("counter")
        local shared = 0
        local function bump() shared = shared + 1 return shared end
        local methods = { add = function(self) self.n = self.n + 1 return self.n end }
        local list = setmetatable({ n = 0 }, { __index = methods })
        list.self = list
        global_count = 0
        counter.next()
        local function even(n) if n == 0 then return true end return odd(n - 1) end
        function odd(n) if n == 0 then return false end return even(n - 1) end
        function string.shout(s) return s:upper() .. "!" end
        worker = temporal.worker({ task_queue = arg[1],
          activities = { read = function() return { shared, global_count, list.n, counter.next() } end },
          workflows = {
            Touch = function(ctx)
              global_count = global_count + 1
              shared = shared + 10
              return { global_count, bump(), list:add(), list.self:add(), counter.next(), require("counter").next(),
                even(10), odd(7), ctx:execute_activity("read") }
            end,
          },
        })
        """
        + START
        + """
        finish({ run("Touch"), run("Touch"), { shared, global_count, list.n } })
        """,
        name,
    )
    assert isinstance(value, list), value
    first = [1, 11, 1, 2, 2, 3, True, True]
    assert value[0] == [*first, [0, 0, 0, 2]]
    assert value[1] == [*first, [0, 0, 0, 3]]
    assert value[2] == [0, 0, 0]


def test_string_methods_added_by_the_script_come_along(lua: Script, name: str) -> None:
    value = lua.value(
        """
        function string.shout(s) return s:upper() .. "!" end
        string.has = string.find
        string.parse = json.parse
        worker = temporal.worker({ task_queue = arg[1], workflows = {
          Shout = function(ctx, input) return { input:shout(), input:has("y"), ("[1]"):parse() } end,
        } })
        """
        + START
        + """finish(run("Shout", "hey"))""",
        name,
    )
    assert value == ["HEY!", 3, [1]]


def test_what_cannot_come_along_names_itself(lua: Script, name: str) -> None:
    value = lua.value(
        """
        local connection = temporal.connect()
        local co = coroutine.create(function() end)
        worker = temporal.worker({ task_queue = arg[1],
          workflows = {
            Use = function(ctx)
              return { select(2, pcall(function() return connection:describe_workflow("x") end)),
                select(2, pcall(function() return co.x end)) }
            end,
          },
        })
        """
        + START
        + """finish(run("Use"))""",
        name,
    )
    assert "'connection' is a temporal.Client, which cannot be used in a workflow: use it in an activity" in value[0]
    assert "'co' is a thread, which cannot be used in a workflow: use it in an activity" in value[1]


def test_a_stub_is_never_taken_for_data(lua: Script, name: str) -> None:
    value = lua.value(
        """
        local client = temporal.connect()
        local iterator = coroutine.wrap(function() coroutine.yield(1) end)
        local worker = temporal.worker({ task_queue = arg[1], activities = { echo = function(x) return x end },
          workflows = { W = function(ctx)
            local out = {}
            for i, fn in ipairs({
              function() ctx:execute_activity("echo", { deep = { client } }) end,
              function() json.encode(client) end,
              function() coroutine.resume(client) end,
              function() for _ in iterator do end end,
              function() for _ in pairs(client) do end end,
              function() return client end,
            }) do
              local ok, value = pcall(fn)
              out[i] = ok and json.encode({ pcall(json.encode, value) }) or value
            end
            return out
          end } })
        print(json.encode(client:execute_workflow({ task_queue = arg[1], workflow_type = "W" })))
        worker:shutdown()
        """,
        name,
    )
    outside = "cannot be used in a workflow: use it in an activity"
    assert value[0].endswith("bad argument 'input' (not JSON-serializable: a stub of 'client' at .deep[1])")
    assert value[1].endswith("not JSON-serializable: a stub of 'client'")
    assert value[2].endswith("bad argument #1 to 'resume' (thread expected, got stub of 'client')")
    assert f": 'iterator' is a function made by a library, which {outside}" in value[3]
    assert f": 'client' is a temporal.Client, which {outside}" in value[4]
    assert "?" not in value[4]
    assert value[5].startswith("[false,")


def test_io_is_refused(lua: Script, name: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    value = lua.value(
        """
        worker = temporal.worker({ task_queue = arg[1],
          workflows = {
            Try = function(ctx, path)
              local function why(fn, ...) return (select(2, pcall(fn, ...))) end
              return { why(http.get, "http://127.0.0.1:1"), why(fs.write, path, "x"), why(env.get, "HOME"),
                why(sleep, 1), why(temporal.connect), why(os.getenv, "HOME"), why(require, "nope"),
                why(http.serve, 0, {}), why(async.spawn, print), why(os.exit, 3),
                why(temporal.start_workflow, {}), why(temporal.schedules.list) }
            end,
          },
        })
        """
        + START
        + """finish(run("Try", arg[2]))""",
        name,
        str(victim),
    )
    assert isinstance(value, list), value
    assert not victim.exists()
    for text, function in zip(
        value,
        ["http.get", "fs.write", "env.get", "sleep", "temporal.connect", "os.getenv", "require", "http.serve"],
        strict=False,
    ):
        assert text.startswith(f"{function}:")
    assert value[0] == "http.get: not allowed in a workflow: workflow code cannot do I/O; use an activity"
    assert "ctx:sleep" in value[3]
    assert "async.spawn" in value[8]
    assert "os.exit" in value[9]
    assert (
        value[10] == "temporal.start_workflow: not allowed in a workflow: workflow code cannot do I/O; use an activity"
    )
    assert value[11].startswith("temporal.schedules:list: not allowed in a workflow")


def test_time_and_randomness_are_the_workflows(lua: Script, name: str) -> None:
    value = lua.value(
        """
        worker = temporal.worker({ task_queue = arg[1],
          workflows = {
            Look = function(ctx)
              local t = { b = 1, a = 2, [3] = 3, [1] = 1, [true] = 0, [2.5] = 9 }
              local keys = {}
              for k in pairs(t) do keys[#keys + 1] = tostring(k) end
              for k in next, t do keys[#keys + 1] = tostring(k) end
              local first = { time(), os.time(), os.clock() }
              for i = 1, 1e5 do local _ = {} end
              local second = { time(), os.time(), os.clock() }
              local order = {}
              for i = 1, 200 do order[i] = { key = i % 3, at = i } end
              table.sort(order, function(a, b) return a.key < b.key end)
              local stable = true
              for i = 2, 200 do
                stable = stable and (order[i - 1].key < order[i].key or order[i - 1].at < order[i].at)
              end
              local day = { year = 2024, month = 14, day = -1, hour = 36, min = 0 }
              local fields = { os.time(day), day.year, day.month, day.day, day.hour, day.wday, day.yday, day.isdst }
              ctx:sleep(1.5)
              return { keys = keys, same = json.encode(first) == json.encode(second), later = time() - first[1],
                fields = fields, date = os.date("%Y-%m-%d %H:%M:%S", 86400),
                epoch = os.time({ year = 1970, month = 1, day = 2, hour = 0 }),
                tables = { tostring({}), tostring(print), string.format("%s", {}) }, stable = stable,
                info = ctx:workflow_info().start_time - first[1] }
            end,
          },
        })
        """
        + START
        + """finish(run("Look"))""",
        name,
    )
    order = ["1", "2.5", "3", "a", "b", "false", "true"]
    assert value["keys"] == [k for k in order if k != "false"] * 2
    assert value["same"] is True
    assert 1.4 < value["later"] < 60
    assert value["date"] == "1970-01-02 00:00:00"
    assert value["epoch"] == 86400
    assert value["fields"] == [1738324800, 2025, 1, 31, 12, 6, 31, False]
    assert value["tables"] == ["table: 0x00000002", "function: 0x00000003", "table: 0x00000004"]
    assert value["stable"] is True
    assert abs(value["info"]) < 60


def test_side_effects(lua: Script, name: str) -> None:
    value = lua.value(
        """
        worker = temporal.worker({ task_queue = arg[1],
          workflows = {
            Effects = function(ctx)
              local count = 0
              local function fails(fn) return (select(2, pcall(ctx.side_effect, ctx, fn))) end
              local values = {
                ctx:side_effect(function() count = count + 1 return { count, { a = json.empty_array } } end),
                ctx:side_effect(function() return time() end) > 1.7e9,
                #ctx:side_effect(function() return crypto.random(16) end),
                ctx:side_effect(function() return math.random(5, 5) end),
                tostring(fails(function() error("OOPS: in there") end)),
                fails(function() error("OOPS: in there") end).type,
                tostring(fails(function() ctx:sleep(1) end)),
                tostring(fails(function() http.get("http://127.0.0.1:1") end)),
                ctx:side_effect(function() end) == nil,
              }
              return { values, count }
            end,
          },
        })
        """
        + START
        + """finish(run("Effects"))""",
        name,
    )
    assert isinstance(value, list), value
    values, count = value
    assert count == 0  # a side effect works on a copy
    assert values[:4] == [[1, {"a": []}], True, 32, 5]
    assert "OOPS: in there" in values[4]
    assert values[5] == "OOPS"
    assert "'ctx' is a Context, which cannot be used in a side effect: read the values it needs" in values[6]
    assert "http.get: not allowed in a workflow" in values[7]
    assert values[8] is True


def test_signals_are_kept_in_order(lua: Script, name: str) -> None:
    value = lua.value(
        """
        worker = temporal.worker({ task_queue = arg[1],
          workflows = {
            Collect = function(ctx)
              local out = {}
              for i = 1, 5 do out[i] = ctx:wait_signal("n") end
              out[6] = ctx:wait_signal("n", { timeout = 0.01 }) == nil
              return out
            end,
          },
        })
        """
        + START
        + """
        worker:shutdown()
        client:start_workflow({ task_queue = arg[1], workflow_type = "Collect", workflow_id = arg[1] })
        for i = 1, 5 do client:signal_workflow({ workflow_id = arg[1], signal_name = "n", input = i }) end
        worker = temporal.worker({ task_queue = arg[1], workflows = { Collect = function(ctx)
          local out = {}
          for i = 1, 5 do out[i] = ctx:wait_signal("n") end
          out[6] = ctx:wait_signal("n", { timeout = 0.01 }) == nil
          return out
        end } })
        finish(client:get_result({ workflow_id = arg[1] }))
        """,
        name,
    )
    assert value == [1, 2, 3, 4, 5, True]


def test_errors_of_a_workflow(lua: Script, name: str) -> None:
    value = lua.value(
        """
        worker = temporal.worker({ task_queue = arg[1],
          workflows = {
            Text = function() error("PERMISSION_DENIED: you") end,
            Bug = function() local t = nil; return t.x end,
            Unfit = function() return print end,
            BadInput = function(ctx) ctx:execute_activity("x", { print }) end,
            BadOption = function(ctx) return ctx:execute_activity("x", nil, { start_to_clos_timeout = 1 }) end,
            NoNumber = function(ctx) return ctx:sleep(0 / 0) end,
            Table = function(ctx) error({ code = 7 }) end,
            Large = function(ctx) error({ text = ("x"):rep(5000) }) end,
            Handler = function(ctx) -- one that raises, and one that waits
              return { { xpcall(error, function(e) return e.x.y end, "x") },
                { xpcall(error, function(e) ctx:sleep(0.01) end, "x") } }
            end,
            Remote = function(ctx)
              return ctx:execute_activity("table", nil, { retry_policy = { maximum_attempts = 1 } })
            end,
          },
          activities = { table = function() error({ code = 5 }) end },
        })
        """
        + START
        + """
        finish({ run("Text"), run("Bug"), run("Unfit"), run("BadInput"), run("BadOption"), run("NoNumber"),
          run("Table"), run("Large"), run("Remote"), run("Handler") })
        """,
        name,
    )
    assert value[0] == {"error": "script.lua:4: PERMISSION_DENIED: you", "type": "PERMISSION_DENIED"}
    assert value[1]["error"].startswith("script.lua:5: attempt to index a nil value")
    assert value[1]["type"] == "LuaError"
    assert "the result is not serializable: a function" in value[2]["error"]
    assert (
        "script.lua:7: ctx:execute_activity: bad argument 'input' (not JSON-serializable: a function"
        in value[3]["error"]
    )
    assert "unknown option 'start_to_clos_timeout' (did you mean 'start_to_close_timeout'?)" in value[4]["error"]
    assert "ctx:sleep: bad argument 'duration'" in value[5]["error"]
    assert value[6]["details"] == {"code": 7}
    assert value[6]["error"] == '(error object is a table value) {"code": 7}'
    assert value[7]["error"].startswith('(error object is a table value) {"text": "xxx')
    assert value[7]["error"].endswith("x… (of 5044 characters)")
    assert value[7]["details"] == {"text": "x" * 5000}
    assert value[8]["error"] == "activity 'table' failed: (error object is a table value) {\"code\": 5}"
    assert value[8]["details"] == {"code": 5}
    assert value[9] == [[False, "error in error handling"]] * 2  # as everywhere in Lua
    shown = lua.cli("workflow", "show", "--workflow-id", f"{name}-Bug")["events"]
    failure = shown[-1]["workflowExecutionFailedEventAttributes"]["failure"]
    assert "script.lua:5" in failure["stackTrace"]
    assert ".py" not in failure["stackTrace"]


def test_an_error_keeps_its_causes(lua: Script, name: str) -> None:
    value = lua.value(
        """
        worker = temporal.worker({ task_queue = arg[1],
          activities = {
            root = function() error({ type = "ROOT", message = "root", details = { 1 }, non_retryable = true }) end,
            text = function() error({ message = "page", cause = "NO_ROUTE: to host", non_retryable = true }) end,
          },
          workflows = {
            Wraps = function(ctx, activity)
              local _, err = pcall(ctx.execute_activity, ctx, activity)
              error({ type = "OUTER", message = "outer", cause = err })
            end,
            Own = function() local err = { message = "own" } err.cause = err; error(err) end,
            Answers = function(ctx)
              local function fail()
                local _, err = pcall(ctx.execute_activity, ctx, "root")
                error({ message = "refused", cause = err })
              end
              ctx:register_update("fail", fail)
              local function refuse() error({ message = "no", cause = "why" }) end
              ctx:register_update("reject", print, { validator = refuse })
              ctx:wait_signal("end")
            end,
          },
        })
        """
        + START
        + """
        local function causes(method, options)
          local _, err = pcall(method, client, options)
          local texts = {}
          while err do
            texts[#texts + 1] = tostring(err) .. " (" .. err.type .. ")"
            err = err.cause
          end
          return texts
        end
        local function failed(workflow_type, input)
          return causes(client.execute_workflow, { task_queue = arg[1], workflow_type = workflow_type, input = input })
        end
        client:start_workflow({ task_queue = arg[1], workflow_type = "Answers", workflow_id = arg[1] })
        local function answer(update)
          return causes(client.update_workflow, { workflow_id = arg[1], update_name = update })
        end
        finish({ failed("Wraps", "root"), failed("Wraps", "text"), failed("Own"), answer("fail"), answer("reject") })
        """,
        name,
    )
    root = ["activity 'root' failed: root (ROOT)", "root (ROOT)"]
    text = ["activity 'text' failed: page (LuaError)", "page (LuaError)", "NO_ROUTE: to host (NO_ROUTE)"]
    assert value[0] == ["outer (OUTER)", *root]
    assert value[1] == ["outer (OUTER)", *text]
    assert value[2] == ["own (LuaError)"]
    assert value[3] == ["refused (LuaError)", *root]
    assert value[4] == ["no (LuaError)", "why (LuaError)"]


def test_cancellation_ends_as_cancelled(lua: Script, name: str) -> None:
    value = lua.value(
        """
        worker = temporal.worker({ task_queue = arg[1],
          activities = { clean = function() return "clean" end, long = function() sleep(600) end },
          workflows = {
            Sleeps = function(ctx) ctx:sleep(600) end,
            Cleans = function(ctx)
              local ok, err = pcall(ctx.wait_signal, ctx, "never")
              return { ok, err.kind, tostring(err) }
            end,
            Activity = function(ctx) ctx:execute_activity("long", nil, { heartbeat_timeout = 600 }) end,
          },
        })
        """
        + START
        + """
        local out = {}
        for _, workflow_type in ipairs({ "Sleeps", "Cleans", "Activity" }) do
          local started = client:start_workflow({ task_queue = arg[1], workflow_type = workflow_type })
          while client:describe_workflow(started.workflow_id).history_length < 4 do sleep(0.02) end
          client:cancel_workflow(started.workflow_id)
          local ok, result = pcall(client.get_result, client, { workflow_id = started.workflow_id })
          out[#out + 1] = { client:describe_workflow(started.workflow_id).status, ok and result or result.kind }
        end
        print(json.encode(out))
        os.exit(0)
        """,
        name,
    )
    assert value == [
        ["CANCELED", "cancelled"],
        ["COMPLETED", [False, "cancelled", "cancelled"]],
        ["CANCELED", "cancelled"],
    ]


def test_what_side_effects_and_queries_write_is_gone(lua: Script, name: str) -> None:
    value = lua.value(
        """
        n = 0
        worker = temporal.worker({ task_queue = arg[1],
          workflows = {
            Write = function(ctx)
              local state = { seen = 1 }
              ctx:register_query("mutate", function()
                n, state.seen = n + 5, state.seen + 1
                return { n, state.seen }
              end)
              ctx:side_effect(function() n = n + 1 math.randomseed(1) tostring({}) state.seen = 9 return n end)
              local go = ctx:wait_signal("go")
              return { n, state.seen, tostring({}) }
            end,
          },
        })
        """
        + START
        + """
        client:start_workflow({ task_queue = arg[1], workflow_type = "Write", workflow_id = arg[1] })
        local function ask() return client:query_workflow({ workflow_id = arg[1], query_type = "mutate" }) end
        while not pcall(ask) do sleep(0.05) end
        local asked = { ask(), ask() }
        client:signal_workflow({ workflow_id = arg[1], signal_name = "go" })
        finish({ asked, client:get_result({ workflow_id = arg[1] }) })
        """,
        name,
    )
    assert value == [[[5, 2], [5, 2]], [0, 1, "table: 0x00000002"]]
