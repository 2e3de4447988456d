"""The module search of `require`: the order of folders, and modules whose name begins with `assay.`."""

from __future__ import annotations

from pathlib import Path

import pytest

from command import Command


@pytest.fixture
def project(assay: Command) -> Command:
    """A script in app/ that prints what a module returns, and folders for shared modules."""
    folder = assay.folder
    for path in ("app/modules", "first", "second", ".assay/modules"):
        (folder / path).mkdir(parents=True)
    (folder / "app" / "script.lua").write_text("print((require(arg[1])))")
    assay.environment["ASSAY_MODULES_PATH"] = f"{folder / 'first'}:{folder / 'second'}"
    return assay


def write(project: Command, path: str) -> Path:
    """A module that returns its own path."""
    file = project.folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"return '{path}'")
    return file


def required(project: Command, name: str) -> str:
    result = project.run("run", "app/script.lua", name)
    return result.stdout.rstrip("\n") or result.stderr


def test_folders_are_searched_in_the_documented_order(project: Command) -> None:
    places = ["app/modules/a.lua", "app/a.lua", "first/a.lua", "second/a.lua", ".assay/modules/a.lua"]
    files = [write(project, place) for place in places]
    for place, file in zip(places, files, strict=True):
        assert required(project, "a") == place
        file.unlink()
    assert "module 'a' not found" in required(project, "a")


def test_a_file_comes_before_a_folder_with_init(project: Command) -> None:
    write(project, "app/modules/a/init.lua")
    file = write(project, "app/modules/a.lua")
    assert required(project, "a") == "app/modules/a.lua"
    file.unlink()
    assert required(project, "a") == "app/modules/a/init.lua"


def test_a_name_with_the_prefix_assay_is_also_found_without_it(project: Command) -> None:
    for place in ("app/modules/gitlab.lua", "first/gitlab.lua", "second/gitlab.lua", ".assay/modules/gitlab.lua"):
        file = write(project, place)
        assert required(project, "assay.gitlab") == place
        file.unlink()
    write(project, "app/modules/ory/keto.lua")
    assert required(project, "assay.ory.keto") == "app/modules/ory/keto.lua"


def test_the_full_name_comes_before_the_one_without_the_prefix(project: Command) -> None:
    write(project, "app/modules/gitlab.lua")
    write(project, ".assay/modules/assay/gitlab.lua")
    assert required(project, "assay.gitlab") == ".assay/modules/assay/gitlab.lua"


def test_a_module_without_prefix_is_not_searched_in_the_scripts_folder(project: Command) -> None:
    write(project, "app/gitlab.lua")
    error = required(project, "assay.gitlab")
    assert "module 'assay.gitlab' not found" in error
    assert "app/modules/gitlab.lua'" in error
    assert "app/gitlab.lua'" not in error


def test_a_built_in_module_is_not_replaced_by_a_file_without_the_prefix(project: Command) -> None:
    write(project, "app/modules/temporal.lua")
    assert required(project, "assay.temporal").startswith("table: ")
    assert required(project, "temporal") == "app/modules/temporal.lua"
