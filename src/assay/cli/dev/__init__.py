"""`assay dev`: run a script with a Temporal server and restart it when it changes.

`servers.py` selects the server; `cli/reloading/` runs the script in a child process. If the output is not a terminal,
the child runs `assay run`. On a terminal it runs `watched.py`, where `observer.py` sends reports about the script's
workflows, which `screen.py` shows.
"""

from __future__ import annotations

import asyncio
import os

import click

from assay.cli.dev import servers
from assay.cli.dev.search_attribute import SearchAttribute
from assay.cli.exit import print_error
from assay.cli.options import script_arguments, verbose
from assay.cli.reloading.display import Display, Lines
from assay.cli.reloading.reload import Reloading
from assay.cli.sandbox import SandboxedCommand
from assay.cli.signals import Signals
from assay.errors import DevServerError
from assay.permissions.settings import SandboxOptions, permissions
from assay.temporal.dev_server.server import DEFAULT_PORT, DEFAULT_UI_PORT, DevServer, is_free


@click.command(cls=SandboxedCommand, short_help="Run SCRIPT with a dev server and reload on changes.")
@verbose
@click.option("--db", metavar="FILE", help="Store the server's state in FILE.")
@click.option("--port", metavar="N", type=click.IntRange(1, 65535), help="The server's port [7233, or free].")
@click.option("--ui-port", metavar="N", type=click.IntRange(1, 65535), help="The Web UI's port [8233, or free].")
@click.option(
    "--search-attribute",
    "search_attributes",
    metavar="N=TYPE",
    type=SearchAttribute(),
    multiple=True,
    help="Register the search attribute N; repeatable.",
)
@click.option("--plain", is_flag=True, help="Write plain lines even on a terminal.")
@click.argument("script")
@script_arguments
def command(
    script: str,
    arguments: tuple[str, ...],
    db: str | None,
    port: int | None,
    ui_port: int | None,
    search_attributes: tuple[tuple[str, str], ...],
    plain: bool,
    verbose: bool,
    sandbox: SandboxOptions,
) -> int:
    """Run SCRIPT with an embedded Temporal server that stops with it.

    A server configured by the environment or a profile, or one that answers on localhost:7233, is used instead. Options
    of the script itself follow after --.

    On a terminal it shows open workflows, what they wait for, and failures. When the script or a module that it
    requires changes, the worker restarts. If the new code fails to load, the running worker is kept; open workflows
    that do not match the new code are reported.
    """
    try:
        open(script, "rb").close()  # fails before a server is started
    except OSError as error:
        print_error(f"cannot read {script}: {error.strerror}")
        return 1
    permissions(sandbox, os.path.dirname(script) or ".")  # raises before a server is started
    display = Lines() if plain or not is_terminal() else _screen(script, sandbox)
    configured = servers.configured_address()
    has_server_options = bool(search_attributes) or any(option is not None for option in (db, port, ui_port))
    if configured is not None and has_server_options:
        options = "--db, --port, --ui-port and --search-attribute"
        raise click.UsageError(f"{options} cannot be combined with a configured server ({configured})")
    if configured is not None:
        display.notify("Temporal server", f"{configured} (configured)")
        return _run(script, list(arguments), display, verbose, sandbox)
    default_address = f"localhost:{DEFAULT_PORT}"
    if not has_server_options and servers.answers(default_address):
        display.notify("Temporal server", f"{default_address} (already running)")
        if not is_free(DEFAULT_UI_PORT):
            display.notify("Web UI", f"http://localhost:{DEFAULT_UI_PORT}")
        return _run(script, list(arguments), display, verbose, sandbox)

    server = DevServer(
        port=port,
        ui_port=ui_port,
        db=db,
        namespace=os.environ.get("TEMPORAL_NAMESPACE") or "default",
        prefer_default_ports=True,
        search_attributes=dict(search_attributes),
    )
    signals = Signals(server.stop)
    try:
        server.start()
        signals.hold()
        _show_server(server, db, display)
        servers.use(server)
        return _run(script, list(arguments), display, verbose, sandbox)
    except DevServerError:
        signals.hold()
        raise
    finally:
        server.stop()


def _show_server(server: DevServer, db: str | None, display: Display) -> None:
    display.notify("Temporal server", f"{server.address} ({'in memory' if db is None else f'state in {db}'})")
    display.notify("Web UI", server.ui_url)
    display.notify("HTTP API", server.http_url)
    if server.port != DEFAULT_PORT:
        display.notify("Other terminals", f"export TEMPORAL_ADDRESS={server.address}")


def is_terminal() -> bool:
    """Return true if stdout and stderr are a terminal that supports the live screen."""
    return os.isatty(1) and os.isatty(2) and os.environ.get("TERM", "dumb") != "dumb"


def _screen(script: str, sandbox: SandboxOptions) -> Display:
    from assay.cli.dev.screen import Screen

    return Screen(script, sandbox.options())


def _run(script: str, arguments: list[str], display: Display, verbose: bool, sandbox: SandboxOptions) -> int:
    async def run() -> int:
        try:
            return await Reloading(script, arguments, display, verbose, sandbox.options()).run()
        finally:
            display.close()

    return asyncio.run(run())
