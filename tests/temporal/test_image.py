"""The image: what its Dockerfile starts, run from the wheel as the image has it, without the source tree."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

from command import TIMEOUT, read_until, wait_for
from prometheus import free_port
from temporal_script import Script

ROOT = Path(__file__).parent.parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()

WORKER = """
temporal.worker({
  task_queue = "image",
  activities = { greet = function(name) return "Hello, " .. name end },
  workflows = { Greet = function(ctx, name) return ctx:execute_activity("greet", name) end },
})
print("up")
"""


def instruction(name: str) -> list[str]:
    """The last instruction of a kind in the Dockerfile, in its JSON form."""
    found: list[str] = json.loads(re.findall(rf"{name} (\[.*\])$", DOCKERFILE, re.MULTILINE)[-1])
    return found


def installed(folder: Path) -> Path:
    """The scripts of a new virtual environment with the wheel; the dependencies are those of the tests."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder / "dist")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=TIMEOUT)
    venv.create(folder / "venv", with_pip=True)
    [packages] = (folder / "venv" / "lib").glob("python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))  # what a .pth there names is not added
    scripts = folder / "venv" / "bin"
    [wheel] = (folder / "dist").glob("*.whl")
    pip = [str(scripts / "python"), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, str(wheel)], check=True, timeout=TIMEOUT)
    return scripts


def test_a_workflow_runs_from_the_wheel_with_the_commands_of_the_image(lua: Script, tmp_path: Path) -> None:
    scripts = installed(tmp_path)
    lua.command.path = str(scripts / "assay")
    port = f":{free_port()}"
    [entry] = instruction("ENTRYPOINT")
    start = [argument.replace(":8080", port) for argument in instruction("CMD")]
    check = [argument.replace(":8080", port) for argument in instruction("HEALTHCHECK .* CMD")]
    assert (entry, check[0]) == ("assay", "assay")

    where = [str(scripts / "python"), "-c", "import assay; print(assay.__file__)"]
    environment = lua.command.environment
    imported = subprocess.check_output(where, cwd=tmp_path, env=environment, text=True, timeout=TIMEOUT)
    assert Path(imported).is_relative_to(tmp_path)

    lua.command.script(WORKER, start[-1])
    with lua.command.started(*start) as worker:
        read_until(worker, "up")
        given = ("--type", "Greet", "--task-queue", "image", "--workflow-id", "image", "--input", '"Jane"')
        assert lua.cli("workflow", "execute", *given)["result"] == "Hello, Jane"
        wait_for(lambda: lua.command.run(*check[1:]).returncode == 0)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(TIMEOUT) == 0


def test_the_image_copies_all_that_the_wheel_is_built_from() -> None:
    copied = set(re.findall(r"^COPY (?!--)(.*) \S+$", DOCKERFILE, re.MULTILINE))
    names = {name for line in copied for name in line.split()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["force-include"], "src", project["project"]["readme"], *project["project"]["license-files"]}
    assert needed <= names
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert names == sent
