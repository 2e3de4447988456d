"""The code blocks of README.md and docs/ run unchanged, except for the names of queues and workflows.

A block that says `no-run` is only compiled. `test_guide_programs.py` runs the whole programs of the guides. The
snippets of `client.md` and of `connecting.md` have separate tests.
"""

from __future__ import annotations

import configparser
import json
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import yaml
from temporalio.envconfig import ClientConfig

from assay.temporal.dev_server.server import DevServer, is_free
from command import Command, wait_for, without_lifecycle
from guide_programs import files, shell
from guides import ROOT, blocks, languages
from temporal_script import Script
from timeouts import TIMEOUT

REFERENCE = ROOT / "docs" / "reference"
GUIDES: dict[str, list[str] | None] = {
    "README.md": ["sh", "sh", "lua", "sh", "lua", "json", "sh", "python"],
    "docs/client.md": [*["lua"] * 10, "sh"],  # test_client_guide.py, test_workflow_calls.py
    "docs/command-line.md": None,  # test_command_page.py
    "docs/concurrency.md": ["lua"] * 5,  # test_guides_workflows.py
    "docs/connecting.md": ["toml", "lua", "lua", "lua", "sh"],  # test_connection.py, test_codec_server.py
    "docs/debugging.md": ["json", "", "sh", "json", "lua"],  # test_debug_launch.py
    "docs/deploy.md": [
        "sh",
        "",
        "yaml",
        "lua",
        "sh",
        "sh",
        "sh",
        "dockerfile",
        "sh",
        "yaml",
        "sh",
        "ini",
        "sh",
        "toml",
    ],
    "docs/determinism.md": ["lua"],
    "docs/environment.md": ["lua"],
    "docs/errors.md": ["lua", ""],  # test_error_catalogue.py
    "docs/failures.md": [*["lua"] * 3, "sh"],  # test_guides_workflows.py
    "docs/first-workflow.md": ["sh"] * 5,
    "docs/index.md": ["lua"],
    "docs/from-other-sdks.md": ["python"],  # for comparison
    "docs/installation.md": [*["sh"] * 4, "", "sh", "sh"],
    "docs/messages.md": [*["lua"] * 4, "sh"],  # test_guides_workflows.py
    "docs/modules.md": ["sh", "lua"],
    "docs/observability.md": ["lua", "sh", "", "", "", "lua", "lua"],
    "docs/permissions.md": ["sh", "toml", "lua", "python"],  # permissions/test_guide.py
    "docs/runbooks.md": ["lua", "sh", "sh", ""],  # test_doctor.py
    "docs/simulation.md": ["lua", "sh", "lua", "lua"],  # schedules/test_simulation_guide.py
    "docs/templates.md": ["lua"],  # test_templates.py
    "docs/testing.md": ["lua", "sh", "", "sh"],
    "docs/versioning.md": ["lua", "lua", "sh", "", "sh", "", "lua", "sh", *["lua"] * 3],
    "examples/README.md": ["sh"],
    "examples/promotion/README.md": ["sh", "sh"],  # test_cli_tools.py
}
QUEUE = """
local start, workers = temporal.worker, {}
function temporal.worker(options)
  options.task_queue = arg[1]
  workers[#workers + 1] = start(options)
end
"""
PROMOTION = """
temporal.worker({
  task_queue = arg[1] or "replay",
  activities = { prepare = print, scan = print, deploy = print, notify = print },
  workflows = {
    PromotionWorkflow = function(ctx, input)
      PREPARE
      STEPS
      if not ctx:wait_signal("approve", { timeout = 86400 }) then return { status = "timed_out" } end
      return { status = "done" }
    end,
  },
})
"""


def test_no_block_is_forgotten() -> None:
    guides = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.md")]
    found = {str(path.relative_to(ROOT)): known for path in guides if (known := languages(str(path)))}
    assert found == {name: found.get(name) if known is None else known for name, known in GUIDES.items()}


@pytest.mark.parametrize("guide", ["determinism", "environment", "index", "observability", "runbooks", "versioning"])
def test_the_scripts_of_a_guide(lua: Script, name: str, guide: str) -> None:
    """The blocks of a guide form one script."""
    scripts = blocks(f"docs/{guide}.md", "lua")
    never = [f"local function never()\n{script}\nend" for script in blocks(f"docs/{guide}.md", "lua no-run")]
    end = "for _, worker in ipairs(workers) do worker:shutdown() end"
    result = lua.run("\n".join([QUEUE, *scripts, *never, end]), name)
    assert (result.returncode, without_lifecycle(result.stderr)) == (0, [])


