"""`assay check`: find what is wrong with a worker script before it runs."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
from typing import TYPE_CHECKING

import click

from assay.cli.failure import tell
from assay.cli.interrupt import make_interruptible
from assay.cli.options import verbose
from assay.cli.sandbox import SandboxedCommand
from assay.errors import AssayError
from assay.permissions.settings import Asked, permissions

if TYPE_CHECKING:
    from assay.checking.check import Report

_COLOURS = {"error": "red", "warning": "yellow"}


@click.command(cls=SandboxedCommand, short_help="Check worker scripts before they run.")
@verbose
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.argument("scripts", metavar="SCRIPT...", nargs=-1, required=True)
def command(scripts: tuple[str, ...], as_json: bool, verbose: bool, asked: Asked) -> int:
    """Check worker scripts: syntax, what they register, and their workflows.

    A script runs up to the point where it would talk to a server. In the workflows and in the functions that they
    call, these are found: I/O, values that cannot go into a workflow, activities, child workflows, options and methods
    that do not exist, options with a value that does not fit, futures that nobody keeps. There and in the activities:
    calls of functions that the builtins do not have.

    Ends with 0 when there are no errors, 1 when there are, 2 when a script cannot be read.
    """
    make_interruptible(patience=1)
    from assay.checking.check import check_script
    from assay.temporal import logs

    logs.silence(verbose)
    reports = {}
    for script in scripts:
        try:
            allowed = permissions(asked, os.path.dirname(script) or ".")
            reports[script] = asyncio.run(check_script(script, permissions=allowed))
        except AssayError as error:
            return tell(error, verbose)
    if as_json:
        shown = [{"script": script, **dataclasses.asdict(report)} for script, report in reports.items()]
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        for script, report in reports.items():
            click.echo(_show(script, report))
    return 1 if any(report.has_errors for report in reports.values()) else 0


def _show(script: str, report: Report) -> str:
    lines = []
    for finding in report.findings:
        where = f"{finding.file}:{finding.line}" if finding.line else finding.file
        level = click.style(finding.level, fg=_COLOURS[finding.level])
        lines.append(f"{where}: {level}: {finding.message}")
    for worker in report.workers:
        parts = [
            f"{kind} {', '.join(names)}"
            for kind, names in (
                ("workflows", worker.workflows),
                ("activities", worker.activities),
                ("nexus services", worker.nexus_services),
            )
            if names
        ]
        lines.append(f"{script}: task queue '{worker.task_queue}': {'; '.join(parts)}")
    if not report.workers and not report.findings:
        lines.append(f"{script}: no worker")
    return "\n".join(lines)
