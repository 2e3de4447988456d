"""`assay check`: find errors in a script before it runs."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any

import click

from assay.cli import check_results
from assay.cli.failure import report_error
from assay.cli.interrupt import make_interruptible
from assay.cli.options import verbose
from assay.cli.sandbox import SandboxedCommand
from assay.errors import AssayError
from assay.permissions import Permissions
from assay.permissions.settings import SandboxOptions, permissions

if TYPE_CHECKING:
    from assay.checking.check import Report


@click.command(cls=SandboxedCommand, short_help="Check scripts before they run.")
@verbose
@click.option("--no-run", is_flag=True, help="Check the source only; run nothing.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif"]),
    default="text",
    help="Output format [text].",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.argument("scripts", metavar="SCRIPT...", nargs=-1, required=True)
def command(
    scripts: tuple[str, ...], no_run: bool, form: str, as_json: bool, verbose: bool, sandbox: SandboxOptions
) -> int:
    """Check scripts and tests: syntax, names, what workers register, and their workflows.

    A script runs until it would connect to a server; of *_test.lua only the source is read. The command reports
    undefined names, unknown functions, and pcall with a call instead of a function. In workflows it also reports I/O,
    values that cannot be used there, unknown activities and methods, invalid options, and discarded futures; in tests,
    activities and workflows that the script lacks; across files, waits for signals that no file sends.

    Exits with 0 if there are no errors, 1 if there are, 2 if a script cannot be read.
    """
    make_interruptible(grace_period=1)
    from assay.checking.check import check_scripts
    from assay.temporal.telemetry import logs

    logs.silence(verbose)

    def policy(script: str) -> Permissions:
        return permissions(sandbox, os.path.dirname(script) or ".")

    try:
        reports = asyncio.run(check_scripts(scripts, run=not no_run, policy=policy))
    except AssayError as error:
        return report_error(error, verbose)
    _print(reports, "json" if as_json else form)
    return 1 if any(report.has_errors for report in reports.values()) else 0


def _print(reports: dict[str, Report], form: str) -> None:
    if form == "text":
        click.echo(check_results.as_text(reports))
        return
    shown: Any
    if form == "json":
        shown = check_results.as_plain(reports)
    else:
        from assay.checking import sarif

        shown = sarif.log(dict.fromkeys(finding for report in reports.values() for finding in report.findings))
    click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
