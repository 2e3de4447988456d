"""The annotations for editors: their text, and the diagnostics of the Lua language server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from assay.cli import reference
from command import Command
from language_server import SERVER, diagnostics, language_server

EXAMPLES = Path(__file__).parent.parent.parent / "examples"

WORKFLOW = "fun(ctx: Context, input: any, ...: any): any"
ACTIVITY = "fun(input: any, ...: any): any"

MISTAKES = """\
temporal.worker({
  task_queue = "hello",
  activities = {
    greet = function(input)
      activity.hartbeat() --! Undefined field `hartbeat`.
      local response = http.get(input.url)
      return response.boddy --! Undefined field `boddy`.
    end,
  },
  workflows = {
    Greeting = function(ctx, input)
      ctx:exeute_activity("greet") --! Undefined field `exeute_activity`.
      ctx:sleep("x") --! Cannot assign `string` to parameter `number`.
      ctx:start_activity("greet"):gett() --! Undefined field `gett`.
    end,
    Entry = {
      run = function(ctx)
        ctx:slep(1) --! Undefined field `slep`.
      end,
    },
  },
  dynamic_workflow = function(ctx)
    ctx:wait_sginal("x") --! Undefined field `wait_sginal`.
  end,
  nexus_services = {
    service = {
      operation = function(input, request)
        return request.servce --! Undefined field `servce`.
      end,
    },
  },
})
local client = temporal.connect()
client:strt() --! Undefined field `strt`.
local rest = require("assay.temporal").client("http://localhost:7243")
rest:is_workflow_runing("x") --! Undefined field `is_workflow_runing`.
http.serve(8080, {
  GET = {
    ["/"] = function(request)
      return { json = request.parms } --! Undefined field `parms`.
    end,
  },
})
test("it works", function()
  local env = test.workflow_env({
    workflows = {
      Parent = function(ctx)
        ctx:exeute_activity("greet") --! Undefined field `exeute_activity`.
      end,
    },
  })
  env:exec({}) --! Undefined field `exec`.
end)
prnt("x") --! Undefined global `prnt`.
"""

CORRECT = """\
local rest = require("assay.temporal").client("http://localhost:7243")
print(rest:is_workflow_running("x"))

local client = temporal.connect()
local ok, err = pcall(client.describe_workflow, client, { workflow_id = "x" })
print(ok, err.kind)
local ok2, err2 = pcall(client.signal_workflow, client, { workflow_id = "x", signal_name = "y" })
print(ok2, err2.kind, err2.cause.message)
local ok3, err3 = pcall(function()
  client:signal_workflow({ workflow_id = "x", signal_name = "y" })
end)
print(ok3, err3.kind)
local ok4, err4 = pcall(fs.read, "x")
print(ok4, err4.type)

---@param failure Error
local function show(failure)
  print(failure.kind, failure:upper(), "it failed: " .. failure, failure.details)
end

return temporal.worker({
  task_queue = "hello",
  activities = { log = print, none = function() end },
  workflows = {
    Greeting = function(ctx, first, second)
      ctx:on_signal("stop", function(payload)
        print(payload.user)
      end)
      ctx:register_update("add", function(n)
        return n + 1
      end, { validator = function(n)
        assert(n > 0)
      end })
      ctx:shield(function() end)
      ctx:wait_condition(function()
        return first
      end, { timeout = 1 })
      local done, failure = pcall(ctx.execute_activity, ctx, "log")
      if not done then
        show(failure)
      end
      return { first, second }
    end,
  },
})
"""


@pytest.mark.parametrize(
    "line",
    [
        f"---@field workflows? table<string, ({WORKFLOW})|temporal.WorkflowEntry> ",
        f"---@field dynamic_workflow? ({WORKFLOW})|temporal.WorkflowEntry ",
        f"---@field run {WORKFLOW} ",
        f"---@field run {ACTIVITY} ",
        f"---@field activities? table<string, ({ACTIVITY})|temporal.ActivityEntry> ",
        f"---@field workflows? table<string, {WORKFLOW}> ",
        "---@param handler fun(name: string, input: any): any ",
        "---@class temporal.Description: Outcome\n",
        "---@field kind? string ",
        "---@class Error: string\n",
        "---@class http.Request\n",
        "---@return nothing\nfunction Client:signal_workflow(options) end",
    ],
)
def test_they_say_what_functions_get_and_what_pcall_returns(line: str) -> None:
    assert line in reference.stubs()


def test_every_function_that_a_script_gives_has_a_type() -> None:
    untyped = re.findall(r"^---@(?:param|field) \S+ [^ ]*\bfunction\b.*$", reference.stubs(), re.MULTILINE)
    assert untyped == []


def test_declared_argument_and_option_types_exist() -> None:
    for library in reference.libraries():
        stubs = reference.stubs() + "".join(reference.module_stubs().values())
        assert [kind for kind in library.callbacks.values() if kind not in stubs] == []


@pytest.mark.skipif(SERVER is None, reason="needs lua-language-server")
class TestLanguageServer:
    @pytest.fixture
    def project(self, assay: Command) -> Path:
        assert assay.run("new", "project").returncode == 0
        return assay.folder / "project"

    def test_a_new_project_has_no_faults(self, project: Path) -> None:
        assert diagnostics(project) == []

    def test_mistakes_are_flagged(self, project: Path) -> None:
        (project / "worker.lua").write_text(MISTAKES, encoding="utf-8")
        expected = [
            (number, line.partition("--! ")[2])
            for number, line in enumerate(MISTAKES.splitlines(), 1)
            if "--! " in line
        ]
        found = [(line, message.partition("\n")[0]) for file, line, _, message in diagnostics(project)]
        assert found == expected

    def test_correct_code_is_not(self, project: Path) -> None:
        (project / "worker.lua").write_text(CORRECT, encoding="utf-8")
        assert diagnostics(project) == []

    def test_a_workflow_has_the_methods_of_ctx_completed(self, project: Path) -> None:
        (project / "worker.lua").write_text(
            'temporal.worker({ task_queue = "q", workflows = { W = function(ctx)\n  ctx:\nend } })\n', encoding="utf-8"
        )
        with language_server(project) as server:
            server.open("worker.lua")
            offered = server.completions("worker.lua", 2, 7)
        assert len([name for name in offered if "(" in name]) >= 40
        assert any(name.startswith("execute_activity(") for name in offered)
