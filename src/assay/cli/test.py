"""`assay test`: run test files."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assay.cli import test_results
from assay.cli.failure import EXIT_USAGE, report_error
from assay.cli.interrupt import make_interruptible
from assay.cli.leave import complain
from assay.cli.options import verbose
from assay.cli.sandbox import SandboxedCommand
from assay.errors import AssayError
from assay.permissions.settings import SandboxOptions, permissions

if TYPE_CHECKING:
    from assay.testing.runner import FileResult


@click.command(cls=SandboxedCommand, short_help="Run Lua tests: the files named *_test.lua.")
@verbose
@click.option("--filter", "text", metavar="TEXT", default="", help="Run only the tests whose name contains TEXT.")
@click.option("--jobs", "-j", metavar="N", type=click.IntRange(1), help="Run N files in parallel [CPU cores].")
@click.option(
    "--timeout", metavar="N", type=click.FloatRange(0, min_open=True), default=60, help="Seconds for one test [60]."
)
@click.option("--junit", metavar="FILE", help="Write the results to FILE as JUnit XML.")
@click.option("--coverage", is_flag=True, help="Show which lines of the scripts and modules ran.")
@click.option("--lcov", metavar="FILE", help="Write the coverage to FILE, in lcov's format.")
@click.option(
    "--fail-under", metavar="N", type=click.FloatRange(0, 100), help="Fail when fewer percent of the lines ran."
)
@click.option("--explore", metavar="N", type=click.IntRange(1), help="Run only test.explore, N schedules each.")
@click.option("--seed", metavar="S", type=int, default=1, help="Where the search for schedules begins [1].")
@click.option("--schedule", metavar="FILE", help="Run only the schedule that a test.explore has written.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.option("--watch", is_flag=True, help="Run again when a Lua file changes, until Ctrl-C.")
@click.argument("paths", metavar="[PATH]...", nargs=-1)
def command(
    paths: tuple[str, ...],
    text: str,
    jobs: int | None,
    timeout: float,
    junit: str | None,
    coverage: bool,
    lcov: str | None,
    fail_under: float | None,
    explore: int | None,
    seed: int,
    schedule: str | None,
    as_json: bool,
    watch: bool,
    verbose: bool,
    sandbox: SandboxOptions,
) -> int:
    """Run Lua tests: the files named *_test.lua in each PATH, or here.

    test.workflow_env runs workflows on a server that skips time. Ends with 0 when all pass, 1 when one fails, 2 without
    tests.
    """
    if watch and as_json:
        raise click.UsageError("--watch has no use with --json")
    make_interruptible()
    exploring: dict[str, Any] | None = None if explore is None else {"count": explore, "seed": seed}
    try:
        if schedule is not None:
            from assay.testing.schedules import read_schedule

            recorded = read_schedule(schedule)
            paths = (recorded.file,)
            exploring = {"test": recorded.test, "schedule": recorded.events}
        chosen = _Chosen(
            paths=paths or (".",),
            text=text,
            jobs=jobs or os.cpu_count() or 1,
            timeout=timeout,
            junit=junit,
            coverage=coverage,
            lcov=lcov,
            fail_under=fail_under,
            exploring=exploring,
            as_json=as_json,
            sandbox=sandbox,
        )
        if watch:
            folders = {Path(path) if os.path.isdir(path) else Path(path).parent for path in (*chosen.paths, ".")}
            asyncio.run(_watch(chosen, folders, verbose))
        return asyncio.run(_run_once(chosen))
    except AssayError as error:
        return report_error(error, verbose)


@dataclass(frozen=True)
class _Chosen:
    """The options."""

    paths: tuple[str, ...]
    text: str
    jobs: int
    timeout: float
    junit: str | None
    coverage: bool
    lcov: str | None
    fail_under: float | None
    exploring: dict[str, Any] | None
    as_json: bool
    sandbox: SandboxOptions

    @property
    def is_measured(self) -> bool:
        """Return true if the coverage is wanted."""
        return self.coverage or self.lcov is not None or self.fail_under is not None


async def _watch(chosen: _Chosen, folders: set[Path], verbose: bool) -> None:
    """Run the tests, and again whenever a Lua file changes, until Ctrl-C."""
    from assay.cli.changes import lua_changes

    changes = lua_changes(folders)
    change = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0)  # the watch begins before the tests: no change is missed while they run
    while True:
        try:
            await _run_once(chosen)
        except AssayError as error:
            report_error(error, verbose)
        click.secho("waiting for changes; Ctrl-C ends", dim=True)
        changed = await change
        change = asyncio.ensure_future(anext(changes))
        click.secho(f"\n{changed} changed", bold=True)


async def _run_once(chosen: _Chosen) -> int:
    """Run the tests; returns the exit code. Raises AssayError."""
    from assay.testing import runner

    files = runner.find_files(chosen.paths)
    for folder in {os.path.dirname(file) or "." for file in files}:
        permissions(chosen.sandbox, folder)  # or else raises, before anything runs
    began = time.monotonic()
    results = await _run(files, chosen)
    ran = [test for result in results for test in result.tests]
    if not ran:
        is_filtered = any(result.filtered for result in results)
        complain(f"no test's name contains '{chosen.text}'" if is_filtered else "no tests")
        return EXIT_USAGE
    failed = sum(bool(test.message) for test in ran)
    if chosen.junit is not None:
        from assay.testing import junit

        try:
            junit.write(chosen.junit, results)
        except OSError as error:
            complain(f"cannot write {chosen.junit}: {error.strerror}")
            return EXIT_USAGE
    is_covered = True
    if chosen.is_measured:
        from assay.cli import coverage

        try:
            is_covered = coverage.report(results, chosen.lcov, chosen.fail_under, prints=not chosen.as_json)
        except OSError as error:
            complain(f"cannot write {chosen.lcov}: {error.strerror}")
            return EXIT_USAGE
    seconds = time.monotonic() - began
    if chosen.as_json:
        click.echo(test_results.as_json(results, seconds, with_coverage=chosen.is_measured))
    else:
        click.secho(test_results.summary(results), fg="red" if failed else "green", bold=True, nl=False)
        click.echo(f" ({seconds:.1f} s)")
    return 1 if failed or not is_covered else 0


async def _run(files: list[str], chosen: _Chosen) -> list[FileResult]:
    from assay.testing.runner import run_files

    results = []
    running = run_files(
        files,
        jobs=chosen.jobs,
        limit=chosen.timeout,
        text=chosen.text,
        coverage=chosen.is_measured,
        options=chosen.sandbox.options(),
        explore=chosen.exploring,
    )
    async for result in running:
        results.append(result)
        if result.tests and not chosen.as_json:
            click.echo(test_results.as_text(result))
    return sorted(results, key=lambda result: files.index(result.path))
