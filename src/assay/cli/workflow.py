"""`assay workflow`: the group, and the timeline of a run. `workflow_calls.py` has the other commands."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assay.cli.exit import print_error
from assay.cli.failure import describe, print_traceback
from assay.cli.interrupt import make_interruptible
from assay.cli.options import connection, verbose
from assay.cli.sandbox import SandboxedCommand
from assay.cli.workflow_calls import COMMANDS
from assay.errors import AssayError
from assay.libraries import LIBRARIES
from assay.permissions import EVERYTHING, Permissions
from assay.permissions.settings import SandboxOptions, permissions

if TYPE_CHECKING:
    from assay.temporal.replay.engine import Divergence
    from assay.temporal.timeline.entries import Timeline


@click.group()
def command() -> None:
    """Start workflows, send them messages, and inspect them.

    With SCRIPT its connection and codec are used, so that payloads are encrypted and decrypted.
    """


for _call in COMMANDS:
    command.add_command(_call)


@command.command("show", cls=SandboxedCommand, short_help="Show a run as a timeline.")
@verbose
@click.option("--run-id", metavar="RUN", help="The run [the latest].")
@click.option("--json", "as_json", is_flag=True, help="Print the timeline as JSON.")
@connection
@click.argument("workflow")
@click.argument("script", required=False)
def show(
    workflow: str,
    script: str | None,
    run_id: str | None,
    as_json: bool,
    address: str | None,
    namespace: str | None,
    verbose: bool,
    sandbox: SandboxOptions,
) -> int:
    """Show a run as a timeline: its steps with their times and durations.

    WORKFLOW is a workflow id, or a file NAME.json with a history. With SCRIPT the history is replayed against its
    workflows, and each step is shown with the line of Lua that caused it.

    Exits with 0, or with 1 if the workflow does not exist or cannot be read.
    """
    is_file = workflow.endswith(".json") and Path(workflow).is_file()
    if is_file and (address or namespace or run_id):
        raise click.UsageError("--address, --namespace and --run-id cannot be combined with a history from a file")
    make_interruptible(grace_period=1)
    try:
        allowed = EVERYTHING if script is None else permissions(sandbox, os.path.dirname(script) or ".")
        timeline, divergence = asyncio.run(
            _read(workflow, script, run_id, is_file, address, namespace, verbose, allowed)
        )
    except AssayError as error:
        if verbose:
            print_traceback(error)
        no_file = f"\nThere is no file {workflow} either." if workflow.endswith(".json") and not is_file else ""
        print_error(describe(error) + no_file)
        return 1
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(timeline), indent=2, ensure_ascii=False, default=str))
    else:
        from assay.cli.timeline import show

        click.echo(show(timeline, shutil.get_terminal_size().columns if sys.stdout.isatty() else None))
    if divergence is not None and divergence.is_task_failure:
        print_error(f"{script}: {divergence.message}")
    elif divergence is not None:
        print_error(f"{script} does not match this history, so lines are missing: {divergence.message}")
    return 0


async def _read(
    workflow: str,
    script: str | None,
    run_id: str | None,
    is_file: bool,
    address: str | None,
    namespace: str | None,
    verbose: bool,
    allowed: Permissions,
) -> tuple[Timeline, Divergence | None]:
    from assay.temporal.client.connect import connect_client
    from assay.temporal.connection.options import ConnectionOptions
    from assay.temporal.telemetry import logs
    from assay.temporal.timeline import reading
    from assay.temporal.worker.registration import read_script

    logs.silence(verbose)
    if is_file:
        recorded = reading.from_file(Path(workflow))
    else:
        client = await connect_client("workflow show", ConnectionOptions(url=address, namespace=namespace))
        recorded = await reading.from_server(client, workflow, run_id)
    if script is None:
        return await reading.read(recorded, None)
    registered = await read_script(script, LIBRARIES, permissions=allowed)
    try:
        return await reading.read(recorded, registered)
    finally:
        await registered.close()
