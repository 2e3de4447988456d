"""What `assay test --coverage` shows."""

from __future__ import annotations

from collections.abc import Iterable

import click

from assay.cli.leave import complain
from assay.testing.coverage import FileCoverage, merge, percent
from assay.testing.runner import FileResult

_TOTAL = "all files"


def report(results: Iterable[FileResult], lcov: str | None, fail_under: float | None, *, prints: bool = True) -> bool:
    """Print the coverage as a table if it `prints`, and write it to the file `lcov`; returns whether it is enough.

    Raises OSError.
    """
    files = merge(file for result in results for file in result.coverage)
    if prints:
        click.echo(_table(files))
    if lcov is not None:
        from assay.testing import lcov as writer

        writer.write(lcov, files)
    total = percent(files)
    if fail_under is not None and total < fail_under:
        complain(f"{total:.1f} % of the lines ran, less than {fail_under:g} %")
        return False
    return True


def _table(files: list[FileCoverage]) -> str:
    rows = [(file.path, [file], ", ".join(map(_range, file.missing))) for file in files]
    rows.append((_TOTAL, files, ""))
    width = max(len(path) for path, _, _ in rows)
    lines = [click.style(f"{'coverage':<{width}}      lines          missing", bold=True)]
    for path, of, missing in rows:
        hit, total = sum(len(file.hit) for file in of), sum(len(file.lines) for file in of)
        counts = f"{hit}/{total}"
        colour = "green" if hit == total else "yellow"
        share = click.style(f"{percent(of):>5.1f} %", fg=colour)
        lines.append(f"{path:<{width}}  {counts:>9}  {share}  {missing}".rstrip())
    return "\n".join([*lines, ""])


def _range(lines: tuple[int, int]) -> str:
    first, last = lines
    return str(first) if first == last else f"{first}-{last}"
