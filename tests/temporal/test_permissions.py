"""Permissions of workers, activities and tests, on real servers."""

from __future__ import annotations

from command import Command
from temporal_script import Script

WORKER = """
local queue = ...
local worker = temporal.worker({
  task_queue = queue,
  workflows = {
    Look = function(ctx, paths)
      local outcomes = {}
      for i = 1, #paths do
        local ok, result = pcall(function()
          return ctx:execute_activity("read", paths[i], { retry_policy = { maximum_attempts = 1 } })
        end)
        outcomes[i] = ok and result or "refused"
      end
      local ok, problem = pcall(fs.read, paths[1])
      outcomes[#outcomes + 1] = ok and "read" or tostring(problem):match("not allowed in a workflow")
      return outcomes
    end,
  },
  activities = {
    read = function(path)
      local ok, result = pcall(fs.read, path)
      if not ok then
        assert(result.kind == "denied")
        error(result, 0)
      end
      return result
    end,
  },
})
local client = temporal.connect()
client:start_workflow({
  task_queue = queue, workflow_type = "Look", workflow_id = queue, input = { "file.txt", "/etc/hostname" },
})
print(json.encode(client:get_result({ workflow_id = queue })))
worker:shutdown()
"""


class TestWorker:
    def test_activities_are_under_the_policy_of_the_script(self, lua: Script, name: str) -> None:
        (lua.folder / "file.txt").write_text("text")
        script = lua.command.script(WORKER)
        options = [f"--allow-temporal={lua.address}", "--allow-read=file.txt"]
        result = lua.command.run("run", *options, script, name)
        assert (result.stdout, result.returncode) == ('["text","refused","not allowed in a workflow"]\n', 0), (
            result.stderr
        )

    def test_the_http_api_needs_its_own_place(self, lua: Script) -> None:
        code = f'print(pcall(require("assay.temporal").client, "http://{lua.address}"))'
        result = lua.command.run("exec", "--allow-temporal=localhost:1", "-e", code)
        assert f"--allow-temporal={lua.address} would allow it" in result.stdout

    def test_traces_go_nowhere_by_an_option(self, lua: Script) -> None:
        code = "print(pcall(temporal.connect, { tracing = true }))"
        result = lua.command.run("exec", "--allow-temporal", "-e", code)
        assert "--allow-net=localhost:4318 would allow it" in result.stdout


class TestTests:
    def test_the_server_of_a_test_needs_no_right_and_activities_have_none(self, assay: Command) -> None:
        (assay.folder / "file.txt").write_text("text")
        assay.script(
            """
            temporal.worker({
              task_queue = "q",
              workflows = { Read = function(ctx, input) return ctx:execute_activity("read", input) end },
              activities = {
                read = function(path)
                  local ok, result = pcall(fs.read, path)
                  return ok and result or result.kind
                end,
              },
            })
            """,
            "worker.lua",
        )
        assay.script(
            """
            test("reads", function()
              local environment = test.workflow_env({ script = "worker.lua" })
              assert.eq(environment:execute({ workflow_type = "Read", input = "file.txt" }), "denied")
            end)
            """,
            "some_test.lua",
        )
        refused = assay.run("test", "--sandbox")
        assert refused.returncode == 0, refused.stdout
        allowed = assay.run("test", "--allow-read=file.txt")
        assert (allowed.returncode, 'assert.eq failed: "text" != "denied"' in allowed.stdout) == (1, True)

    def test_a_script_outside_the_test_folder_needs_read_permission(self, assay: Command) -> None:
        code = 'test("reads", function() test.workflow_env({ script = "/etc/hostname" }) end)'
        assay.script(code, "some_test.lua")
        result = assay.run("test", "--sandbox")
        assert "--allow-read=/etc/hostname would allow it" in result.stdout
