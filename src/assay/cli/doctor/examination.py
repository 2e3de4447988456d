"""Runs the checks in order; a check whose prerequisite failed is skipped."""

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

_SERVER_CHECKS = ("server", "clock", "namespace", "task queues", "keys")
_NETWORK_CHECKS = ("address", "certificates", *_SERVER_CHECKS)


async def examine(
    script: str | None,
    sandbox: SandboxOptions,
    *,
    address: str | None = None,
    namespace: str | None = None,
    queues: Collection[str] = (),
) -> list[Finding]:
    """Run all checks and return their findings.

    Args:
        script: Script whose connection, codec and task queues are checked.
        sandbox: Permission options of the command line.
        address: Address of the server [that of the script].
        namespace: Namespace [that of the script].
        queues: Task queues in addition to those of the script.
    """
    findings = [_versions()]
    options, script_findings = await _options(script, sandbox, address, namespace)
    findings += script_findings
    try:
        settings = configuration.resolve(options.connection, options.permissions)
        options.permissions.check_host("temporal", *settings.host_and_port)
    except AssayError as error:
        remedy = "Correct the option, the environment variable or the file: see the manual, connecting.md."
        return [*findings, Finding("configuration", "error", str(error), remedy), *_skipped(_NETWORK_CHECKS)]
    findings.append(_configuration(settings))
    findings.append(await network.check_address(settings))
    if findings[-1].status == "error":
        return [*findings, *_skipped(_NETWORK_CHECKS[1:])]
    findings += await network.check_certificates(settings)
    all_queues = list(dict.fromkeys([*(worker.task_queue for worker in options.workers), *queues]))
    return findings + await _server_findings(options, settings, script, all_queues)


async def _server_findings(
    options: ScriptOptions, settings: Settings, script: str | None, all_queues: list[str]
) -> list[Finding]:
    try:
        service = await connect("doctor", options.connection, permissions=options.permissions)
    except ErrorObject as error:
        return [server.unreachable(str(error), settings), *_skipped(_SERVER_CHECKS[1:])]
    findings = [await server.check_server(service), await server.check_clock(service, settings.namespace)]
    findings.append(await server.check_namespace(service, settings.namespace))
    if findings[-1].status == "error":
        return [*findings, *_skipped(_SERVER_CHECKS[3:])]
    findings += [await queues.check_queue(service, settings.namespace, queue) for queue in all_queues]
    if not all_queues:
        findings.append(Finding("task queues", "skipped", "none given: pass a script with a worker, or --task-queue"))
    codec = options.connection.codec
    findings.append(
        await keys.check_keys(service, settings.namespace, all_queues, codec, has_script=script is not None)
    )
    return findings


def _versions() -> Finding:
    versions = {
        "assay": assay.__version__,
        "python": platform.python_version(),
        "temporalio": version("temporalio"),
        "system": f"{platform.system()} {platform.machine()}",
    }
    text = (
        f"assay {versions['assay']}, Python {versions['python']}, temporalio {versions['temporalio']}, "
        f"{versions['system']}"
    )
    return Finding("versions", "ok", text, details=versions)


async def _options(
    script: str | None, sandbox: SandboxOptions, address: str | None, namespace: str | None
) -> tuple[ScriptOptions, list[Finding]]:
    try:
        options = await script_options.read(script, sandbox, address=address, namespace=namespace)
    except AssayError as error:
        environment_options = ScriptOptions(ConnectionOptions(url=address, namespace=namespace), [], EVERYTHING)
        remedy = "Correct the script. The checks below use the configuration of the environment."
        return environment_options, [Finding("script", "error", describe(error), remedy)]
    if script is None:
        return options, []
    names = ", ".join(f"'{worker.task_queue}'" for worker in options.workers)
    text = f"{script} has workers on {names}" if names else f"{script} connects to a server, but has no worker"
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
    return [Finding(check, "skipped", "not checked because of the error above") for check in checks]
