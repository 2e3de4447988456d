"""The checks, one after the other: each needs what the ones before it have found to be well."""

from __future__ import annotations

import platform
from collections.abc import Collection, Iterable
from importlib.metadata import version

import assay
from assay.cli import script_options
from assay.cli.doctor import keys, network, queues, server
from assay.cli.doctor.findings import Finding
from assay.cli.failure import describe
from assay.cli.script_options import ScriptOptions
from assay.errors import AssayError, ErrorObject
from assay.permissions import EVERYTHING
from assay.permissions.settings import SandboxOptions
from assay.temporal.connection import configuration
from assay.temporal.connection.configuration import Settings
from assay.temporal.connection.connect import connect
from assay.temporal.connection.options import ConnectionOptions

_OF_SERVER = ("server", "clock", "namespace", "task queues", "keys")
_OF_NETWORK = ("address", "certificates", *_OF_SERVER)


async def examine(
    script: str | None,
    sandbox: SandboxOptions,
    *,
    address: str | None = None,
    namespace: str | None = None,
    queues: Collection[str] = (),
) -> list[Finding]:
    """Check everything.

    Args:
        script: A script whose connection, codec and task queues are checked.
        sandbox: Permission options of the command line.
        address: The server, on top of what the script says.
        namespace: The namespace, on top of what the script says.
        queues: Task queues beside those of the script.
    """
    found = [_versions()]
    options, of_script = await _options(script, sandbox, address, namespace)
    found += of_script
    try:
        settings = configuration.resolve(options.connection, options.permissions)
        options.permissions.check_host("temporal", *settings.host_and_port)
    except AssayError as error:
        remedy = "Correct the option, the variable of the environment, or the file: see the manual, connecting.md."
        return [*found, Finding("configuration", "error", str(error), remedy), *_skipped(_OF_NETWORK)]
    found.append(_configuration(settings))
    found.append(await network.address(settings))
    if found[-1].status == "error":
        return [*found, *_skipped(_OF_NETWORK[1:])]
    found += await network.certificates(settings)
    named = list(dict.fromkeys([*(worker.task_queue for worker in options.workers), *queues]))
    return found + await _at_the_server(options, settings, script, named)


async def _at_the_server(
    options: ScriptOptions, settings: Settings, script: str | None, named: list[str]
) -> list[Finding]:
    try:
        service = await connect("doctor", options.connection, permissions=options.permissions)
    except ErrorObject as error:
        return [server.unreachable(str(error), settings), *_skipped(_OF_SERVER[1:])]
    found = [await server.about(service), await server.clock(service, settings.namespace)]
    found.append(await server.namespace(service, settings.namespace))
    if found[-1].status == "error":
        return [*found, *_skipped(_OF_SERVER[3:])]
    found += [await queues.polled(service, settings.namespace, queue) for queue in named]
    if not named:
        found.append(Finding("task queues", "skipped", "none is named: give a script with a worker, or --task-queue"))
    found.append(
        await keys.known(service, settings.namespace, named, options.connection.codec, has_script=script is not None)
    )
    return found


def _versions() -> Finding:
    known = {
        "assay": assay.__version__,
        "python": platform.python_version(),
        "temporalio": version("temporalio"),
        "system": f"{platform.system()} {platform.machine()}",
    }
    text = f"assay {known['assay']}, Python {known['python']}, temporalio {known['temporalio']}, {known['system']}"
    return Finding("versions", "ok", text, details=known)


async def _options(
    script: str | None, sandbox: SandboxOptions, address: str | None, namespace: str | None
) -> tuple[ScriptOptions, list[Finding]]:
    try:
        options = await script_options.read(script, sandbox, address=address, namespace=namespace)
    except AssayError as error:
        of_environment = ScriptOptions(ConnectionOptions(url=address, namespace=namespace), [], EVERYTHING)
        remedy = "Correct the script; what follows is what the environment says without it."
        return of_environment, [Finding("script", "error", describe(error), remedy)]
    if script is None:
        return options, []
    names = ", ".join(f"'{worker.task_queue}'" for worker in options.workers)
    text = f"{script} has workers of {names}" if names else f"{script} connects, but has no worker"
    return options, [Finding("script", "ok", text, details={"task_queues": [w.task_queue for w in options.workers]})]


def _configuration(settings: Settings) -> Finding:
    secured = "TLS" if settings.tls else "no TLS"
    if settings.tls and getattr(settings.tls, "client_cert", None):
        secured += " with a client certificate"
    key = "with an API key" if settings.api_key else "no API key"
    text = f"{settings.address}, namespace '{settings.namespace}', {secured}, {key}"
    details = {
        "address": settings.address,
        "namespace": settings.namespace,
        "tls": bool(settings.tls),
        "api_key": settings.api_key is not None,
    }
    return Finding("configuration", "ok", text, details=details)


def _skipped(checks: Iterable[str]) -> list[Finding]:
    return [Finding(check, "skipped", "not checked, because of what is wrong above") for check in checks]
