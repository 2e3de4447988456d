"""`assay doctor`: check what is around a worker, and say what is wrong and what to do.

`examination.py` has the order of the checks, `findings.py` what they find and how it is shown. The checks themselves:
`network.py` (the address and the certificates), `server.py` (the server, its namespace and its clock), `queues.py` (who
polls), `keys.py` (the keys of the codec).
"""

from __future__ import annotations

import asyncio

import click

from assay.cli.doctor.findings import as_json, as_text, is_healthy
from assay.cli.interrupt import make_interruptible
from assay.cli.options import connection, verbose
from assay.cli.sandbox import SandboxedCommand
from assay.permissions.settings import SandboxOptions


@click.command(cls=SandboxedCommand, short_help="Check what is around a worker, and say what is wrong.")
@verbose
@click.option("--json", "prints_json", is_flag=True, help="Print the findings as JSON.")
@click.option("--task-queue", "queues", metavar="NAME", multiple=True, help="A queue beside those of the script.")
@connection
@click.argument("script", required=False)
def command(
    script: str | None,
    address: str | None,
    namespace: str | None,
    queues: tuple[str, ...],
    prints_json: bool,
    verbose: bool,
    sandbox: SandboxOptions,
) -> int:
    """Check the configuration, the server, certificates, the clock, the namespace, task queues and keys.

    With SCRIPT the connection, the codec and the task queues of its workers are checked, else those of the environment.

    The exit code is 0 if nothing is wrong, and 1 if something is. Warnings do not count.
    """
    make_interruptible(grace_period=1)
    from assay.cli.doctor.examination import examine
    from assay.temporal.telemetry import logs

    logs.silence(verbose)
    found = asyncio.run(examine(script, sandbox, address=address, namespace=namespace, queues=queues))
    click.echo(as_json(found) if prints_json else as_text(found))
    return 0 if is_healthy(found) else 1
