"""Prepare and check the files of a release: python tools/release.py dist [--tag v0.1.0] [--changelog FILE]

Writes an SBOM (CycloneDX JSON) next to the wheel, with the runtime dependencies from requirements.lock and their
hashes. Checks that the wheel contains the guides and the private Lua files. With --tag, checks that the tag matches the
version of the wheel, that the changelog has a section for it, and that pyproject.toml has no placeholder URLs. With
--changelog, writes that section to FILE.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
_PINNED = re.compile(r"^([a-z0-9.-]+)==([^ \\]+)([^\n]*)((?:\n +--hash=[^\n]*)*)((?:\n +# [^\n]*)*)", re.MULTILINE)


def components(lock: str, wanted: set[str]) -> list[dict[str, Any]]:
    """Return the CycloneDX components of the wanted packages and their transitive dependencies in a lock file."""
    locked = {
        match[1]: (match[2], match[3], re.findall(r"sha256:([0-9a-f]{64})", match[4]), _needed_by(match[5]))
        for match in _PINNED.finditer(lock)
    }
    used = set(wanted)
    while added := {name for name, (*_, dependents) in locked.items() if dependents & used} - used:
        used |= added
    return [
        {
            "type": "library",
            "bom-ref": f"pkg:pypi/{name}@{version}",
            "name": name,
            "version": version,
            "purl": f"pkg:pypi/{name}@{version}",
            "properties": [{"name": "assay:marker", "value": marker.strip(" ;\\")}] if marker.strip(" ;\\") else [],
            "externalReferences": [
                {
                    "type": "distribution",
                    "url": f"pkg:pypi/{name}@{version}",
                    "hashes": [{"alg": "SHA-256", "content": digest} for digest in digests],
                }
            ],
        }
        for name, (version, marker, digests, _) in sorted(locked.items())
        if name in used
    ]


def _needed_by(comments: str) -> set[str]:
    """Return the packages that "via" comments of a lock file name."""
    return set(re.findall(r"# +(?:via +)?([a-z0-9][a-z0-9.-]*)$", comments, re.MULTILINE)) - {"via"}


def dependencies() -> set[str]:
    """Return the normalized names of the project's direct dependencies."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = (re.split(r"[<>=!~;\[ ]", item)[0] for item in project["dependencies"])
    return {re.sub(r"[-_.]+", "-", name).lower() for name in names}


def sbom(version: str, lock: str) -> dict[str, Any]:
    """Return the software bill of materials of a version."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": f"pkg:pypi/assay-lua@{version}",
                "name": "assay-lua",
                "version": version,
                "purl": f"pkg:pypi/assay-lua@{version}",
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": components(lock, dependencies()),
    }


def check_wheel(wheel: Path) -> list[str]:
    """Return the files that are missing from a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    source = ROOT / "src"
    expected = {str(path.relative_to(source)) for path in source.rglob("*") if path.suffix in (".py", ".lua")}
    expected |= {f"assay/guides/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    return sorted(expected - names)


def notes(version: str) -> str:
    """Return the changelog section of a version; an empty string if there is none."""
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    section = re.search(rf"^## {re.escape(version)} - [^\n]*\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return section[1].strip() + "\n" if section else ""


def main() -> None:
    """Write the SBOM and the notes; exit with an error message if a check fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tag", help="the tag to release")
    parser.add_argument("--changelog", type=Path, metavar="FILE", help="write the release notes to FILE")
    options = parser.parse_args()
    (wheel,) = options.folder.glob("*.whl")
    version = wheel.name.split("-")[1]
    problems = [f"{wheel.name} does not contain {name}" for name in check_wheel(wheel)]
    bill = sbom(version, (ROOT / "requirements.lock").read_text("utf-8"))
    (options.folder / f"assay-lua-{version}.cdx.json").write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")
    if options.tag is not None:
        if options.tag != f"v{version}":
            problems.append(f"the tag {options.tag} does not match the version {version}")
        if not notes(version):
            problems.append(f"CHANGELOG.md has no section '## {version} - DATE'")
        if ".example" in (ROOT / "pyproject.toml").read_text("utf-8"):
            problems.append("[project.urls] in pyproject.toml still has placeholders")
    if options.changelog is not None:
        options.changelog.write_text(notes(version), encoding="utf-8")
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
