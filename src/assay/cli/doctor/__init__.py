"""`assay doctor`: diagnose the environment of a worker and suggest remedies.

`examination.py` runs the checks in order; `findings.py` defines and formats their results. The checks: `network.py`
(address and certificates), `server.py` (server, clock and namespace), `queues.py` (pollers), `keys.py` (keys of the
codec).
"""

from __future__ import annotations

import asyncio

import click

from assay.cli.doctor.findings import as_json, as_text, is_healthy
from assay.cli.interrupt import make_interruptible
from assay.cli.options import connection, verbose
from assay.cli.sandbox import SandboxedCommand
from assay.permissions.settings import SandboxOptions


@click.command(cls=SandboxedCommand, short_help="Diagnose server, certificates, task queues and keys.")
@verbose
@click.option("--json", "prints_json", is_flag=True, help="Print the findings as JSON.")
@click.option("--task-queue", "queues", metavar="NAME", multiple=True, help="Also check this task queue; repeatable.")
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

    With SCRIPT, check the connection, the codec and the task queues of its workers; otherwise the configuration of the
    environment.

    Exits with 0 if there are no errors, 1 if there are. Warnings do not count.
    """
    make_interruptible(grace_period=1)
    from assay.cli.doctor.examination import examine
    from assay.temporal.telemetry import logs

    logs.silence(verbose)
    findings = asyncio.run(examine(script, sandbox, address=address, namespace=namespace, queues=queues))
    click.echo(as_json(findings) if prints_json else as_text(findings))
    return 0 if is_healthy(findings) else 1
