"""`assay run`: run a script."""

from __future__ import annotations

import asyncio

import click

from assay.cli import script as runner
from assay.cli.options import script_arguments, verbose
from assay.cli.sandbox import SandboxedCommand
from assay.errors import AssayError
from assay.permissions.settings import SandboxOptions
from assay.temporal.telemetry import listen_address

AUTO = "auto"


class ProcessCount(click.ParamType[int]):
    """A number of processes, or `AUTO` for one per core."""

    name = "processes"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number of processes."""
        if value == AUTO:
            from assay.cli.processes.cores import usable_cores

            return usable_cores()
        if not (value.isascii() and value.isdigit() and int(value) > 0):
            self.fail(f"expected a positive integer or '{AUTO}', got '{value}'", param, ctx)
        return int(value)


@click.command(
    cls=SandboxedCommand,
    shows_all=True,
    short_help="Run a script.",
    context_settings={"allow_interspersed_args": False},
)
@verbose
@click.option("--health", metavar="IP:PORT", help="Serve /livez and /readyz of its workers here.")
@click.option("--processes", metavar="N|auto", type=ProcessCount(), help="Run N processes that share its task queues.")
@click.option("--watch", is_flag=True, help="Reload on changes that match all open workflows.")
@click.argument("script")
@script_arguments
def command(
    script: str,
    arguments: tuple[str, ...],
    health: str | None,
    processes: int | None,
    watch: bool,
    verbose: bool,
    sandbox: SandboxOptions,
) -> int:
    """Run SCRIPT with the arguments ARGS.

    The script has all permissions unless --sandbox, an --allow option or a [permissions] table in an assay.toml next to
    it restricts them. An --allow option without a list allows everything of its kind.
    """
    if health is not None:
        try:
            listen_address.parse("--health", health)
        except AssayError as error:
            raise click.UsageError(str(error)) from error
    if watch:
        return _watch(script, arguments, health, processes, verbose, sandbox)
    if processes is None:
        return runner.run_file(script, list(arguments), verbose=verbose, sandbox=sandbox, health=health)
    from assay.cli.processes.supervisor import Supervisor

    async def supervise() -> int:
        child_arguments = [*sandbox.options(), script, *arguments]
        return await Supervisor(child_arguments, processes, health=health, verbose=verbose).run()

    return asyncio.run(supervise())


def _watch(
    script: str,
    arguments: tuple[str, ...],
    health: str | None,
    processes: int | None,
    verbose: bool,
    sandbox: SandboxOptions,
) -> int:
    """Run the script in a child process with the other options, and replace it when its files change."""
    from assay.cli.reloading.display import Lines
    from assay.cli.reloading.reload import Reloading

    options = [] if health is None else ["--health", health]
    options += [] if processes is None else ["--processes", str(processes)]

    async def run() -> int:
        display = Lines(options)
        return await Reloading(script, list(arguments), display, verbose, sandbox.options(), strict=True).run()

    return asyncio.run(run())
