"""Output of `assay test --coverage`."""

from __future__ import annotations

from collections.abc import Iterable

import click

from assay.cli.exit import print_error
from assay.testing.coverage import FileCoverage, merge, percent
from assay.testing.runner import FileResult

_TOTAL = "all files"


def report(results: Iterable[FileResult], lcov: str | None, fail_under: float | None, *, prints: bool = True) -> bool:
    """Report the coverage and return true if it is not below `fail_under` percent. Raises OSError.

    Args:
        results: Results of the test files.
        lcov: File to write the coverage to, in lcov format.
        fail_under: Required coverage, in percent.
        prints: Print the coverage as a table.
    """
    files = merge(file for result in results for file in result.coverage)
    if prints:
        click.echo(_table(files))
    if lcov is not None:
        from assay.testing import lcov as writer

        writer.write(lcov, files)
    total = percent(files)
    if fail_under is not None and total < fail_under:
        print_error(f"coverage {total:.1f} % is below {fail_under:g} %")
        return False
    return True


def _table(files: list[FileCoverage]) -> str:
    rows = [(file.path, [file], ", ".join(map(_range, file.missing))) for file in files]
    rows.append((_TOTAL, files, ""))
    width = max(len(path) for path, _, _ in rows)
    lines = [click.style(f"{'coverage':<{width}}      lines          missing", bold=True)]
    for path, covered, missing in rows:
        hit, total = sum(len(file.hit) for file in covered), sum(len(file.lines) for file in covered)
        counts = f"{hit}/{total}"
        color = "green" if hit == total else "yellow"
        share = click.style(f"{percent(covered):>5.1f} %", fg=color)
        lines.append(f"{path:<{width}}  {counts:>9}  {share}  {missing}".rstrip())
    return "\n".join([*lines, ""])


def _range(lines: tuple[int, int]) -> str:
    first, last = lines
    return str(first) if first == last else f"{first}-{last}"
