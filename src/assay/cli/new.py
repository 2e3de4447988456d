"""`assay new`: create a project with a worker and its test."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import click

from assay.cli.exit import print_error
from assay.cli.failure import EXIT_USAGE
from assay.cli.options import verbose

_TEMPLATE = Path(__file__).parent / "template"
STUBS = "assay.lua"


@click.command(short_help="Create a project.")
@verbose
@click.argument("name")
def command(name: str, verbose: bool) -> int:
    """Create a project in the new folder NAME.

    It has a worker with one workflow, its test, a client script, a README, a Makefile, settings and annotations for the
    Lua language server, and launch configurations for the debugger. Run its tests with: make -C NAME test
    """
    folder = Path(name)
    queue = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")
    if not queue:
        print_error(f"cannot create project '{name}': the name needs a letter or a digit")
        return EXIT_USAGE
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        print_error(f"cannot create project in {name}: the folder already exists")
        return EXIT_USAGE
    from assay.cli.reference import write_stubs

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(_TEMPLATE.rglob("*")):
            if path.is_dir():
                continue
            target = folder / str(path.relative_to(_TEMPLATE)).replace("dot.", ".")
            target.parent.mkdir(exist_ok=True)
            text = path.read_text(encoding="utf-8").replace("{{queue}}", queue).replace("{{name}}", folder.name)
            target.write_text(text, encoding="utf-8")
        write_stubs(os.fspath(folder / ".luals" / STUBS))
    except OSError as error:
        print_error(f"cannot create project in {name}: {error.strerror}")
        return EXIT_USAGE
    click.echo(f"created {folder}:\n  cd {shlex.quote(str(folder))}\n  assay test\n  assay dev worker.lua")
    return 0
