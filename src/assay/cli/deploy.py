"""`assay deploy`: check whether a script can be deployed, in one command for pipelines."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import click

from assay.cli import check_results, test_results
from assay.cli.failure import EXIT_USAGE, describe, report_error
from assay.cli.interrupt import make_interruptible
from assay.cli.options import connection, verbose
from assay.cli.replay_results import Results
from assay.cli.sandbox import SandboxedCommand
from assay.errors import AssayError
from assay.libraries import LIBRARIES
from assay.lua.loop import new_event_loop
from assay.permissions import Permissions
from assay.permissions.settings import SandboxOptions, permissions

_TEST_TIMEOUT = 60.0  # seconds per test


@dataclass
class Stage:
    """Result of one stage of the check.

    Attributes:
        verdict: Summary in a few words.
        text: Details as text.
        details: Details as plain values for JSON.
        passed: Whether the stage found no problem.
        error: Why the stage could not run, or empty.
    """

    verdict: str
    text: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    passed: bool = True
    error: str = ""


@dataclass(frozen=True)
class Candidate:
    """Script to be deployed.

    Attributes:
        script: Script with the worker.
        tests: Its test files.
        address: Address of the server [that of the script].
        namespace: Namespace [that of the script].
        sandbox: Permission options of the command line.
        strict: Treat warnings as errors.
        keep_all: Keep all results of replays, for JSON.
    """

    script: str
    tests: list[str]
    address: str | None
    namespace: str | None
    sandbox: SandboxOptions
    strict: bool
    keep_all: bool

    def permissions(self, script: str) -> Permissions:
        """Return the permissions of a script."""
        return permissions(self.sandbox, os.path.dirname(script) or ".")


@click.group()
def command() -> None:
    """Check whether a script can be deployed."""


@command.command("check", cls=SandboxedCommand, short_help="Check, test, and replay against the live namespace.")
@verbose
@click.option("--tests", metavar="PATH", multiple=True, help="Test files or folders [the script's folder].")
@click.option("--strict", is_flag=True, help="Treat warnings as errors.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@connection
@click.argument("script")
def check(
    script: str,
    tests: tuple[str, ...],
    strict: bool,
    as_json: bool,
    address: str | None,
    namespace: str | None,
    verbose: bool,
    sandbox: SandboxOptions,
) -> int:
    """Run `assay check` on SCRIPT and its tests, run the tests, and replay all open workflows of its task queues.

    The workflows are fetched from the server that SCRIPT connects to. Workflows pinned to a deployment version are
    skipped: they stay with the workers of that version.

    Exits with 0 if all stages pass, 1 if a stage finds a problem, 2 if a stage cannot run.
    """
    make_interruptible(grace_period=1)
    from assay.temporal.telemetry import logs
    from assay.testing.runner import find_files, search_files

    logs.silence(verbose)
    try:
        files = find_files(tests) if tests else search_files([os.path.dirname(script) or "."])
    except AssayError as error:
        return report_error(error, verbose)
    candidate = Candidate(script, files, address, namespace, sandbox, strict, as_json)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        stages = {name: runner.run(_run_stage(stage, candidate)) for name, stage in _STAGES.items()}
    click.echo(_as_json(script, stages) if as_json else _as_text(stages))
    if any(stage.error for stage in stages.values()):
        return EXIT_USAGE
    return 0 if all(stage.passed for stage in stages.values()) else 1


async def _run_stage(stage: Callable[[Candidate], Awaitable[Stage]], candidate: Candidate) -> Stage:
    try:
        return await stage(candidate)
    except AssayError as error:
        return Stage("not run", error=describe(error), passed=False)


async def _check(candidate: Candidate) -> Stage:
    from assay.checking.check import check_scripts

    reports = await check_scripts([candidate.script, *candidate.tests], policy=candidate.permissions)
    findings = [finding for report in reports.values() for finding in report.findings]
    errors = sum(finding.level == "error" for finding in findings)
    warnings = len(findings) - errors
    return Stage(
        f"{_count(errors, 'error')}, {_count(warnings, 'warning')}",
        check_results.as_text(reports),
        {"scripts": check_results.as_plain(reports)},
        passed=not errors and not (candidate.strict and warnings),
    )


async def _test(candidate: Candidate) -> Stage:
    from assay.testing.runner import run_files

    if not candidate.tests:
        return Stage("no tests", details={"files": []})
    run = run_files(
        candidate.tests, jobs=os.cpu_count() or 1, test_timeout=_TEST_TIMEOUT, options=candidate.sandbox.options()
    )
    results = sorted([result async for result in run], key=lambda result: candidate.tests.index(result.path))
    return Stage(
        test_results.summary(results),
        "\n".join(map(test_results.as_text, results)),
        {"files": [test_results.as_plain(result) for result in results]},
        passed=not any(test.message for result in results for test in result.tests),
    )


async def _replay(candidate: Candidate) -> Stage:
    from assay.temporal.replay.open_runs import replay_open_runs
    from assay.temporal.worker.registration import read_script

    script = await read_script(candidate.script, LIBRARIES, permissions=candidate.permissions(candidate.script))
    results = Results(keep_all=candidate.keep_all)
    try:
        for worker in script.workers:
            options = worker.options
            options.url, options.namespace = candidate.address or options.url, candidate.namespace or options.namespace
            async for result in replay_open_runs("assay deploy check", worker, is_new_version=True):
                results.add(result)
    finally:
        await script.close()
    *details, verdict = results.as_text().splitlines()
    return Stage(
        verdict,
        "\n".join(details),
        {"task_queues": [worker.options.task_queue for worker in script.workers], **results.as_plain()},
        passed=not results.failed and not (candidate.strict and results.warnings),
    )


_STAGES = {"check": _check, "test": _test, "replay": _replay}


def _as_text(stages: dict[str, Stage]) -> str:
    parts = []
    for name, stage in stages.items():
        details = stage.error or stage.text
        if details:
            parts.append(f"{click.style(name, bold=True)}\n{details.rstrip()}\n")
    for name, stage in stages.items():
        word, color = ("ok", "green") if stage.passed else ("FAILED", "red")
        parts.append(f"{click.style(f'{word:<8}', fg=color, bold=True)}{name:<8}{stage.verdict}")
    return "\n".join(parts)


def _as_json(script: str, stages: dict[str, Stage]) -> str:
    document: dict[str, Any] = {"script": script, "passed": all(stage.passed for stage in stages.values())}
    for name, stage in stages.items():
        result = {"error": stage.error} if stage.error else {"verdict": stage.verdict}
        document[name] = {"passed": stage.passed, **result, **stage.details}
    return json.dumps(document, indent=2, ensure_ascii=False)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
