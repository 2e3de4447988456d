"""Templates: the guide lists all features, and includes cannot leave their folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from assay.errors import LuaError
from guides import ROOT, blocks
from lua_host import CapturingHost, run

GUIDE = "docs/templates.md"


def names(heading: str) -> list[str]:
    """The names that a section of the guide lists in its first paragraph."""
    section = (ROOT / GUIDE).read_text("utf-8").split(f"\n## {heading}\n\n")[1].split("\n\n")[0]
    return re.findall(r"`(\w+)`", section.split(". ")[0])


def problem(text: str) -> str:
    """The error of a template; empty when there is none."""
    return str(run("local ok, err = pcall(template.render_string, ..., { x = 'a' }) return ok and '' or err", text))


def test_the_example_of_the_guide_prints_what_it_says() -> None:
    lua = CapturingHost()
    (script,) = blocks(GUIDE, "lua")
    lua.run(script)
    assert lua.output.decode().splitlines()[0] == script.split("--> ")[1].strip()


@pytest.mark.parametrize(("heading", "use"), [("Filters", "{{ x|NAME }}"), ("Tests", "{{ x is NAME }}")])
def test_names_in_the_guide_exist(heading: str, use: str) -> None:
    listed = names(heading)
    assert len(listed) > 30
    assert [name for name in listed if "unknown" in problem(use.replace("NAME", name))] == []


def test_functions_of_the_guide_are_there() -> None:
    assert [name for name in names("Functions") if "unknown" in problem("{{ " + name + "() }}")] == []


def test_names_that_the_guide_calls_unknown_do_not_exist() -> None:
    for name in ("forceescape", "random", "urlize", "xmlattr"):
        assert f"filter {name} is unknown" in problem("{{ x|" + name + " }}")
    assert "test callable is unknown" in problem("{{ x is callable }}")
    assert "lipsum is unknown" in problem("{{ lipsum() }}")
    assert "unknown statement trans" in problem("{% trans %}{% endtrans %}")


def rendered(path: Path) -> str:
    return str(run("return template.render(...)", str(path)))


def test_includes_follow_links_only_within_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    (folder / "parts").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "templates-old").mkdir()
    (tmp_path / "templates-old" / "secret.txt").write_text("secret")
    (folder / "parts" / "row.txt").write_text("row")
    for name, target in {
        "file.txt": str(tmp_path / "secret.txt"),
        "relative.txt": "../secret.txt",
        "up": "..",
        "beside": str(tmp_path / "templates-old"),
        "inside.txt": "parts/row.txt",
        "loop.txt": "loop.txt",
    }.items():
        (folder / name).symlink_to(target)
    for include in ("file.txt", "relative.txt", "up/secret.txt", "beside/secret.txt", "loop.txt"):
        (folder / "page.txt").write_text("{% include '" + include + "' %}")
        with pytest.raises(LuaError, match="template not found"):
            rendered(folder / "page.txt")
    (folder / "page.txt").write_text("{% include 'inside.txt' %}{% include 'up/secret.txt' ignore missing %}")
    assert rendered(folder / "page.txt") == "row"
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert rendered(link / "page.txt") == "row"
