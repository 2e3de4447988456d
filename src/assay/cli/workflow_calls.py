"""The commands of `assay workflow` that use the client: start, signal, query, update, list, cancel, …."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import click

from assay.cli import inputs, script_options
from assay.cli.descriptions import UNREADABLE, details, rows
from assay.cli.exit import print_error
from assay.cli.failure import describe, print_traceback
from assay.cli.interrupt import make_interruptible
from assay.cli.options import connection, verbose
from assay.cli.sandbox import SandboxedCommand
from assay.errors import AssayError, ErrorObject

if TYPE_CHECKING:
    from assay.cli.script_options import ScriptOptions
    from assay.permissions.settings import SandboxOptions
    from assay.temporal.client import Client

_METHOD = re.compile(r"^client:\w+: ")
_DEFAULT_LIMIT = 20
_CODEC = "set the option 'codec' to decrypt it"

Call = Callable[["Client", "ScriptOptions"], Coroutine[Any, Any, int]]

input_option = click.option(
    "--input", "-i", "values", metavar="VALUE", multiple=True, help="A value as JSON or Lua; - reads stdin. Repeatable."
)
run_option = click.option("--run-id", metavar="RUN", help="The run [the latest].")
reason_option = click.option("--reason", metavar="TEXT", help="Reason, recorded in the history.")
script_argument = click.argument("script", required=False)


def _common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the script argument and the options common to all commands."""
    command = script_argument(connection(command))
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(verbose(command))


@click.command(cls=SandboxedCommand, short_help="Start a workflow.")
@click.option("--id", "workflow_id", metavar="ID", help="The workflow id [generated].")
@click.option("--task-queue", metavar="QUEUE", help="The task queue [that of the script's worker].")
@input_option
@click.option("--wait", is_flag=True, help="Wait for the result and print it.")
@click.argument("workflow_type", metavar="TYPE")
@_common
def start(
    workflow_type: str,
    workflow_id: str | None,
    task_queue: str | None,
    values: tuple[str, ...],
    wait: bool,
    as_json: bool,
    **common: Any,
) -> int:
    """Start a workflow of type TYPE on the task queue of the worker in SCRIPT.

    \b
    assay workflow start Greeting worker.lua --input '{ name = "Ada" }'
    """  # noqa: D301 click keeps the line breaks after \b

    async def call(client: Client, script: ScriptOptions) -> int:
        from assay.temporal.client import StartOptions

        queue = task_queue or _task_queue(script, workflow_type)
        target = {"workflow_type": workflow_type, "workflow_id": workflow_id, "task_queue": queue}
        started = await client.start_workflow(_checked(StartOptions, **target, **await _input(values)))
        if wait:
            if not as_json:
                click.echo(f"started {started.workflow_id}", err=True)
            return await _show_result(client, started.workflow_id, started.run_id, None, as_json)
        _print(dataclasses.asdict(started), as_json, f"started {started.workflow_id}, run {started.run_id}")
        return 0

    return _run(call, as_json, **common)


@click.command(cls=SandboxedCommand, short_help="Send a signal.")
@input_option
@run_option
@click.argument("workflow")
@click.argument("name", metavar="SIGNAL")
@_common
def signal(workflow: str, name: str, values: tuple[str, ...], run_id: str | None, as_json: bool, **common: Any) -> int:
    """Send SIGNAL to the workflow with the id WORKFLOW."""

    async def call(client: Client, _script: ScriptOptions) -> int:
        from assay.temporal.client.messages import SignalOptions

        target = {"workflow_id": workflow, "run_id": run_id, "signal_name": name}
        await client.signal_workflow(_checked(SignalOptions, **target, **await _input(values)))
        _print({"workflow_id": workflow, "signal_name": name}, as_json, f"sent {name} to {workflow}")
        return 0

    return _run(call, as_json, **common)


@click.command(cls=SandboxedCommand, short_help="Send a query and print its result.")
@input_option
@run_option
@click.argument("workflow")
@click.argument("name", metavar="QUERY")
@_common
def query(workflow: str, name: str, values: tuple[str, ...], run_id: str | None, as_json: bool, **common: Any) -> int:
    """Send QUERY to the workflow with the id WORKFLOW, and print its result."""

    async def call(client: Client, _script: ScriptOptions) -> int:
        from assay.temporal.client.messages import QueryOptions

        target = {"workflow_id": workflow, "run_id": run_id, "query_type": name}
        answer = await client.query_workflow(_checked(QueryOptions, **target, **await _input(values)))
        _print_value(_plain(answer), as_json)
        return 0

    return _run(call, as_json, **common)


