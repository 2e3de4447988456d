"""`assay test`: run test files."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any

import click

from assay.cli import test_results
from assay.cli.failure import EXIT_USAGE, tell
from assay.cli.interrupt import make_interruptible
from assay.cli.leave import complain
from assay.cli.options import verbose
from assay.cli.sandbox import SandboxedCommand
from assay.errors import AssayError
from assay.permissions.settings import Asked, permissions

if TYPE_CHECKING:
    from assay.testing.runner import FileResult


@click.command(cls=SandboxedCommand, short_help="Run Lua tests: the files named *_test.lua.")
@verbose
@click.option("--filter", "text", metavar="TEXT", default="", help="Run only the tests whose name contains TEXT.")
@click.option(
    "--jobs", "-j", metavar="N", type=click.IntRange(1), help="Run so many files at once [the number of cores]."
)
@click.option(
    "--timeout", metavar="N", type=click.FloatRange(0, min_open=True), default=60, help="Seconds for one test [60]."
)
@click.option("--junit", metavar="FILE", help="Write the results to FILE as JUnit XML.")
@click.option("--coverage", is_flag=True, help="Show which lines of the scripts and modules ran.")
@click.option("--lcov", metavar="FILE", help="Write the coverage to FILE, in lcov's format.")
@click.option(
    "--fail-under", metavar="N", type=click.FloatRange(0, 100), help="Fail when fewer percent of the lines ran."
)
@click.option(
    "--explore", metavar="N", type=click.IntRange(1), help="Run only the tests of test.explore, N schedules each."
)
@click.option("--seed", metavar="S", type=int, default=1, help="Where the search for schedules begins [1].")
@click.option("--schedule", metavar="FILE", help="Run only the schedule that a failing test.explore has written.")
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
    verbose: bool,
    asked: Asked,
) -> int:
    """Run Lua tests: the files named *_test.lua in each PATH, or here.

    \b
    test("adds", function()
      assert.eq(1 + 1, 2)
    end)

    test.workflow_env{ script = … } runs workflows on a server that skips time.

    Ends with 0 when all pass, 1 when one fails, 2 when there is nothing to run.
    """  # noqa: D301 click wants the character, for lines that it leaves as they are
    make_interruptible()
    from assay.testing import runner

    exploring: dict[str, Any] | None = None if explore is None else {"count": explore, "seed": seed}
    try:
        if schedule is not None:
            from assay.testing.schedules import read_schedule

            recorded = read_schedule(schedule)
            paths = (recorded.file,)
            exploring = {"test": recorded.test, "schedule": recorded.events}
        files = runner.find_files(paths or (".",))
        for folder in {os.path.dirname(file) or "." for file in files}:
            permissions(asked, folder)  # or else raises, before anything runs
    except AssayError as error:
        return tell(error, verbose)
    began = time.monotonic()
    coverage = coverage or lcov is not None or fail_under is not None
    results = asyncio.run(_run(files, jobs or os.cpu_count() or 1, timeout, text, coverage, asked, exploring))
    ran = [test for result in results for test in result.tests]
    if not ran:
        complain(f"no test's name contains '{text}'" if any(result.filtered for result in results) else "no tests")
        return EXIT_USAGE
    failed = sum(bool(test.message) for test in ran)
    if junit is not None:
        from assay.testing import junit as writer

        try:
            writer.write(junit, results)
        except OSError as error:
            complain(f"cannot write {junit}: {error.strerror}")
            return EXIT_USAGE
    is_covered = True
    if coverage:
        from assay.cli import coverage as report

        try:
            is_covered = report.tell(results, lcov, fail_under)
        except OSError as error:
            complain(f"cannot write {lcov}: {error.strerror}")
            return EXIT_USAGE
    click.secho(test_results.summary(results), fg="red" if failed else "green", bold=True, nl=False)
    click.echo(f" ({time.monotonic() - began:.1f} s)")
    return 1 if failed or not is_covered else 0


async def _run(
    files: list[str],
    jobs: int,
    limit: float,
    text: str,
    coverage: bool,
    asked: Asked,
    explore: dict[str, Any] | None,
) -> list[FileResult]:
    from assay.testing.runner import run_files

    results = []
    async for result in run_files(
        files, jobs=jobs, limit=limit, text=text, coverage=coverage, options=asked.options(), explore=explore
    ):
        results.append(result)
        if result.tests:
            click.echo(test_results.as_text(result))
    return sorted(results, key=lambda result: files.index(result.path))
