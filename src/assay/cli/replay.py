"""`assay replay`: replay histories against a script's workflows."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING

import click

from assay.cli.failure import report_error
from assay.cli.interrupt import make_interruptible
from assay.cli.options import connection, verbose
from assay.cli.replay_results import Results
from assay.cli.sandbox import SandboxedCommand
from assay.errors import AssayError
from assay.libraries import LIBRARIES
from assay.lua.loop import new_event_loop
from assay.permissions import Permissions
from assay.permissions.settings import SandboxOptions, permissions

if TYPE_CHECKING:
    from rich.progress import Progress
    from temporalio.client import WorkflowHistory


@click.command(cls=SandboxedCommand, short_help="Replay histories against the workflows of a script.")
@verbose
@click.option("--query", metavar="QUERY", help="Replay the workflows that match this visibility query.")
@click.option("--strict", is_flag=True, help="Treat warnings as errors.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@connection
@click.argument("script")
@click.argument("histories", metavar="[HISTORY]...", nargs=-1)
def command(
    script: str,
    histories: tuple[str, ...],
    query: str | None,
    strict: bool,
    as_json: bool,
    address: str | None,
    namespace: str | None,
    verbose: bool,
    sandbox: SandboxOptions,
) -> int:
    """Replay histories against the workflows that SCRIPT registers.

    HISTORY is a JSON file from `temporal workflow show -o json`, the Web UI or client:fetch_history, a folder of them,
    or a pattern ('histories/**/*.json'). With --query the histories are fetched from the server. Histories of open
    workflows are supported.

    Exits with 0 if every history matches, 1 if one does not, 2 on other errors. Differences that Temporal does not
    compare (timer durations, inputs, the last step) are warnings.
    """
    if bool(histories) == (query is not None):
        raise click.UsageError("expected either HISTORY arguments or --query")
    if query is None and (address or namespace):
        raise click.UsageError("--address and --namespace require --query")
    make_interruptible(grace_period=1)
    try:
        allowed = permissions(sandbox, os.path.dirname(script) or ".")
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            results = Results(keep_all=as_json)
            runner.run(_replay(script, histories, query, address, namespace, verbose, allowed, results))
    except AssayError as error:
        return report_error(error, verbose)
    click.echo(results.as_json() if as_json else results.as_text())
    return 1 if results.failed or (strict and results.warnings) else 0


async def _replay(
    script: str,
    paths: tuple[str, ...],
    query: str | None,
    address: str | None,
    namespace: str | None,
    verbose: bool,
    allowed: Permissions,
    results: Results,
) -> None:
    from assay.temporal.client.connect import connect_client
    from assay.temporal.connection.options import ConnectionOptions
    from assay.temporal.replay import sources
    from assay.temporal.replay.engine import Replay
    from assay.temporal.telemetry import logs
    from assay.temporal.worker.registration import read_script

    logs.silence(verbose)
    histories: AsyncIterator[WorkflowHistory]
    if query is not None:
        options = ConnectionOptions(url=address, namespace=namespace)
        client = await connect_client("replay", options)
        total = await sources.count(client, query)
        histories = sources.from_server(client, query)
    else:
        files = sources.history_files(paths)
        total = len(files)
        histories = sources.from_files(files)
    registered = await read_script(script, LIBRARIES, permissions=allowed)
    with _progress(total) as advance:
        async for result in Replay(registered.workers).run(histories):
            results.add(result)
            advance(results.failed)
    await registered.close()


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on a terminal; yield a function to call after each history with the number of failures."""
    if not sys.stderr.isatty():
        yield lambda failed: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("replaying"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}", style="red"),
    )
    bar: Progress = Progress(*columns, console=Console(stderr=True), transient=True)
    with bar:
        task = bar.add_task("", total=total, failed="")
        yield lambda failed: bar.update(task, advance=1, failed=f"{failed} do not match" if failed else "")
