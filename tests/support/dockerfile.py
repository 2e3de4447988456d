"""The Dockerfile of the image, and its build stage run without Docker."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "Dockerfile").read_text()
BUILD_TIMEOUT = 1200.0  # the dependencies are downloaded
UV = re.compile(r"pip install --no-cache-dir uv==([\d.]+)")
"""The installation of uv, which is already installed for the tests."""


def last(name: str) -> list[str]:
    """The last instruction of a kind, in its JSON form."""
    found: list[str] = json.loads(re.findall(rf"{name} (\[.*\])$", TEXT, re.MULTILINE)[-1])
    return found


def build_stage() -> list[tuple[str, str]]:
    """The instructions of the first stage: names and arguments."""
    stage = re.split(r"^FROM .*$", TEXT, flags=re.MULTILINE)[1].replace("\\\n", " ")
    lines = [line.strip() for line in stage.splitlines() if line.strip() and not line.startswith("#")]
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]


class Build:
    """The files of the build stage, created by running its commands with an empty folder as the root."""

    def __init__(self, root: Path) -> None:
        """Run the instructions in order; `root` is the empty folder."""
        self.root = root
        self._folder = root
        path = f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}"
        self._environment = {**os.environ, "PATH": path, "UV_PYTHON": sys.executable}
        for name in ("PYTHONPATH", "VIRTUAL_ENV"):
            self._environment.pop(name, None)
        for name, rest in build_stage():
            getattr(self, f"_{name.lower()}")(rest)

    @property
    def scripts(self) -> Path:
        """The folder with the commands of the environment."""
        return self.root / "opt" / "assay" / "bin"

    def _env(self, rest: str) -> None:
        for pair in rest.split():
            name, _, value = pair.partition("=")
            self._environment[name] = value

    def _workdir(self, rest: str) -> None:
        self._folder = self.root / rest.lstrip("/")
        self._folder.mkdir(parents=True)

    def _copy(self, rest: str) -> None:
        *names, target = rest.split()
        for name in names:
            source, place = ROOT / name, (self._folder / target).resolve()
            if source.is_dir():
                shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, place)

    def _run(self, rest: str) -> None:
        if UV.search(rest):
            return
        command = re.sub(r"(?<=[\s=])/opt/", f"{self.root}/opt/", rest)
        result = subprocess.run(
            ["sh", "-euc", command],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=BUILD_TIMEOUT,
            check=False,
        )
        assert result.returncode == 0, f"{command}\n{result.stderr}"
