"""Complete and check the files of a release: python manual/release.py dist [--tag v0.1.0] [--changelog FILE]

Writes an SBOM beside the wheel, in CycloneDX's JSON, of what it needs: the packages of requirements.lock with their
hashes. Checks that the wheel has the guides and the private Lua files. With a tag, it must be the version of the wheel
and of the changelog, whose section goes into FILE, and the addresses in pyproject.toml must be real.
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
    """The packages of a lock file that the project or a package of it needs, as CycloneDX has them."""
    found = {
        match[1]: (match[2], match[3], re.findall(r"sha256:([0-9a-f]{64})", match[4]), _needed_by(match[5]))
        for match in _PINNED.finditer(lock)
    }
    used = set(wanted)
    while more := {name for name, (*_, users) in found.items() if users & used} - used:
        used |= more
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
        for name, (version, marker, digests, _) in sorted(found.items())
        if name in used
    ]


def _needed_by(comments: str) -> set[str]:
    """The packages behind "via" in the comments of a lock file."""
    return set(re.findall(r"# +(?:via +)?([a-z0-9][a-z0-9.-]*)$", comments, re.MULTILINE)) - {"via"}


def dependencies() -> set[str]:
    """The names of what the project itself needs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = (re.split(r"[<>=!~;\[ ]", item)[0] for item in project["dependencies"])
    return {re.sub(r"[-_.]+", "-", name).lower() for name in names}


def sbom(version: str, lock: str) -> dict[str, Any]:
    """The bill of materials of a version."""
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
    """What a wheel lacks."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    source = ROOT / "src"
    expected = {str(path.relative_to(source)) for path in source.rglob("*") if path.suffix in (".py", ".lua")}
    expected |= {f"assay/guides/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    return sorted(expected - names)


def notes(version: str) -> str:
    """The section of the changelog about a version; "" when there is none."""
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    found = re.search(rf"^## {re.escape(version)} - [^\n]*\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1].strip() + "\n" if found else ""


def main() -> None:
    """Complete and check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tag", help="the tag that is released")
    parser.add_argument("--changelog", type=Path, metavar="FILE", help="where the notes of the version go")
    options = parser.parse_args()
    (wheel,) = options.folder.glob("*.whl")
    version = wheel.name.split("-")[1]
    problems = [f"{wheel.name} lacks {name}" for name in check_wheel(wheel)]
    bill = sbom(version, (ROOT / "requirements.lock").read_text("utf-8"))
    (options.folder / f"assay-lua-{version}.cdx.json").write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")
    if options.tag is not None:
        if options.tag != f"v{version}":
            problems.append(f"the tag {options.tag} is not the version {version}")
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