@click.command(cls=SandboxedCommand, short_help="Send an update and wait for its result.")
@input_option
@run_option
@click.argument("workflow")
@click.argument("name", metavar="UPDATE")
@_common
def update(workflow: str, name: str, values: tuple[str, ...], run_id: str | None, as_json: bool, **common: Any) -> int:
    """Send UPDATE to the workflow with the id WORKFLOW, and print its result."""

    async def call(client: Client, _script: ScriptOptions) -> int:
        from assay.temporal.client.messages import RunUpdateOptions

        target = {"workflow_id": workflow, "run_id": run_id, "update_name": name}
        _print_value(
            await client.update_workflow(_checked(RunUpdateOptions, **target, **await _input(values))), as_json
        )
        return 0

    return _run(call, as_json, **common)


@click.command(cls=SandboxedCommand, short_help="Wait for the result of a workflow.")
@run_option
@click.option("--timeout", metavar="N", type=click.FloatRange(0, min_open=True), help="Seconds to wait [no limit].")
@click.argument("workflow")
@_common
def result(workflow: str, run_id: str | None, timeout: float | None, as_json: bool, **common: Any) -> int:
    """Wait until the workflow with the id WORKFLOW has ended, and print its result.

    Exits with 1 if the workflow failed.
    """

    async def call(client: Client, _script: ScriptOptions) -> int:
        return await _show_result(client, workflow, run_id, timeout, as_json)

    return _run(call, as_json, **common)


@click.command("list", cls=SandboxedCommand, short_help="List workflows.")
@click.option("--query", "text", metavar="QUERY", help="A visibility query: ExecutionStatus = 'Running'")
@click.option(
    "--limit", "-n", type=click.IntRange(1), default=_DEFAULT_LIMIT, help=f"Maximum number [{_DEFAULT_LIMIT}]."
)
@_common
def list_(text: str | None, limit: int, as_json: bool, **common: Any) -> int:
    """List the workflows of the namespace, the latest first."""

    async def call(client: Client, _script: ScriptOptions) -> int:
        from assay.temporal.client.visibility import ListOptions

        workflows = await _lenient(client).list_workflows(_checked(ListOptions, query=text, limit=limit))
        _print([dataclasses.asdict(item) for item in workflows], as_json, "\n".join(rows(workflows)))
        return 0

    return _run(call, as_json, **common)


@click.command(cls=SandboxedCommand, short_help="Request the cancellation of a workflow.")
@run_option
@reason_option
@click.argument("workflow")
@_common
def cancel(workflow: str, run_id: str | None, reason: str | None, as_json: bool, **common: Any) -> int:
    """Request the cancellation of the workflow with the id WORKFLOW."""

    async def call(client: Client, _script: ScriptOptions) -> int:
        from assay.temporal.client.workflows import CancelOptions

        await client.cancel_workflow(_checked(CancelOptions, workflow_id=workflow, run_id=run_id, reason=reason))
        _print({"workflow_id": workflow}, as_json, f"requested cancellation of {workflow}")
        return 0

    return _run(call, as_json, **common)


@click.command(cls=SandboxedCommand, short_help="Terminate a workflow.")
@run_option
@reason_option
@click.argument("workflow")
@_common
def terminate(workflow: str, run_id: str | None, reason: str | None, as_json: bool, **common: Any) -> int:
    """Terminate the workflow with the id WORKFLOW. The workflow gets no chance to clean up."""

    async def call(client: Client, _script: ScriptOptions) -> int:
        from assay.temporal.client.workflows import TerminateOptions

        await client.terminate_workflow(_checked(TerminateOptions, workflow_id=workflow, run_id=run_id, reason=reason))
        _print({"workflow_id": workflow}, as_json, f"terminated {workflow}")
        return 0

    return _run(call, as_json, **common)


@click.command("describe", cls=SandboxedCommand, short_help="Describe a workflow.")
@run_option
@click.argument("workflow")
@_common
def describe_(workflow: str, run_id: str | None, as_json: bool, **common: Any) -> int:
    """Show the status, memo, search attributes and pending activities of the workflow with the id WORKFLOW."""

    async def call(client: Client, _script: ScriptOptions) -> int:
        from assay.temporal.client.session import RunOptions

        description = await _lenient(client).describe_workflow(
            _checked(RunOptions, workflow_id=workflow, run_id=run_id)
        )
        _print(dataclasses.asdict(description), as_json, "\n".join(details(description)))
        return 0

    return _run(call, as_json, **common)