def test_the_readme(lua: Script, temporal_dev_server: DevServer, name: str) -> None:
    for script in blocks("README.md", "lua"):
        file = re.match(r"-- (\S+)\n", script)
        assert file is not None
        lua.command.script(script.replace('"hello"', f'"{name}"'), file[1])
    with lua.command.started("run", "hello.lua"):
        result = lua.command.run("start.lua", f"{temporal_dev_server.http_url}/api/v1/system-info")
    assert result.returncode == 0, result.stderr
    page = json.loads(result.stdout)
    assert (page["status"], page["approved_by"], page["bytes"] > 10) == (200, "jane", True)
    (shown,) = blocks("README.md", "json")
    assert re.sub(r"\d{2,}", "N", result.stdout) == re.sub(r"\d{2,}", "N", shown)


def test_the_python_of_the_readme(assay: Command) -> None:
    for program in blocks("README.md", "python"):
        result = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=TIMEOUT, check=True
        )
        assert result.stdout == "3\n"


def test_the_check_of_an_installation(assay: Command) -> None:
    (command,) = (text for text in blocks("docs/installation.md", "sh") if "assay exec" in text)
    assert shell(assay, command).stdout == blocks("docs/installation.md", "")[0]


def test_the_commands_of_the_readme(assay: Command) -> None:
    lines = "".join(blocks("README.md", "sh") + blocks("examples/promotion/README.md", "sh")).splitlines()
    commands = {line.split("#")[0].strip() for line in lines}
    makefile = (ROOT / "Makefile").read_text()
    for target in {line.split()[1] for line in commands if line.startswith("make ")}:
        assert f"\n{target}:" in makefile
    names = {line.split()[1].strip(",") for line in commands if line.startswith("assay ")}
    assert len(names) > 8
    for command in names - {"SCRIPT"}:
        assert assay.run(command, "--help").returncode == 0, command


def test_the_first_workflow(lua: Script) -> None:
    guide = "docs/first-workflow.md"
    _, make, dev, begin, reply = blocks(guide, "sh")
    assert shell(lua.command, make).returncode == 0
    lua.command.folder /= "hello"
    assert files(guide) == {name: (lua.command.folder / name).read_text() for name in files(guide)}
    again = dev.replace("--db hello.db ", "").split()[1:]  # the server of this test keeps its state anyway
    with lua.command.started(*again) as process:
        assert shell(lua.command, begin).returncode == 0
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=TIMEOUT)
    with lua.command.started(*again) as process:
        result = shell(lua.command, reply)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=TIMEOUT)
    assert result.returncode == 0, result.stderr
    assert "at last" in result.stdout


def test_testing(assay: Command) -> None:
    (simple,) = blocks("docs/testing.md", "lua")
    assay.script("local function total(items) return items[1] + items[2] end\n" + simple, "prices_test.lua")
    for name, text in files("docs/testing.md").items():
        assay.script(text, name)
    covered, junit = (shell(assay, command) for command in blocks("docs/testing.md", "sh"))
    assert (covered.returncode, junit.returncode) == (0, 0), covered.stderr + junit.stderr
    assert blocks("docs/testing.md", "")[0] in covered.stdout
    assert (assay.folder / "results.xml").read_text().count("<testcase ") == 3


def test_changing(lua: Script, name: str) -> None:
    def renamed(text: str) -> str:
        return text.replace("promote-7", name).replace('"promotions"', f'"{name}"')

    def change(steps: str, line: int = 0) -> None:
        prepared = PROMOTION.replace("PREPARE", 'ctx:execute_activity("prepare", input)')
        before = prepared[: prepared.index("STEPS")].count("\n")
        lua.command.script("\n" * max(line - before - 1, 0) + prepared.replace("STEPS", steps), "worker.lua")

    change('ctx:execute_activity("deploy", input)')
    with lua.command.started("worker.lua", name) as process:
        start = ("--workflow-id", name, "--type", "PromotionWorkflow", "--task-queue", name, "--input", "{}")
        lua.cli("workflow", "start", *start)
        wait_for(lambda: lua.events(name).count("ACTIVITY_TASK_COMPLETED") >= 2)
        process.terminate()
        process.wait(TIMEOUT)
    (lua.folder / "histories").mkdir()
    live, kept, _ = map(renamed, blocks("docs/versioning.md", "sh"))
    kept = kept.replace("temporal workflow", f"temporal --address {lua.address} workflow")
    wait_for(lambda: "1 history" in shell(lua.command, live).stdout)  # lists lag behind

    change('ctx:execute_activity("scan", input)\nctx:execute_activity("deploy", input)', line=31)
    result = shell(lua.command, live)
    assert result.returncode == 1
    shown = re.sub(" +$", "", result.stdout, flags=re.MULTILINE)
    assert renamed(blocks("docs/versioning.md", "")[0]) in shown
    both, new, _ = blocks("docs/versioning.md", "lua no-run")
    change(both)
    for command in live, kept:
        result = shell(lua.command, command)
        assert (result.returncode, "it matches" in result.stdout + result.stderr) == (0, True), result
    (show,) = map(renamed, blocks("docs/observability.md", "sh"))
    timeline = shell(lua.command, show).stdout
    first, second, *_ = map(renamed, blocks("docs/observability.md", "")[0].splitlines())
    assert timeline.startswith(f"{first}\n{second.split()[0]} ")
    assert 'ctx:execute_activity("prepare", input)' in timeline
    change(new)
    assert shell(lua.command, live).returncode == 1  # not while such a run is open


