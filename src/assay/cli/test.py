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
from assay.cli.exit import print_error
from assay.cli.failure import EXIT_USAGE, report_error
from assay.cli.interrupt import make_interruptible
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
@click.option("--coverage", is_flag=True, help="Report the line coverage of scripts and modules.")
@click.option("--lcov", metavar="FILE", help="Write the coverage to FILE in lcov format.")
@click.option(
    "--fail-under", metavar="N", type=click.FloatRange(0, 100), help="Fail if the coverage is below N percent."
)
@click.option("--explore", metavar="N", type=click.IntRange(1), help="Run only test.explore, N schedules each.")
@click.option("--seed", metavar="S", type=int, default=1, help="Seed of the search for schedules [1].")
@click.option("--schedule", metavar="FILE", help="Run only a schedule written by test.explore.")
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
    """Run Lua tests: the files named *_test.lua in each PATH [.].

    test.workflow_env runs workflows on a server that skips time. Exits with 0 if all tests pass, 1 if one fails, 2 if
    there are none.
    """
    if watch and as_json:
        raise click.UsageError("--watch and --json are mutually exclusive")
    make_interruptible()
    exploration: dict[str, Any] | None = None if explore is None else {"count": explore, "seed": seed}
    try:
        if schedule is not None:
            from assay.testing.schedules import read_schedule

            recorded = read_schedule(schedule)
            paths = (recorded.file,)
            exploration = {"test": recorded.test, "schedule": recorded.events}
        options = _Options(
            paths=paths or (".",),
            text=text,
            jobs=jobs or os.cpu_count() or 1,
            timeout=timeout,
            junit=junit,
            coverage=coverage,
            lcov=lcov,
            fail_under=fail_under,
            exploration=exploration,
            as_json=as_json,
            sandbox=sandbox,
        )
        if watch:
            folders = {Path(path) if os.path.isdir(path) else Path(path).parent for path in (*options.paths, ".")}
            asyncio.run(_watch(options, folders, verbose))
        return asyncio.run(_run_once(options))
    except AssayError as error:
        return report_error(error, verbose)


@dataclass(frozen=True)
class _Options:
    """Options of the command."""

    paths: tuple[str, ...]
    text: str
    jobs: int
    timeout: float
    junit: str | None
    coverage: bool
    lcov: str | None
    fail_under: float | None
    exploration: dict[str, Any] | None
    as_json: bool
    sandbox: SandboxOptions

    @property
    def measures_coverage(self) -> bool:
        """True if the coverage is to be measured."""
        return self.coverage or self.lcov is not None or self.fail_under is not None


async def _watch(options: _Options, folders: set[Path], verbose: bool) -> None:
    """Run the tests now and whenever a Lua file changes, until Ctrl-C."""
    from assay.cli.changes import lua_changes

    changes = lua_changes(folders)
    change = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0)  # starts watching before the tests run, so that no change is missed
    while True:
        try:
            await _run_once(options)
        except AssayError as error:
            report_error(error, verbose)
        click.secho("waiting for changes; press Ctrl-C to stop", dim=True)
        changed = await change
        change = asyncio.ensure_future(anext(changes))
        click.secho(f"\n{changed} changed", bold=True)


async def _run_once(options: _Options) -> int:
    """Run the tests and return the exit code. Raises AssayError."""
    from assay.testing import runner

    files = runner.find_files(options.paths)
    for folder in {os.path.dirname(file) or "." for file in files}:
        permissions(options.sandbox, folder)  # raises if they are invalid, before anything runs
    began = time.monotonic()
    results = await _run(files, options)
    tests = [test for result in results for test in result.tests]
    if not tests:
        is_filtered = any(result.filtered for result in results)
        print_error(f"no test name contains '{options.text}'" if is_filtered else "no tests")
        return EXIT_USAGE
    failed = sum(bool(test.message) for test in tests)
    if options.junit is not None:
        from assay.testing import junit

        try:
            junit.write(options.junit, results)
        except OSError as error:
            print_error(f"cannot write {options.junit}: {error.strerror}")
            return EXIT_USAGE
    is_covered = True
    if options.measures_coverage:
        from assay.cli import coverage

        try:
            is_covered = coverage.report(results, options.lcov, options.fail_under, prints=not options.as_json)
        except OSError as error:
            print_error(f"cannot write {options.lcov}: {error.strerror}")
            return EXIT_USAGE
    seconds = time.monotonic() - began
    if options.as_json:
        click.echo(test_results.as_json(results, seconds, with_coverage=options.measures_coverage))
    else:
        click.secho(test_results.summary(results), fg="red" if failed else "green", bold=True, nl=False)
        click.echo(f" ({seconds:.1f} s)")
    return 1 if failed or not is_covered else 0


async def _run(files: list[str], options: _Options) -> list[FileResult]:
    from assay.testing.runner import run_files

    results = []
    running = run_files(
        files,
        jobs=options.jobs,
        test_timeout=options.timeout,
        name_filter=options.text,
        coverage=options.measures_coverage,
        options=options.sandbox.options(),
        explore=options.exploration,
    )
    async for result in running:
        results.append(result)
        if result.tests and not options.as_json:
            click.echo(test_results.as_text(result))
    return sorted(results, key=lambda result: files.index(result.path))