COMMANDS = (start, signal, query, update, result, list_, cancel, terminate, describe_)


def _run(
    call: Call,
    as_json: bool,
    script: str | None,
    address: str | None,
    namespace: str | None,
    verbose: bool,
    sandbox: SandboxOptions,
) -> int:
    """Connect with the options of the script, run `call` and return the exit code."""
    make_interruptible(grace_period=1)
    try:
        return asyncio.run(_connected(call, script, address, namespace, verbose, sandbox))
    except AssayError as error:
        if verbose:
            print_traceback(error)
        if as_json and isinstance(error, ErrorObject):
            _print({"error": _fields(error)}, as_json, "")
        else:
            print_error(_explained(error, script))
        return 1


def _explained(error: AssayError, script: str | None) -> str:
    text = _METHOD.sub("", describe(error))
    if script is None and _CODEC in text:
        return f"{text}; pass the script that has it"
    return text


async def _connected(
    call: Call, script: str | None, address: str | None, namespace: str | None, verbose: bool, sandbox: SandboxOptions
) -> int:
    from assay.temporal.client import Client
    from assay.temporal.client.connect import connect_client
    from assay.temporal.telemetry import logs

    logs.silence(verbose)
    options = await script_options.read(script, sandbox, address=address, namespace=namespace)
    client = await connect_client("workflow", options.connection, permissions=options.permissions)
    return await call(Client(client), options)


def _lenient(client: Client) -> Client:
    """Return a client that keeps payloads it cannot decrypt as bytes, so that lists and descriptions do not fail."""
    import temporalio.client

    from assay.temporal.client import Client
    from assay.temporal.client.conversion import LenientCodec

    settings = client.sdk.config()
    converter = settings["data_converter"]
    assert converter.payload_codec is not None
    settings["data_converter"] = dataclasses.replace(converter, payload_codec=LenientCodec(converter.payload_codec))
    return Client(temporalio.client.Client(**settings))


async def _input(texts: tuple[str, ...]) -> dict[str, Any]:
    """Return the client options for the values of `--input`."""
    values = await inputs.read(texts)
    return {"args": values} if len(values) > 1 else {"input": values[0]} if values else {}


def _checked(cls: type, **values: Any) -> Any:
    """Return options of a client method, validated as if they came from a script. Raises BuiltinError."""
    from assay.lua import convert

    return convert.options(cls)(
        {name: value for name, value in values.items() if value is not None}, "argument 'options'"
    )


def _task_queue(options: ScriptOptions, workflow_type: str) -> str:
    """Return the task queue of the script's worker that has a workflow type. Raises AssayError."""
    from assay.checking.findings import suggestion

    matching = [worker for worker in options.workers if worker.workflows is None or workflow_type in worker.workflows]
    if matching:
        return matching[0].task_queue
    if not options.workers:
        raise AssayError("the task queue is unknown: pass a script with a worker, or --task-queue")
    known = {name for worker in options.workers for name in worker.workflows or ()}
    raise AssayError(f"the script has no workflow '{workflow_type}'" + suggestion(workflow_type, known))


async def _show_result(client: Client, workflow: str, run_id: str | None, limit: float | None, as_json: bool) -> int:
    from assay.temporal.client.workflows import ResultOptions

    value = await client.get_result(_checked(ResultOptions, workflow_id=workflow, run_id=run_id, timeout=limit))
    _print_value(_plain(value), as_json)
    return 0


def _plain(value: Any) -> Any:
    from assay.temporal.data.payloads import to_python

    return to_python(value)


def _print_value(value: Any, as_json: bool) -> None:
    text = value if isinstance(value, str) else "nil" if value is None else _json(value, 2)
    _print(value, as_json, text)


def _print(value: Any, as_json: bool, text: str) -> None:
    shown = _json(value, None) if as_json else text
    if shown:
        click.echo(shown)


def _json(value: Any, indent: int | None) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False, default=_to_string)


def _to_string(value: Any) -> str:
    return UNREADABLE if isinstance(value, bytes) else str(value)


def _fields(error: ErrorObject) -> dict[str, Any]:
    """Return the fields of an error that are set, without the method name in its message."""
    fields = {name: value for name, value in error.fields.items() if value is not None}
    return {**fields, "message": _METHOD.sub("", str(fields["message"]))}