def test_the_example_in_the_reference(lua: Script, temporal_dev_server: DevServer, name: str) -> None:
    """The only example in a docstring: the client of the HTTP API."""
    texts = {path.stem: re.sub(r"(?ms)^```.*?^```", "", path.read_text()) for path in REFERENCE.glob("*.md")}
    found = {name: re.findall(r"^    (?!- )(.*)$", text, re.MULTILINE) for name, text in texts.items()}
    ((module, lines),) = ((module, lines) for module, lines in found.items() if lines)
    assert module == "assay.temporal"
    lua.cli("workflow", "start", "--workflow-id", name, "--type", "Nobody", "--task-queue", name)
    example = "\n".join(lines).replace("http://localhost:7243", temporal_dev_server.http_url)
    example = example.replace('"orders"', '"default"')
    deadline = time.monotonic() + TIMEOUT
    while f"{name}\tNobody\n" not in (result := lua.run(example)).stdout and time.monotonic() < deadline:
        assert result.returncode == 0, result.stderr
    assert f"{name}\tNobody\n" in result.stdout


class TestDeploying:
    """docs/deploy.md"""

    guide = "docs/deploy.md"

    def block(self, language: str) -> str:
        (text,) = blocks(self.guide, language)
        return text

    def grace(self, script: str) -> float:
        found = re.search(r"graceful_shutdown_timeout = (\d+)", script)
        assert found is not None
        return float(found[1])

    def test_from_the_checks_to_the_end(self, lua: Script, name: str) -> None:
        port = next(port for port in range(20_000, 30_000) if is_free(port))
        commit = "4f2c1d0"
        script = self.block("lua").replace('"promotions"', f'"{name}"').replace("9464", str(port))
        lua.command.script(
            "local activities = { look = print }\n"
            'local workflows = { Promote = function(ctx) return ctx:wait_signal("go") end }\n' + script,
            "worker.lua",
        )
        lua.command.script('test("nothing", function() end)', "worker_test.lua")
        lua.command.environment["GIT_COMMIT"] = commit
        versions = blocks("docs/versioning.md", "sh")[2].replace("promotions", name)
        versions = versions.replace("temporal worker", f"temporal --address {lua.address} worker")
        current, ramping, describe = versions.splitlines()
        with lua.command.started("run", "worker.lua") as process:
            wait_for(lambda: shell(lua.command, current).returncode == 0)  # the server learns of the version late
            lua.cli("workflow", "start", "--workflow-id", name, "--type", "Promote", "--task-queue", name)
            checks = blocks(self.guide, "sh")[0].replace('"promotions"', f'"{name}"')
            result = shell(lua.command, checks)
            assert result.returncode == 0, result.stdout + result.stderr
            assert "ok      replay" in result.stdout
            assert commit in shell(lua.command, describe).stdout
            assert ramping.endswith("--percentage 10 --yes")
            process.send_signal(signal.SIGTERM)
            _, stderr = process.communicate(timeout=TIMEOUT)
        assert (process.returncode, without_lifecycle(stderr)) == (0, [])

    def test_the_files_fit_the_script(self) -> None:
        script, unit = self.block("lua"), configparser.ConfigParser()
        unit.read_string(self.block("ini"))
        assert float(unit["Service"]["TimeoutStopSec"]) > self.grace(script)
        assert unit["Service"]["ExecStart"].split()[1:] == ["run", "/srv/promotions/worker.lua"]
        _, values = map(yaml.safe_load, blocks(self.guide, "yaml"))
        assert values["terminationGracePeriodSeconds"] > self.grace(script)
        assert f':{values["metrics"]["port"]}"' in script
        assert all(f'env.get("{name}")' in script for name in values["env"])


@pytest.mark.parametrize("guide", ["docs/connecting.md", "docs/deploy.md"])
def test_the_profiles(tmp_path: Path, guide: str) -> None:
    (text,) = blocks(guide, "toml")
    file = tmp_path / "temporal.toml"
    file.write_text(text)
    known = ClientConfig.load(config_source=file, config_file_strict=True, override_env_vars={}).to_dict()
    for profile, fields in tomllib.loads(text)["profile"].items():
        assert known[profile].keys() == fields.keys()
