"""The command that installs an optional dependency, depending on how assay was installed."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shlex
import shutil
import sys

_DISTRIBUTION = "assay-lua"


def install_command(package: str) -> str:
    """Return the command that installs a package next to assay, in the version that assay requires."""
    requirement = shlex.quote(_requirement(package))
    python = shlex.quote(sys.executable)
    if os.path.exists(os.path.join(sys.prefix, "pipx_metadata.json")):
        return f"pipx inject {shlex.quote(os.path.basename(sys.prefix))} {requirement}"
    if importlib.util.find_spec("pip") is not None:
        return f"{python} -m pip install {requirement}"
    if shutil.which("uv") is not None:
        return f"uv pip install --python {python} {requirement}"
    return f"pip --python {python} install {requirement}"


def _requirement(package: str) -> str:
    try:
        requirements = importlib.metadata.requires(_DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return package
    names = [requirement.partition(";")[0].strip() for requirement in requirements]
    return next((name for name in names if name.startswith(f"{package}=")), package)
