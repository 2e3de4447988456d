"""The files of a release: wheel, source distribution, SBOM, notes."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path
from types import ModuleType

import pytest
import yaml

import assay
from guides import ROOT
from timeouts import TIMEOUT

WORKFLOWS = ROOT / ".github" / "workflows"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("release", ROOT / "tools" / "release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


release = load()


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that `make dist` builds, without the site."""
    folder = tmp_path_factory.mktemp("dist")
    hatchling = os.path.join(sysconfig.get_path("scripts"), "hatchling")
    subprocess.run([hatchling, "build", "-d", str(folder)], cwd=ROOT, check=True, timeout=300, capture_output=True)
    script = ROOT / "tools" / "release.py"
    subprocess.run([sys.executable, script, folder], check=True, timeout=TIMEOUT)
    return folder


def test_the_wheel_is_complete(dist: Path) -> None:
    (wheel,) = dist.glob("assay_lua-*-py3-none-any.whl")
    assert release.check_wheel(wheel) == []


def test_the_source_distribution_has_what_the_wheel_is_built_from(dist: Path) -> None:
    (archive,) = dist.glob("assay_lua-*.tar.gz")
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "docs/index.md", "src/assay/runtime.py"} <= names


def test_the_sbom_has_each_dependency_with_its_hashes(dist: Path) -> None:
    (file,) = dist.glob("*.cdx.json")
    bill = json.loads(file.read_text("utf-8"))
    components = {item["name"]: item for item in bill["components"]}
    assert (bill["bomFormat"], bill["metadata"]["component"]["version"]) == ("CycloneDX", assay.__version__)
    assert release.dependencies() <= components.keys()
    assert "multidict" in components, "what a dependency needs"
    assert "pytest" not in components
    assert all(item["externalReferences"][0]["hashes"] for item in components.values())
    assert re.fullmatch(r"pkg:pypi/lupa@[0-9.]+", components["lupa"]["purl"])


def test_the_changelog_has_the_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    versions = re.findall(r"^## (\S+)(?: - (\d{4}-\d\d-\d\d))?$", text, re.MULTILINE)
    assert versions[0] == ("Unreleased", "")
    assert all(date for _, date in versions[1:])
    assert release.notes(assay.__version__).startswith("The first release.")
    sections = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    assert sections <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_a_release_needs_the_right_tag_and_real_addresses(dist: Path) -> None:
    script = ROOT / "tools" / "release.py"
    result = subprocess.run(
        [sys.executable, script, dist, "--tag", "v9.9.9"], check=False, timeout=TIMEOUT, capture_output=True, text=True
    )
    assert result.returncode == 1
    assert f"the tag v9.9.9 does not match the version {assay.__version__}" in result.stderr


@pytest.mark.parametrize("path", sorted(WORKFLOWS.glob("*.yml")), ids=lambda path: path.stem)
def test_a_workflow_uses_targets_that_exist(path: Path) -> None:
    jobs = yaml.safe_load(path.read_text("utf-8"))["jobs"]
    commands = "\n".join(step.get("run", "") for job in jobs.values() for step in job["steps"])
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"\bmake (\w+)", commands):
        assert f"\n{target}:" in makefile


def test_ci_tests_the_python_versions_that_the_package_names() -> None:
    ci = yaml.safe_load((WORKFLOWS / "ci.yml").read_text("utf-8"))
    tested = ci["jobs"]["test"]["strategy"]["matrix"]["python"]
    named = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text("utf-8"))
    assert tested == named
