"""`assay replay`: replay histories against a script's workflows."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING

import click

from assay.cli.failure import tell
from assay.cli.interrupt import make_interruptible
from assay.cli.options import connection, verbose
from assay.cli.sandbox import SandboxedCommand
from assay.errors import AssayError
from assay.lua.loop import new_event_loop
from assay.permissions import Permissions
from assay.permissions.settings import Asked, permissions

if TYPE_CHECKING:
    from rich.progress import Progress
    from temporalio.client import WorkflowHistory

    from assay.temporal.replay.engine import Divergence, Outcome

_COLOURS = {"---": "red", "+++": "green", "-  ": "red", "+  ": "green"}
_NAMED = 20  # of the histories that do not match, beside the first


@click.command(cls=SandboxedCommand, short_help="Replay histories against the workflows of a script.")
@verbose
@click.option("--query", metavar="QUERY", help="Replay what this visibility query finds on the server.")
@connection
@click.argument("script")
@click.argument("histories", metavar="[HISTORY]...", nargs=-1)
def command(
    script: str,
    histories: tuple[str, ...],
    query: str | None,
    address: str | None,
    namespace: str | None,
    verbose: bool,
    asked: Asked,
) -> int:
    """Replay histories against the workflows that SCRIPT registers.

    A HISTORY is a JSON file of `temporal workflow show -o json`, of the Web UI or of client:fetch_history, a folder of
    them, or a pattern ('histories/**/*.json'). Open workflows may be among them. With --query the histories come from
    a server.

    Ends with 0 when every history matches, 1 when one does not, 2 when something else is wrong.
    """
    if bool(histories) == (query is not None):
        raise click.UsageError("name histories, or give a --query")
    if query is None and (address or namespace):
        raise click.UsageError("--address and --namespace belong to --query")
    make_interruptible(patience=1)
    try:
        allowed = permissions(asked, os.path.dirname(script) or ".")
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            return runner.run(_replay(script, histories, query, address, namespace, verbose, allowed))
    except AssayError as error:
        return tell(error, verbose)


async def _replay(
    script: str,
    paths: tuple[str, ...],
    query: str | None,
    address: str | None,
    namespace: str | None,
    verbose: bool,
    allowed: Permissions,
) -> int:
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
    read = await read_script(script, permissions=allowed)
    bad: list[Outcome] = []
    replayed = 0
    with _progress(total) as advance:
        async for outcome in Replay(read.workers).run(histories):
            replayed += 1
            if outcome.divergence is not None:
                if not bad:
                    first = outcome.divergence
                bad.append(outcome if not bad else _without_details(outcome))
            advance(len(bad))
    await read.close()
    if bad:
        click.echo(_name(bad[0]) + "\n" + _show(first))
        for outcome in bad[1 : 1 + _NAMED]:
            assert outcome.divergence is not None
            click.echo(f"{_name(outcome)}: {outcome.divergence.message}")
        if len(bad) > 1 + _NAMED:
            click.echo(f"… and {len(bad) - 1 - _NAMED} more")
    histories_word = "1 history" if replayed == 1 else f"{replayed} histories"
    click.echo(f"{histories_word} replayed: {_verdict(replayed, bad)}")
    return 1 if bad else 0


def _verdict(replayed: int, bad: list[Outcome]) -> str:
    stuck = sum(outcome.divergence is not None and outcome.divergence.cannot_go_on for outcome in bad)
    differ = len(bad) - stuck
    if replayed == 1:
        return "it cannot go on" if stuck else "it does not match" if differ else "it matches"
    parts = [f"{differ} {'does' if differ == 1 else 'do'} not match"] if differ else []
    if stuck:
        parts.append(f"{stuck} cannot go on")
    return ", ".join(parts) or ("all match" if replayed else "nothing to compare")


def _without_details(outcome: Outcome) -> Outcome:
    """What is kept of a further history: there may be thousands."""
    assert outcome.divergence is not None
    outcome.divergence.before, outcome.divergence.where = [], ""
    return outcome


def _name(outcome: Outcome) -> str:
    return f"{outcome.workflow_type} {click.style(outcome.workflow_id, bold=True)}"


def _show(divergence: Divergence) -> str:
    from assay.temporal.replay.show import show

    lines = [click.style(line, fg=_COLOURS.get(line[:3])) for line in show(divergence).splitlines()]
    return "\n".join(f"  {line}".rstrip() for line in lines) + "\n"


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal; gives what is called after each history."""
    if not sys.stderr.isatty():
        yield lambda bad: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("replaying"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[bad]}", style="red"),
    )
    bar: Progress = Progress(*columns, console=Console(stderr=True), transient=True)
    with bar:
        task = bar.add_task("", total=total, bad="")
        yield lambda bad: bar.update(task, advance=1, bad=f"{bad} do not match" if bad else "")
